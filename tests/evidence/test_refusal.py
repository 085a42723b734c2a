"""What is refused is logged without the words that were typed, and counted in the yearly report."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sealed

from noisewatch.errors import InputOutputError, NoisewatchError, PermissionRefusedError
from noisewatch.evidence import access, consult, custody, export, signed
from noisewatch.evidence.log import EventLog, LogRow
from noisewatch.evidence.refusal import ACTION, KINDS, UNKNOWN
from noisewatch.evidence.yearly import report_year

TYPED = "for Jan, who typed this"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> sealed.Place:
    return sealed.make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture
def place(made: sealed.Place, tmp_path: Path) -> sealed.Place:
    shutil.copytree(made.node, tmp_path / "node")
    shutil.copytree(made.custody, tmp_path / "custody")
    return sealed.Place(tmp_path / "node", tmp_path / "custody", made.event_id, made.clips)


def rows(place: sealed.Place) -> list[LogRow]:
    return list(EventLog(place.custody / "log" / "custody.jsonl", None).entries())


def ask(place: sealed.Place, **changes: Any) -> None:
    """Ask to look at the clip in the ordinary way, but for what is changed."""
    asked = {"event_id": place.event_id, "as_": "officer", "reason": sealed.REASON, "case": sealed.CASE}
    options = {**asked, **changes}
    consult.consult(options.pop("event_id"), node=place.node, custody=place.custody, **options)


@pytest.mark.parametrize(
    ("changes", "kind", "who"),
    [
        ({"as_": "nobody"}, "person", UNKNOWN),
        ({"as_": "../../etc/passwd"}, "person", UNKNOWN),
        ({"as_": "supervisor"}, "person", "supervisor"),
        ({"reason": "test test test"}, "reason", "officer"),
        ({"reason": None}, "reason", "officer"),
        ({"case": ""}, "reason", "officer"),
        ({"reason_code": TYPED}, "reason", "officer"),
        ({"event_id": "ev-20260301-0009"}, "event", "officer"),
        ({"now": datetime.now(UTC) + timedelta(hours=25)}, "event", "officer"),
    ],
)
def test_a_look_that_is_refused_is_logged_once(
    place: sealed.Place, changes: dict[str, Any], kind: str, who: str
) -> None:
    before = rows(place)
    with pytest.raises(NoisewatchError):
        ask(place, **changes)
    (entry,) = (row.entry for row in rows(place)[len(before) :])
    assert (entry.action, entry.who, entry.target) == (ACTION, who, "refused consultation")
    assert (entry.why, entry.details["kind"], entry.details["asked"]) == (KINDS[kind], kind, "consultation")
    assert TYPED.encode() not in rows(place)[-1].line


def test_a_request_that_is_used_again_is_refused_and_logged(place: sealed.Place) -> None:
    who = access.Who("officer", sealed.REASON, sealed.CASE)
    asked = access.prepare(
        place.event_id, who, action="disclosure", parts=("viewing",), node=place.node, custody=place.custody
    )
    request = asked.sign()
    before = len(rows(place))
    with pytest.raises(PermissionRefusedError, match="used before"):
        signed.admit(
            asked.opened,
            request.data,
            request.signature,
            action="disclosure",
            target=place.event_id,
            now=asked.request.at,
        )
    (entry,) = (row.entry for row in rows(place)[before:])
    assert (entry.who, entry.target, entry.details["kind"]) == ("officer", "refused disclosure", "request")


def test_an_original_that_nobody_approved_is_refused_and_logged(place: sealed.Place, tmp_path: Path) -> None:
    order = export.Order(place.event_id, "officer", sealed.REASON, sealed.CASE, original=True)
    with pytest.raises(PermissionRefusedError, match="no supervisor approved"):
        export.export(order, node=place.node, custody=place.custody, out=tmp_path / "out")
    assert rows(place)[-1].entry.details["kind"] == "approval"


def test_a_package_of_the_event_names_no_refusal(place: sealed.Place, tmp_path: Path) -> None:
    with pytest.raises(PermissionRefusedError):
        ask(place, as_="supervisor")
    order = export.Order(place.event_id, "officer", sealed.REASON, sealed.CASE)
    made = export.export(order, node=place.node, custody=place.custody, out=tmp_path / "out").package
    told = b"".join(path.read_bytes() for path in made.rglob("*.jsonl"))
    assert b"disclosure" in told
    assert b"refus" not in told


def test_the_year_counts_refusals_by_kind_and_exports_by_the_code_of_their_request(
    place: sealed.Place, tmp_path: Path
) -> None:
    for _ in range(5):
        with pytest.raises(NoisewatchError):
            ask(place, as_="nobody")
        with pytest.raises(NoisewatchError):
            ask(place, reason="bla")
    order = export.Order(place.event_id, "officer", sealed.REASON, sealed.CASE, reason_code="complaint")
    export.export(order, node=place.node, custody=place.custody, out=tmp_path / "out")
    now = datetime.now(UTC)
    year = report_year(now.year, node_rows=[], custody_rows=rows(place), verdicts=[], now=now)
    found = {figure.key: figure for figure in year.figures}
    assert (found["refusals"].value, found["refusals_by_kind: person"].value) == (10, 5)
    assert found["exports_by_code: complaint"].is_suppressed
    assert custody.open_custody(place.custody).log_path.is_file()


def test_where_the_log_cannot_be_written_that_is_said(place: sealed.Place) -> None:
    log = place.custody / "log" / "custody.jsonl"
    log.unlink()
    log.mkdir()
    with pytest.raises(InputOutputError, match=r"custody\.jsonl"):
        ask(place, as_="nobody")
