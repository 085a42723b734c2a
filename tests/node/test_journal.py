"""The journal: durable lines, bounded, and what they say of the run before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from noisewatch.node.journal import MAXIMUM_BYTES, NAME, Journal, last_run, restarts_ago_s

AT = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def test_entries_come_back_in_order_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.note("start", "the box starts", at=AT, clean=True)
    journal.note("deaf", "no sound for 7 s", at=AT)
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"at": "2026-05-04T10:00')
    assert [entry["kind"] for entry in journal.entries()] == ["start", "deaf"]
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def test_a_long_life_keeps_the_newest(tmp_path: Path) -> None:
    line = b'{"at":"2026-05-04T10:00:00Z","kind":"old","what":"' + b"x" * 900 + b'"}\n'
    (tmp_path / NAME).write_bytes(line * (MAXIMUM_BYTES // len(line) + 1))
    Journal(tmp_path).note("new", "newest", at=AT)
    assert (tmp_path / NAME).stat().st_size < MAXIMUM_BYTES
    assert Journal(tmp_path).entries(last=1)[0]["kind"] == "new"


def test_a_run_that_was_cut_off_is_told_with_the_seconds_that_were_lost() -> None:
    written = {"running": True, "written_at": "2026-05-04T09:58:30Z"}
    assert last_run(written, now=AT) == (False, 90.0)
    assert last_run(written | {"running": False}, now=AT) == (True, 90.0)
    # a clock that went back says nothing
    assert last_run(written, now=AT - timedelta(days=1)) == (False, None)


def test_restarts_of_the_last_hour_are_remembered(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for minutes in (90, 50, 5):
        journal.note("restart", "no sound", at=AT - timedelta(minutes=minutes))
    assert restarts_ago_s(journal.entries(), now=AT, within_s=3600) == (3000.0, 300.0)
