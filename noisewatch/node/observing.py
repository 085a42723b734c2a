"""Gathers what a run knows of itself: quick facts each time, slow ones (disk, store, keys) now and then."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from noisewatch.acoustics.sync import SyncState
from noisewatch.capture.wallclock import full_clock_state
from noisewatch.errors import NoisewatchError
from noisewatch.evidence.retention import plan
from noisewatch.node.box import Box
from noisewatch.node.health import Trouble
from noisewatch.node.troubles import Facts

#: How old what is read from the disk may be, in seconds.
SLOW_S = 300.0
_THERMAL = Path("/sys/class/thermal")
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Run:
    """What the parts of a run tell when they are asked; each callable is quick."""

    sync: Callable[[], SyncState]
    failure: Callable[[], NoisewatchError | None]
    late: Callable[[], int]
    looks: Callable[[], tuple[Trouble, ...]]
    broker: Callable[[], tuple[str | None, int]]
    channels: Callable[[], str | None]
    refusals: Callable[[], tuple[int, str]]


class Observer:
    """Gathers facts; used by one thread, told of events by another.

    Parameters
    ----------
    box : Box
        The node that runs.
    now : callable
        UTC.
    """

    def __init__(self, box: Box, *, now: Callable[[], datetime]) -> None:
        self._box = box
        self._run: Run | None = None
        self._now = now
        self._events_s: deque[float] = deque(maxlen=10_001)
        self._refused_s: deque[float] = deque(maxlen=1_000)
        self._refused = 0
        self._slow = Facts()
        self._slow_due_s = float("-inf")
        self.troubles_of_the_night: tuple[Trouble, ...] = ()
        self.last = Facts()

    def ask(self, run: Run) -> None:
        """Name whom to ask."""
        self._run = run

    def event(self) -> None:
        """Count an event."""
        self._events_s.append(time.monotonic())

    def facts(self) -> Facts:
        """Return what is known now."""
        now_s = time.monotonic()
        if now_s >= self._slow_due_s:
            self._slow = self._read_slowly()
            self._slow_due_s = now_s + SLOW_S
        run = self._run
        if run is None:
            return self._slow
        sync, failure = run.sync(), run.failure()
        error, refused = run.broker()
        refusals, why_refused = run.refusals()
        self._refused_s.extend([now_s] * (refusals - self._refused))
        self._refused = refusals
        self.last = replace(
            self._slow,
            is_synchronised=sync.name in ("valid", "not needed"),
            sync=sync.sentence,
            events_last_hour=sum(now_s - at_s < 3600.0 for at_s in list(self._events_s)),
            flood_per_hour=self._box.config.alerts.flood_per_hour,
            late=run.late(),
            store_failure=None if failure is None else failure.what,
            broker_error=error,
            broker_refused=refused,
            channel_error=run.channels(),
            refused_last_hour=sum(now_s - at_s < 3600.0 for at_s in self._refused_s),
            why_refused=why_refused,
            looks=(*run.looks(), *self.troubles_of_the_night),
        )
        return self.last

    def _read_slowly(self) -> Facts:
        identity, calibration = self._box.identity, self._box.calibration.state
        clock = full_clock_state()
        is_trial = identity.day_keys.is_trial
        return Facts(
            is_clock_kept=clock.synchronised or is_trial,
            is_clock_before_build=clock.is_before_build,
            is_calibrated=self._is_calibrated() or is_trial,
            calibration=calibration.sentence,
            free_bytes=_free_bytes(self._box.store.folder),
            key_days=days_in_a_row(set(identity.day_keys.days), self._now().astimezone(UTC).date()),
            past_their_end=self._past_their_end(),
            temperature_c=temperature_c(),
        )

    def _is_calibrated(self) -> bool:
        """Tell whether the calibration still holds: it ages while a run goes on."""
        state = self._box.calibration.state
        if not state.is_valid or state.calibrated_at is None:
            return state.is_valid
        age_days = (self._now() - state.calibrated_at).total_seconds() / 86_400.0
        return age_days <= state.max_age_days

    def _past_their_end(self) -> int:
        days = self._box.config.retention.maximum_days
        try:
            return sum(one.erase for one in plan(self._box.store.list(), self._now(), maximum_days=days))
        except NoisewatchError:
            # a store that can't be read is told as such by what could not be stored in it
            return 0


def days_in_a_row(days: set[date], first: date) -> int:
    """Return for how many days from `first` on there are keys; pure.

    Examples
    --------
    >>> days_in_a_row({date(2026, 5, 4), date(2026, 5, 5), date(2026, 5, 7)}, date(2026, 5, 4))
    2
    """
    count = 0
    while date.fromordinal(first.toordinal() + count) in days:
        count += 1
    return count


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def temperature_c(folder: Path = _THERMAL) -> float | None:
    """Return the hottest temperature that the machine tells, in °C; None where it tells none."""
    found = []
    for path in folder.glob("thermal_zone*/temp"):
        try:
            found.append(int(path.read_text()) / 1000.0)
        except (OSError, ValueError):
            continue
    return max(found, default=None)


def resident_bytes() -> int | None:
    """Return the resident memory of this process."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return None
