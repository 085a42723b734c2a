"""Hours, weekdays and holidays in local time: summer time moves nothing, and each decision says why."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.errors import ConfigurationError
from noisewatch.node.schedule import (
    Calendar,
    Period,
    against_sealing,
    gate_at,
    holds,
    local_time,
    wanted_at,
    wanted_behaviour,
)

BRUSSELS = Calendar()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "is_wanted"),
    [
        ("2026-01-10T20:59", False),  # 21:59 in winter
        ("2026-01-10T21:00", True),
        ("2026-07-10T19:59", False),  # 21:59 in summer
        ("2026-07-10T20:00", True),
        ("2026-07-11T03:59", True),  # 05:59
        ("2026-07-11T04:00", False),
        # the night of 29 March 2026 has no 02:30, that of 25 October has two
        ("2026-03-29T00:59", True),
        ("2026-03-29T03:59", True),
        ("2026-03-29T04:00", False),
        ("2026-10-25T00:30", True),
        ("2026-10-25T01:30", True),
        ("2026-10-25T05:00", False),
    ],
)
def test_hours_are_those_of_the_street_in_summer_and_winter(moment: str, is_wanted: bool) -> None:
    found = wanted_at(["22:00-06:00"], utc(moment), BRUSSELS)
    assert found.is_wanted is is_wanted
    assert "22:00-06:00" in found.why
    assert f"{local_time(utc(moment), BRUSSELS):%H:%M}" in found.why


def test_the_night_of_the_change_to_summer_time_is_an_hour_short() -> None:
    def minutes(day: str) -> int:
        start = utc(f"{day}T12:00")
        return sum(
            wanted_at(["22:00-06:00"], start + timedelta(minutes=n), BRUSSELS).is_wanted for n in range(1440)
        )

    assert [minutes(day) for day in ("2026-03-27", "2026-03-28", "2026-10-24")] == [480, 420, 540]


@given(
    st.integers(0, 6 * 366 * 1440),
    st.integers(0, 1439),
    st.integers(1, 1440),
)
def test_a_span_and_the_rest_of_the_day_never_hold_together(minute: int, start: int, end: int) -> None:
    if start == end or (start == 0 and end == 1440):
        return
    clock = [f"{m // 60:02d}:{m % 60:02d}" for m in (start, end)]
    rest = f"{'00:00' if clock[1] == '24:00' else clock[1]}-{'24:00' if start == 0 else clock[0]}"
    at = utc("2024-01-01T00:00") + timedelta(minutes=minute)
    inside = wanted_at([f"{clock[0]}-{clock[1]}"], at, BRUSSELS).is_wanted
    assert inside != wanted_at([rest], at, BRUSSELS).is_wanted


def test_a_behaviour_that_is_not_meant_is_not_wanted_and_unknown_is_none() -> None:
    assert wanted_behaviour([], "unknown").is_wanted
    assert wanted_behaviour(["revving"], "revving").is_wanted
    assert wanted_behaviour(["revving"], "idling").why == "behaviour idling is none of revving"
    assert not wanted_behaviour(["revving"], "unknown").is_wanted


def test_weekdays_holidays_and_the_first_period_that_holds_decide_on_the_gate() -> None:
    calendar = Calendar(holidays=frozenset({date(2026, 11, 11)}))
    school = Period("school zone", 75.0, ("08:00-16:00",), ("mon", "tue", "wed", "thu", "fri"), "never")
    feast = Period("holiday", 78.0, holidays="only")
    night = Period("night", 70.0, ("22:00-06:00",))
    found = [
        (gate.gate_db, gate.period)
        for at in ("2026-11-10T10:00", "2026-11-11T10:00", "2026-11-14T10:00", "2026-11-14T23:00")
        for gate in [gate_at([school, feast, night], utc(at), calendar, usual_db=80.0)]
    ]
    assert found == [(75.0, "school zone"), (78.0, "holiday"), (80.0, ""), (70.0, "night")]


def test_a_night_belongs_to_the_day_on_which_it_began() -> None:
    friday_night = Period("friday night", 70.0, ("22:00-06:00",), ("fri",))
    found = [
        holds(friday_night, utc(at), BRUSSELS)
        for at in ("2026-11-20T03:00", "2026-11-20T22:00", "2026-11-21T03:00", "2026-11-21T22:00")
    ]
    assert found == [False, True, True, False]


def test_flags_say_why_an_event_is_counted_only() -> None:
    assert against_sealing(["wind"]) == []
    assert against_sealing(["other-behaviour", "outside-hours"]) == [
        "outside the hours that the signature is meant for",
        "not a behaviour that the signature is meant for",
    ]


def test_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'Europe/Genk' is not known"):
        wanted_at(["22:00-24:00"], utc("2026-01-01T00:00"), Calendar("Europe/Genk"))
