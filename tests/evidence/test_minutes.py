"""One line a minute: durable, bounded, nothing finer, and it ends."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from noisewatch.errors import InputError
from noisewatch.evidence import minutes
from noisewatch.evidence.minutes import Minute

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def minute(start: datetime = NOON, **changes: object) -> Minute:
    one = Minute(start, 60.0, 61.24, 78.06, 65.0, 48.96, True, {"engine": 40, "voice": 3})
    return dataclasses.replace(one, **changes)  # type: ignore[arg-type]


def test_what_was_written_is_read_back_rounded_to_a_tenth_of_a_decibel(tmp_path: Path) -> None:
    assert minutes.append(tmp_path, minute())
    assert minutes.append(tmp_path, minute(NOON + timedelta(minutes=1), laeq_db=-math.inf, counts={}))
    first, second = minutes.read(tmp_path)
    assert first == minute(laeq_db=61.2, lafmax_db=78.1, l90_db=49.0)
    assert math.isnan(second.laeq_db)
    assert (second.counts, minutes.heard_s([first, second])) == ({}, 120.0)


def test_a_window_of_time_holds_its_beginning_and_not_its_end(tmp_path: Path) -> None:
    starts = [NOON + timedelta(hours=hours) for hours in range(0, 48, 6)]
    for start in starts:
        minutes.append(tmp_path, minute(start))
    found = minutes.read(tmp_path, since=starts[2], until=starts[5])
    assert [one.start for one in found] == starts[2:5]


def test_a_line_that_a_crash_tore_is_left_out_and_gone_with_the_next(tmp_path: Path) -> None:
    minutes.append(tmp_path, minute())
    path = tmp_path / "levels" / "2026-03-01.csv"
    path.write_bytes(path.read_bytes() + b"2026-03-01T12:01:00Z,60.000,5")
    assert len(minutes.read(tmp_path)) == 1
    minutes.append(tmp_path, minute(NOON + timedelta(minutes=2)))
    assert [one.start.minute for one in minutes.read(tmp_path)] == [0, 2]


def test_a_file_that_was_torn_in_its_header_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "levels" / "2026-03-01.csv"
    path.parent.mkdir()
    path.write_bytes(b"minute,hea")
    assert minutes.read(tmp_path) == ()
    minutes.append(tmp_path, minute())
    assert len(minutes.read(tmp_path)) == 1


@pytest.mark.parametrize(
    "line", ["x,60,1,1,1,1,yes,", "2026-03-01T12:00:00Z,60,1,1,1,1,maybe,", "2026-03-01T12:00:00Z,60,1"]
)
def test_a_line_that_is_no_minute_is_named(tmp_path: Path, line: str) -> None:
    minutes.append(tmp_path, minute())
    path = tmp_path / "levels" / "2026-03-01.csv"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=r"2026-03-01.csv: line 3: is not a minute"):
        minutes.read(tmp_path)


def test_a_file_with_finer_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "levels" / "2026-03-01.csv"
    path.parent.mkdir()
    path.write_text("second,laf_db\n1,60\n")
    with pytest.raises(InputError, match="other columns"):
        minutes.read(tmp_path)


def test_days_that_are_over_are_erased_and_no_other(tmp_path: Path) -> None:
    for days in range(5):
        minutes.append(tmp_path, minute(NOON + timedelta(days=days)))
    over = minutes.end(tmp_path, NOON + timedelta(days=4), days=2)
    assert over == (date(2026, 3, 1), date(2026, 3, 2))
    assert [one.start.day for one in minutes.read(tmp_path)] == [3, 4, 5]


def test_a_day_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minutes, "MAX_DAY_BYTES", 400)
    written = [minutes.append(tmp_path, minute()) for _ in range(20)]
    assert written[0] is True
    assert written[-1] is False
    assert (tmp_path / "levels" / "2026-03-01.csv").stat().st_size < 600


def test_an_empty_store_has_no_minutes(tmp_path: Path) -> None:
    assert minutes.read(tmp_path) == ()
    assert minutes.end(tmp_path, NOON, days=1) == ()
