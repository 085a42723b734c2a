"""Names, boxes and words that somebody made up to mislead an export or a verifier."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sealed
from command import noisewatch

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import export

REASON, CASE = "Zyxwvut complained about the blue moped", "PV 4711/77"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> sealed.Place:
    return sealed.make_place(tmp_path_factory.mktemp("hostile"))


def test_a_free_box_at_the_end_of_a_clip_is_refused(copy: Path, expect_refusal: Callable[..., None]) -> None:
    """A box of type ``free`` changes nothing for a player, and C2PA leaves it out of its hash."""
    clip = copy / "data" / "clip.mp4"
    clip.write_bytes(clip.read_bytes() + (24).to_bytes(4, "big") + b"free" + b"he did it again!")
    expect_refusal(copy, "data/clip.mp4")


@pytest.mark.parametrize(
    "event_id",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a\0b",
        "ev\u202e4pm",
        "x" * 4096,
        "CON .",
        "",
        "ev-1/../ev-2",
        "-rf",
    ],
)
def test_an_event_named_to_lead_out_or_to_deceive_is_refused_by_an_export(
    place: sealed.Place, tmp_path: Path, event_id: str
) -> None:
    order = export.Order(event_id=event_id, as_="officer", reason=REASON, case=CASE)
    out = tmp_path / "out"
    with pytest.raises((InputError, MissingInputError)) as caught:
        export.export(order, node=place.node, custody=place.custody, out=out)
    line = caught.value.line()
    assert len(line) < 400
    assert line.isprintable()
    assert sorted(tmp_path.rglob("*")) in ([], [out])


def test_no_message_repeats_a_reason_or_a_case(
    place: sealed.Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    target.write_text("not a folder")
    words = ["--reason", REASON, "--case", CASE, "--node", place.node, "--custody", place.custody]
    refused = noisewatch("clips", "export", place.event_id, "--as", "supervisor", *words, "--out", tmp_path)
    broken = noisewatch("clips", "export", place.event_id, "--as", "officer", *words, "--out", target)
    done = noisewatch("clips", "show", place.event_id, "--as", "officer", *words, "--json")
    assert (refused.code, done.code) == (77, 0)
    assert broken.code != 0
    for said in (refused, broken, done):
        assert not re.search("Zyxwvut|4711", said.out + said.err)
    assert REASON in (place.custody / "log" / "custody.jsonl").read_text(), "the log alone knows it"
