"""UTC of a live street: steps, leap second, DST night, 2038 and a clock from before the build."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.capture.clock import StreetClock
from noisewatch.capture.wallclock import (
    BUILT_AT,
    STEPS_KEPT,
    LiveTime,
    WallClock,
    full_clock_state,
    is_before_build,
    read_clocks,
    service_of,
    utc_of_ns,
)
from noisewatch.records import AudioBlock

RATE_HZ = 48_000
NS = 10**9


def ns_of(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000


def street(arrival_s: float = 100.0, *, seconds: int = 60) -> StreetClock:
    clock = StreetClock(rate_hz=RATE_HZ, is_live=True)
    for number in range(1, seconds * 10 + 1):
        samples = np.zeros((1, 4_800), np.float32)
        end = number * 4_800
        clock.observe(AudioBlock(end - 4_800, samples, RATE_HZ, round((arrival_s + number / 10) * NS)))
    return clock


def live_time(wall: WallClock) -> LiveTime:
    return LiveTime(street(), wall, started_at=datetime(2000, 1, 1, tzinfo=UTC))


def test_setting_the_clock_in_the_middle_of_an_event_changes_no_time_of_it() -> None:
    wall = WallClock()
    begin = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
    wall.observe(100 * NS, ns_of(begin))
    time = live_time(wall)
    onset, end = 20 * RATE_HZ, 30 * RATE_HZ
    before = [time.utc(sample) for sample in range(onset, 25 * RATE_HZ, RATE_HZ)]
    # at 25 s on the street NTP sets the clock back by an hour
    assert wall.observe(125 * NS, ns_of(begin + timedelta(seconds=25 - 3600))) == pytest.approx(-3600.0)
    after = [time.utc(sample) for sample in range(onset, 25 * RATE_HZ, RATE_HZ)]
    assert before == after
    assert time.utc(onset) == begin + timedelta(seconds=20)
    assert wall.stepped_s(120 * NS, 130 * NS) == pytest.approx(-3600.0)
    assert wall.stepped_s(126 * NS, 130 * NS) == 0.0
    assert time.utc(end) == begin + timedelta(seconds=30 - 3600)


def test_the_state_of_an_event_says_by_how_much_the_clock_was_set() -> None:
    wall = WallClock()
    now_ns, utc_ns = read_clocks()
    wall.observe(now_ns - 60 * NS, utc_ns - 60 * NS + 7 * NS)
    clock = street(now_ns / NS - 30.0, seconds=30)
    state = LiveTime(clock, wall, started_at=BUILT_AT).state(5 * RATE_HZ)
    assert state.step_s == pytest.approx(-7.0, abs=0.001)
    assert state.source == "system"
    again = LiveTime(clock, wall, started_at=BUILT_AT).state(31 * RATE_HZ)
    assert again.step_s == 0.0


def test_a_leap_second_is_a_step_of_one_second_and_time_never_goes_back_within_an_event() -> None:
    midnight = datetime(2027, 1, 1, tzinfo=UTC)
    wall = WallClock()
    wall.observe(100 * NS, ns_of(midnight - timedelta(seconds=30)))
    # the kernel shows 23:59:59 twice
    assert wall.observe(131 * NS, ns_of(midnight)) == pytest.approx(-1.0)
    time = live_time(wall)
    moments = [time.utc(sample) for sample in range(0, 31 * RATE_HZ, RATE_HZ // 4)]
    assert all(b - a == timedelta(seconds=0.25) for a, b in itertools.pairwise(moments))
    assert all(moment.second < 60 for moment in moments)
    assert wall.steps == 1


@pytest.mark.parametrize(("day", "hours"), [("2026-10-25", 25), ("2027-03-28", 23)])
def test_the_night_of_the_clock_change_in_brussels_doubles_and_loses_nothing(day: str, hours: int) -> None:
    brussels = ZoneInfo("Europe/Brussels")
    start = datetime.fromisoformat(day).replace(tzinfo=brussels)
    end = (start + timedelta(days=1)).replace(tzinfo=brussels)
    length = end.astimezone(UTC) - start.astimezone(UTC)
    assert length == timedelta(hours=hours)
    wall = WallClock()
    wall.observe(100 * NS, ns_of(start.astimezone(UTC)))
    time = live_time(wall)
    seconds = np.arange(0, int(length.total_seconds()), 600)
    moments = [time.utc(int(second) * RATE_HZ) for second in seconds]
    assert all(b - a == timedelta(minutes=10) for a, b in itertools.pairwise(moments))
    assert len(set(moments)) == hours * 6
    assert wall.observe(100 * NS + int(length.total_seconds()) * NS, ns_of(end.astimezone(UTC))) == 0.0


def test_time_goes_on_past_2038() -> None:
    rollover = datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)
    wall = WallClock()
    wall.observe(100 * NS, ns_of(rollover))
    time = live_time(wall)
    assert time.utc(2 * RATE_HZ) == datetime(2038, 1, 19, 3, 14, 9, tzinfo=UTC)
    assert utc_of_ns(ns_of(datetime(2106, 2, 8, tzinfo=UTC))) == datetime(2106, 2, 8, tzinfo=UTC)
    assert not is_before_build(rollover)


def test_a_clock_from_before_the_build_is_told() -> None:
    assert is_before_build(datetime(1970, 1, 1, tzinfo=UTC))
    assert is_before_build(BUILT_AT - timedelta(seconds=1))
    assert not is_before_build(BUILT_AT)
    assert datetime(2026, 11, 1, tzinfo=UTC) < BUILT_AT <= datetime.now(UTC)


@given(
    steps=st.lists(st.tuples(st.integers(1, 1000), st.integers(-(10**6), 10**6)), max_size=200),
    asked=st.integers(0, 10**6),
)
def test_whatever_happens_to_the_clock_memory_is_bounded_and_past_times_stand(
    steps: list[tuple[int, int]], asked: int
) -> None:
    wall = WallClock()
    wall.observe(0, 10**18)
    told = wall.utc_ns(0)
    at_ns, ahead_ns = 0, 10**18
    for later_s, step_ms in steps:
        at_ns += later_s * NS
        ahead_ns += step_ms * 10**6
        step_s = wall.observe(at_ns, at_ns + ahead_ns)
        assert step_s == 0.0 or abs(step_s) > 0.005
    if wall.steps < STEPS_KEPT:
        assert wall.utc_ns(0) == told
    assert wall.utc_ns(asked) is not None


def test_before_the_first_sound_the_start_counts() -> None:
    time = LiveTime(StreetClock(rate_hz=RATE_HZ, is_live=True), WallClock(), started_at=BUILT_AT)
    assert time.utc(RATE_HZ) == BUILT_AT + timedelta(seconds=1)
    assert WallClock().utc_ns(5) is None
    assert WallClock().stepped_s(0, 5) == 0.0


def test_the_service_that_keeps_the_clock_is_named() -> None:
    assert service_of(["/run/systemd/timesync/synchronized"]) == "systemd-timesyncd"
    assert service_of(["/run/ntpd.pid"]) == "ntpd"
    state = full_clock_state()
    assert state.source == "system"
    assert not state.is_before_build
    assert state.step_s == 0.0
