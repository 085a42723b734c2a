"""Who viewed what and why: found by person, object, action and time, and by nothing that is only quoted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import log
from noisewatch.evidence.search import Wanted, search
from noisewatch.records import LogEntry

START = datetime(2026, 5, 1, 8, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Twelve accesses, one an hour, by two people to three events; the reasons quote what they like."""
    made = log.EventLog.open(tmp_path / "custody.jsonl")
    for number in range(12):
        made.append(
            LogEntry(
                who=("jan", "élodie")[number % 2],
                action=("consultation", "disclosure")[number // 6],
                target=f"event-{number % 3}",
                why=f'case {number}, "who":"jan" says "target":"event-0"',
                at=START + timedelta(hours=number),
            )
        )
    return made.path


def found(path: Path, wanted: Wanted) -> list[int]:
    return [hit.seq for hit in search(path, wanted)]


def test_everything_is_listed_where_nothing_is_asked(path: Path) -> None:
    hits = list(search(path, Wanted()))
    assert [hit.seq for hit in hits] == list(range(12))
    assert hits[3].said["at"] == "2026-05-01T11:00:00Z"
    assert hits[3].said["why"].startswith("case 3")


def test_each_question_alone_and_all_together(path: Path) -> None:
    assert found(path, Wanted(who="élodie")) == [1, 3, 5, 7, 9, 11]
    assert found(path, Wanted(target="event-0")) == [0, 3, 6, 9]
    assert found(path, Wanted(action="disclosure")) == [6, 7, 8, 9, 10, 11]
    assert found(path, Wanted(since=START + timedelta(hours=10))) == [10, 11]
    together = Wanted(who="jan", target="event-0", action="disclosure", since=START)
    assert found(path, together) == [6]


def test_a_moment_of_another_zone_is_the_same_moment(path: Path) -> None:
    local = datetime.fromisoformat("2026-05-01T20:00:00+02:00")
    assert found(path, Wanted(since=local)) == [10, 11]


def test_a_log_that_is_not_there_or_a_line_that_was_edited_is_named(path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such log"):
        found(path.with_name("none.jsonl"), Wanted())
    path.write_bytes(path.read_bytes().replace(b"case 4", b"case 5"))
    with pytest.raises(InputError, match="edited"):
        found(path, Wanted())
