"""Where a box hangs: signed, chained, dated; what was found out elsewhere does not hold here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.errors import ConfigurationError, InputError
from noisewatch.node.site import FOLDER, SiteRecord, append, list_sites, periods, place_at

AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class Signature:
    """Signs with a note of what was signed."""

    def sign_detached(self, data: bytes) -> bytes:
        return b"signed " + data


def record(number: int, since: datetime, previous: SiteRecord | None = None) -> SiteRecord:
    return SiteRecord(
        number=number,
        name=f"place {number}",
        street="Stalenstraat",
        since=since,
        installer="An",
        lane_distances_m=(6.5, 9.8),
        position_deg=(50.9653, 5.5005),
        previous_sha256=None if previous is None else previous.sha256,
    )


def test_places_come_back_as_they_were_written_and_each_names_the_one_before(tmp_path: Path) -> None:
    one = record(1, AT)
    two = record(2, AT + timedelta(days=30), one)
    for each in (one, two):
        append(tmp_path, each, signer=Signature())
    assert list_sites(tmp_path) == (one, two)
    assert one.section()["lane_distance_m"] == 6.5


@pytest.mark.parametrize("spoil", ["altered", "removed", "swapped"])
def test_a_place_that_was_altered_or_taken_away_is_refused_by_name(tmp_path: Path, spoil: str) -> None:
    one = record(1, AT)
    two = record(2, AT + timedelta(days=1), one)
    three = record(3, AT + timedelta(days=2), two)
    for each in (one, two, three):
        append(tmp_path, each, signer=Signature())
    paths = sorted((tmp_path / FOLDER).glob("*.json"))
    if spoil == "altered":
        paths[0].write_bytes(paths[0].read_bytes().replace(b"place 1", b"place 9"))
    elif spoil == "removed":
        paths[1].unlink()
    else:
        first, second = paths[0].read_bytes(), paths[1].read_bytes()
        paths[0].write_bytes(second)
        paths[1].write_bytes(first)
    with pytest.raises(ConfigurationError, match="does not follow") as refused:
        list_sites(tmp_path)
    assert refused.value.where is not None
    assert FOLDER in str(refused.value.where)


def test_a_place_cannot_begin_before_the_last_one_or_take_its_number(tmp_path: Path) -> None:
    one = record(1, AT)
    append(tmp_path, one, signer=Signature())
    with pytest.raises(InputError, match="end before it began"):
        append(tmp_path, record(2, AT, one), signer=Signature())
    with pytest.raises(InputError, match="there already"):
        append(tmp_path, record(1, AT + timedelta(days=1)), signer=Signature())


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(-10, 5000))
def test_at_every_moment_a_box_hangs_at_one_place_at_most(steps: list[int], day: int) -> None:
    records, since = [], AT
    for number, step in enumerate(steps, start=1):
        since += timedelta(days=step)
        records.append(record(number, since))
    at = AT + timedelta(days=day)
    inside = [
        one.record
        for one in periods(records)
        if one.record.since <= at and (one.until is None or at < one.until)
    ]
    assert len(inside) <= 1
    assert (inside[0] if inside else None) == place_at(records, at)
