"""One line a minute: sealed, durable, bounded, nothing finer; filed at custody, and it ends."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from evidence_parts import Bench

from noisewatch.errors import InputError
from noisewatch.evidence import boxes, custody, filed, minutes, pull
from noisewatch.evidence.minutes import Minute
from noisewatch.evidence.seal import DayKey

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
IDENTITY = pyrage.x25519.Identity.generate()
KEY = DayKey(NOON.date(), "", "", str(IDENTITY.to_public()))
TODAY = datetime.now(UTC).date()


def minute(start: datetime = NOON, **changes: object) -> Minute:
    one = Minute(start, 60.0, 61.24, 78.06, 65.0, 48.96, True, {"engine": 40, "voice": 3})
    return dataclasses.replace(one, **changes)  # type: ignore[arg-type]


def append(store: Path, one: Minute | None = None, key: DayKey = KEY) -> bool:
    return minutes.append(store, one or minute(), key, keep_days=400)


def read(store: Path) -> list[Minute]:
    """Open what a store holds as an independent reader would."""
    found: list[Minute] = []
    for _, path in minutes.sealed_files(store):
        for one in minutes.sealed_lines(path.read_bytes(), where=path):
            clear = pyrage.decrypt(one, [IDENTITY])
            assert len(clear) % 256 == 0
            days, line = minutes.opened_line(clear, where=path)
            assert days == 400
            found += minutes.from_lines(line, where=path)
    return found


def test_what_was_sealed_is_read_back_rounded_to_a_tenth_of_a_decibel(tmp_path: Path) -> None:
    assert append(tmp_path)
    assert append(tmp_path, minute(NOON + timedelta(minutes=1), laeq_db=-math.inf, counts={}))
    first, second = read(tmp_path)
    assert first == minute(laeq_db=61.2, lafmax_db=78.1, l90_db=49.0)
    assert math.isnan(second.laeq_db)
    assert (second.counts, minutes.heard_s([first, second])) == ({}, 120.0)


def test_neither_a_level_nor_a_class_lies_in_the_clear_nor_shows_in_a_lines_length(tmp_path: Path) -> None:
    append(tmp_path)
    append(tmp_path, minute(laeq_db=99.9, counts={}))
    data = (tmp_path / "levels" / "2026-03-01.sealed").read_bytes()
    assert not any(mark in data for mark in (b"78.1", b"engine", b"laeq", b"yes,"))
    # age itself adds a little at random; what it encrypts is of one length
    clear = [pyrage.decrypt(one, [IDENTITY]) for one in minutes.sealed_lines(data, where="levels")]
    assert {len(one) for one in clear} == {256}


def test_a_line_that_a_crash_tore_is_left_out_and_gone_with_the_next(tmp_path: Path) -> None:
    append(tmp_path)
    path = tmp_path / "levels" / "2026-03-01.sealed"
    path.write_bytes(path.read_bytes() + b"YWdlLWVuY3J5c")
    assert len(read(tmp_path)) == 1
    append(tmp_path, minute(NOON + timedelta(minutes=2)))
    assert [one.start.minute for one in read(tmp_path)] == [0, 2]


def test_a_line_that_is_not_sealed_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"levels: line 2: is not a sealed minute"):
        minutes.sealed_lines(b"QUFB\n2026-03-01T12:00:00Z,60\n", where="levels")


@pytest.mark.parametrize(
    "line", ["x,60,1,1,1,1,yes,", "2026-03-01T12:00:00Z,60,1,1,1,1,maybe,", "2026-03-01T12:00:00Z,60,1"]
)
def test_a_line_that_is_no_minute_is_named(line: str) -> None:
    with pytest.raises(InputError, match="levels: line 3: is not a minute"):
        list(minutes.from_lines(f"{line}\n".encode(), where="levels", first=3))


@pytest.mark.parametrize("clear", [b"", b"400 ", b"x 2026\n", b"2026-03-01T12:00:00Z\n"])
def test_what_was_sealed_but_is_no_minute_is_refused(clear: bytes) -> None:
    with pytest.raises(InputError, match="is not a minute"):
        minutes.opened_line(clear, where="levels")


def test_days_end_as_configured_and_never_outlive_their_key(tmp_path: Path) -> None:
    for days in range(40):
        append(tmp_path, key=dataclasses.replace(KEY, day=NOON.date() + timedelta(days=days)))
    last = NOON + timedelta(days=39)
    assert len(minutes.end(tmp_path, last, days=400)) == 9
    assert min(minutes.sealed_files(tmp_path))[0] == date(2026, 3, 10)
    assert len(minutes.end(tmp_path, last, days=2)) == 28
    assert [day.isoformat() for day, _ in minutes.sealed_files(tmp_path)] == [
        "2026-04-07",
        "2026-04-08",
        "2026-04-09",
    ]


def test_a_day_is_bounded_however_often_a_file_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minutes, "MAX_DAY_BYTES", 3000)
    written = [append(tmp_path) for _ in range(20)]
    assert written.count(True) == len(read(tmp_path))
    assert written[-1] is False


def seal(bench: Bench, *starts: datetime) -> None:
    for start in starts:
        append(bench.node / "store", minute(start), bench.keys.for_day(TODAY))


def test_custody_files_what_a_box_sealed_and_reads_a_window_of_it(bench: Bench) -> None:
    starts = [NOON + timedelta(hours=hours) for hours in range(0, 48, 6)]
    seal(bench, *starts)
    found = filed.read(bench.custody, bench.node, since=starts[2], until=starts[5])
    assert [one.start for one in found] == starts[2:5]
    (path,) = filed.folder_of(bench.custody, bench.node).iterdir()
    assert path.name == f"{TODAY.isoformat()}.csv"
    assert path.stat().st_mode & 0o777 == 0o600
    assert filed.file_minutes(bench.custody, bench.node) == 0
    seal(bench, NOON + timedelta(days=3))
    assert filed.file_minutes(bench.custody, bench.node) == 1


def test_filed_minutes_outlive_the_days_key_and_end_as_the_box_asked(bench: Bench) -> None:
    seal(bench, NOON)
    now = datetime.now(UTC)
    copy = bench.node.parent / "copy"
    pull.pull(boxes.FolderBox(bench.node), copy, bench.custody, who="officer", now=now)
    assert [day for day, _ in minutes.sealed_files(copy / "store")] == [TODAY]
    assert filed.file_minutes(bench.custody, copy) == 1
    custody.expire(bench.custody, also=[TODAY])
    seal(bench, NOON + timedelta(minutes=1))
    assert len(filed.read(bench.custody, bench.node)) == 1, "what is sealed to an ended day stays sealed"
    assert filed.end(bench.custody, now=now + timedelta(days=399)) == 0
    assert filed.end(bench.custody, now=now + timedelta(days=401)) == 1
    assert filed.read(bench.custody, bench.node) == ()


def test_an_altered_minute_is_named_and_nothing_of_its_day_is_filed(bench: Bench) -> None:
    seal(bench, NOON, NOON + timedelta(minutes=1))
    (path,) = (path for _, path in minutes.sealed_files(bench.node / "store"))
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n" + second[:-8] + b"AAAAAAA=\n")
    with pytest.raises(InputError, match="line 2: does not open"):
        filed.file_minutes(bench.custody, bench.node)
    assert not filed.folder_of(bench.custody, bench.node).exists()
