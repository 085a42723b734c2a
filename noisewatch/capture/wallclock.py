"""UTC of a live street: the wall clock against the monotonic one, and every time somebody set it.

Both clocks of Linux are slewed together, so their difference changes only when the wall clock is set: by NTP,
by a person, by a leap second. Each moment of the street is told by the difference that held *then*: setting
the clock in the middle of an event changes no time of that event, and its record says that it was set.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from noisewatch import __built__
from noisewatch.capture.clock import StreetClock, file_clock_state, system_clock_state
from noisewatch.records import ClockState

#: When this software was made.
BUILT_AT = datetime.fromisoformat(__built__).replace(tzinfo=UTC)
#: A change of the difference beyond this is a step; reading two clocks one after the other errs by far less.
STEP_S = 0.005
#: So many steps are remembered; a clock that is set more often is flagged all the same.
STEPS_KEPT = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What a service that keeps the clock leaves in the file system while it runs.
SERVICES = (
    ("/run/systemd/timesync/synchronized", "systemd-timesyncd"),
    ("/run/chrony/chronyd.pid", "chrony"),
    ("/run/chronyd.pid", "chrony"),
    ("/run/ntpd.pid", "ntpd"),
    ("/var/run/ntpd.pid", "ntpd"),
)


def utc_of_ns(utc_ns: int) -> datetime:
    """Return the moment of so many nanoseconds since 1970, right to the microsecond, past 2038 too.

    Examples
    --------
    >>> utc_of_ns(2**31 * 10**9).isoformat()
    '2038-01-19T03:14:08+00:00'
    """
    return _EPOCH + timedelta(microseconds=utc_ns // 1000)


def read_clocks() -> tuple[int, int]:
    """Return the monotonic time and UTC of one instant in nanoseconds: the closest of three readings."""
    readings = []
    for _ in range(3):
        before = time.monotonic_ns()
        utc_ns = time.time_ns()
        after = time.monotonic_ns()
        readings.append((after - before, (before + after) // 2, utc_ns))
    _, monotonic_ns, utc_ns = min(readings)
    return monotonic_ns, utc_ns


class WallClock:
    """The difference between UTC and the monotonic clock over time; pure.

    Examples
    --------
    >>> wall = WallClock()
    >>> wall.observe(10_000_000_000, 1_000_000_000_000)
    0.0
    >>> wall.observe(20_000_000_000, 1_013_000_000_000)  # somebody set it 3 s ahead
    3.0
    >>> wall.utc_ns(11_000_000_000) - wall.utc_ns(10_000_000_000)
    1000000000
    >>> wall.stepped_s(10_000_000_000, 21_000_000_000)
    3.0
    """

    def __init__(self) -> None:
        self.steps = 0
        self._since_ns: deque[int] = deque(maxlen=STEPS_KEPT)
        self._ahead_ns: deque[int] = deque(maxlen=STEPS_KEPT)

    def observe(self, monotonic_ns: int, utc_ns: int) -> float:
        """Note both clocks; return by how many seconds the wall clock was set since the last time."""
        ahead_ns = utc_ns - monotonic_ns
        if not self._ahead_ns:
            self._since_ns.append(monotonic_ns)
            self._ahead_ns.append(ahead_ns)
            return 0.0
        step_s = (ahead_ns - self._ahead_ns[-1]) / 1e9
        if abs(step_s) <= STEP_S:
            return 0.0
        self.steps += 1
        self._since_ns.append(monotonic_ns)
        self._ahead_ns.append(ahead_ns)
        return step_s

    def utc_ns(self, monotonic_ns: int) -> int | None:
        """Return the UTC that the wall clock showed at a monotonic moment; None before any observation."""
        if not self._ahead_ns:
            return None
        index = max(0, bisect_right(self._since_ns, monotonic_ns) - 1)
        return monotonic_ns + self._ahead_ns[index]

    def stepped_s(self, start_ns: int, end_ns: int) -> float:
        """Return by how many seconds the wall clock was set between two monotonic moments, signs and all."""
        first = max(0, bisect_right(self._since_ns, start_ns) - 1)
        last = max(0, bisect_right(self._since_ns, end_ns) - 1)
        if not self._ahead_ns:
            return 0.0
        return (self._ahead_ns[last] - self._ahead_ns[first]) / 1e9


class LiveTime:
    """UTC of the samples of a live microphone, and what is known of it.

    Parameters
    ----------
    clock : StreetClock
        Brings samples to the monotonic clock.
    wall : WallClock
        Observed at least every second.
    started_at : datetime
        UTC of sample 0 until the first block has come.
    """

    def __init__(self, clock: StreetClock, wall: WallClock, *, started_at: datetime) -> None:
        self._clock = clock
        self._wall = wall
        self._started_at = started_at

    def look(self) -> float:
        """Read both clocks; return by how many seconds the wall clock was set since the last look."""
        return self._wall.observe(*read_clocks())

    def utc(self, sample: int) -> datetime:
        """Return the UTC at which a sample arrived, as the wall clock showed it then."""
        monotonic_s = self._clock.monotonic_s(sample)
        utc_ns = None if monotonic_s is None else self._wall.utc_ns(round(monotonic_s * 1e9))
        if utc_ns is None:
            return self._started_at + timedelta(seconds=sample / self._clock.rate_hz)
        return utc_of_ns(utc_ns)

    def state(self, start_sample: int) -> ClockState:
        """Return the clock's state now, and whether it was set since a sample."""
        self.look()
        start_s = self._clock.monotonic_s(start_sample)
        now_ns = time.monotonic_ns()
        stepped_s = 0.0 if start_s is None else self._wall.stepped_s(round(start_s * 1e9), now_ns)
        return replace(full_clock_state(), step_s=stepped_s)


def full_clock_state() -> ClockState:
    """Return the system clock's state with who keeps it, and whether it can be right at all."""
    present = [path for path, _ in SERVICES if Path(path).exists()]
    return replace(
        system_clock_state(),
        service=service_of(present),
        is_before_build=is_before_build(utc_of_ns(time.time_ns())),
    )


def recorded_clock_state() -> ClockState:
    """Return what is known of a recording's UTC, and whether the clock that seals it can be right."""
    return replace(file_clock_state(), is_before_build=is_before_build(utc_of_ns(time.time_ns())))


def service_of(present: Sequence[str]) -> str | None:
    """Return the name of the service that keeps the clock, by the files that are there; pure.

    Examples
    --------
    >>> service_of(["/run/chrony/chronyd.pid"])
    'chrony'
    >>> service_of([]) is None
    True
    """
    return next((name for path, name in SERVICES if path in present), None)


def is_before_build(now: datetime, *, built_at: datetime = BUILT_AT) -> bool:
    """Tell whether a clock shows a time before this very software was made: then it is wrong.

    Examples
    --------
    >>> is_before_build(datetime(1970, 1, 2, tzinfo=UTC)), is_before_build(datetime(2038, 2, 1, tzinfo=UTC))
    (True, False)
    """
    return now < built_at
