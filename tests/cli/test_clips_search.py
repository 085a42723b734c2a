"""`noisewatch clips list` finds by time, site, level, signature and behaviour; nothing else is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from noisewatch.cli.moments import moment
from noisewatch.errors import UsageError
from noisewatch.evidence.consult import Search
from noisewatch.evidence.recordindex import Told

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOLD = Told(
    captured_at=NOON,
    site="Stalenstraat",
    signature="exhaust",
    lafmax_db=91.0,
    behaviour="accelerating",
    is_evidence=True,
)


@pytest.mark.parametrize(
    ("search", "is_found"),
    [
        (Search(), True),
        (Search(site="stalenstraat", signature="exhaust", behaviour="accelerating", above_db=90.9), True),
        (Search(site="Stationsstraat"), False),
        (Search(signature="motorcycle"), False),
        (Search(behaviour="idling"), False),
        (Search(above_db=91.0), False),
        (Search(since=NOON, until=NOON + timedelta(seconds=1)), True),
        (Search(since=NOON + timedelta(seconds=1)), False),
        (Search(until=NOON), False),
    ],
)
def test_all_that_is_asked_must_hold(search: Search, *, is_found: bool) -> None:
    assert search.matches(TOLD) is is_found


def test_an_event_whose_record_stays_sealed_is_listed_and_never_found_by_what_it_says() -> None:
    assert Search().matches(None)
    assert not Search(above_db=0.0).matches(None)


def test_a_day_begins_when_it_begins_in_belgium() -> None:
    assert moment("2026-03-01", where="--since") == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert moment("2026-07-01T12:00", where="--since") == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert moment(None, where="--since") is None


def test_what_is_no_time_is_refused_and_named() -> None:
    with pytest.raises(UsageError, match="--since: 'yesterday' is neither a day nor a time"):
        moment("yesterday", where="--since")
