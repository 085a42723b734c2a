"""What lies below ``data/``: enough to make level and decision again, the same in every export."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
from pathlib import Path

import made_up
import pytest
import sealed

from noisewatch.evidence import bagit, contents, export, levels, recompute, references, tables, verify
from noisewatch.recognition import signature
from noisewatch.records import EventRecord

SHIPPED = Path(__file__).resolve().parents[2] / "signatures"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> sealed.Place:
    return sealed.make_place(tmp_path_factory.mktemp("place"))


def make(place: sealed.Place, out: Path, **changes: object) -> export.Exported:
    order = dataclasses.replace(
        export.Order(place.event_id, "officer", sealed.REASON, sealed.CASE), **changes
    )
    return export.export(order, node=place.node, custody=place.custody, out=out)


@pytest.fixture(scope="module")
def packages(place: sealed.Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same event in two languages."""
    out = tmp_path_factory.mktemp("out")
    made = {language: make(place, out, language=language) for language in ("en", "nl")}
    assert all(one.missing == () for one in made.values())
    return {language: one.package for language, one in made.items()}


def test_a_package_holds_everything_that_stands_in_its_list(packages: dict[str, Path]) -> None:
    files, problems = bagit.read_bag(packages["en"])
    assert problems == []
    assert {*contents.KNOWN, *contents.OPTIONAL, "data/clip.mp4"} - set(files) == {contents.MARKED_STILL}
    assert set(files) <= {*contents.KNOWN, *contents.OPTIONAL, "data/clip.mp4"}


def test_only_report_and_plots_depend_on_the_language(packages: dict[str, Path]) -> None:
    english, dutch = (bagit.read_bag(package)[0] for package in packages.values())
    data = {name for name in english if name.startswith("data/")}
    differ = {name for name in data if english[name] != dutch[name]}
    plots = {contents.LEVELS_PLOT, contents.BANDS_PLOT, contents.ENGINE_PLOT, contents.VEHICLE_PLOT}
    assert differ <= {contents.REPORT, *plots}
    assert contents.REPORT in differ


def test_level_and_decision_come_out_again_from_the_package_alone(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    # nothing but the folder of the package: no custody, no node, no noisewatch record
    folder = Path(shutil.copytree(packages["en"], tmp_path / "alone"))
    signed = json.loads((folder / contents.EVENT).read_text())
    event, start_s = signed["event"], signed["clip"]["start_sample"] / signed["clip"]["rate_hz"]
    onset_s, end_s = (event[f"{edge}_sample"] / event["rate_hz"] - start_s for edge in ("onset", "end"))
    rows = list(csv.DictReader(io.StringIO((folder / contents.LEVELS).read_text())))
    inside = [row for row in rows if float(row["start_s"]) < end_s and float(row["end_s"]) > onset_s]
    assert max(float(row["lafmax_db"]) for row in inside) == pytest.approx(event["lafmax_db"], abs=0.006)
    windows = list(csv.DictReader(io.StringIO((folder / contents.WINDOWS).read_text())))
    matched = [float(row["probability"]) for row in windows if row["match"] == "yes"]
    assert all(float(row["lafmax_db"]) >= event["gate_db"] for row in windows if row["match"] == "yes")
    assert recompute.event_probability(matched) == pytest.approx(event["probability"])
    assert recompute.event_probability(matched) >= event["threshold"]
    again = verify.verify(folder).recomputed
    assert again is not None
    assert (again.differs, again.is_event) == ((), True)
    assert again.lafmax_db == pytest.approx(89.6, abs=0.006)


def test_what_is_not_at_hand_is_named_and_the_package_is_good_without_it(
    place: sealed.Place, tmp_path: Path
) -> None:
    node = Path(shutil.copytree(place.node, tmp_path / "node"))
    shutil.rmtree(node / "calibration")
    next(node.glob("signatures/*/card.md")).write_bytes(b"another card")
    made = make(dataclasses.replace(place, node=node), tmp_path / "out")
    assert made.missing == ("its calibration record", "the card of its signature")
    assert not {contents.CALIBRATION, contents.CARD} & set(bagit.read_bag(made.package)[0])
    assert verify.verify(made.package, trust=place.trust).origin == "verified"


@pytest.fixture
def record() -> EventRecord:
    return made_up.make_record(b"clip", made_up.make_levels())


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ({"lafmax_db": 91.0}, "the highest level"),
        ({"probability": 0.6}, "the probability of its windows"),
        ({"threshold": 0.999}, "whether it is an event at all"),
        ({"gate_db": 85.0}, "whether it is loud enough"),
    ],
)
def test_what_the_box_signed_and_does_not_come_out_again_is_named(
    event: dict[str, float], what: str, record: EventRecord
) -> None:
    wrong = dataclasses.replace(record, event=dataclasses.replace(record.event, **event))
    table = levels.read_levels(made_up.make_levels())
    again = recompute.recompute(wrong, table, settings=made_up.SETTINGS)
    assert any(what in one for one in again.differs)
    assert recompute.recompute(record, table, settings=made_up.SETTINGS).differs == ()


def test_a_box_keeps_the_card_of_a_signature_under_the_hash_that_records_name(tmp_path: Path) -> None:
    folder = references.keep_signature(tmp_path, SHIPPED / "exhaust")
    files = {name: (SHIPPED / "exhaust" / name).read_bytes() for name in signature.FILES}
    assert references.HASHED == signature.FILES
    assert folder.name == signature.content_sha256(files)
    assert (folder / "card.md").read_bytes() == files["card.md"]
    before = (folder / "SHA256SUMS").stat().st_mtime_ns
    references.keep_signature(tmp_path, SHIPPED / "exhaust")
    assert (folder / "SHA256SUMS").stat().st_mtime_ns == before


def test_tables_hold_no_formula(record: EventRecord) -> None:
    term = {"name": "=cmd()", "source": "-a1", "standard_uncertainty_db": 0.1}
    hostile = dataclasses.replace(record, uncertainty=(term,))
    rows = list(csv.DictReader(io.StringIO(tables.uncertainty_csv(hostile).decode())))
    assert (rows[0]["source"], rows[0]["standard_uncertainty_db"]) == ("'-a1", "0.1")
    assert (rows[0]["name"], rows[-1]["name"]) == ("'=cmd()", "expanded, 95 %")
