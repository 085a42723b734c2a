"""When a clip ends, and why: a pure plan, and ``enforce``, which carries it out as intent, erasure and proof.

All clips of a UTC day end together, at the earlier of 30 days and one calendar month after that day's 00:00
UTC (design section 7; the Belgian camera law says one month). A trial's clips end 24 hours after sealing.
``maximum_days`` can shorten this and never lengthens it. There is no hold: what a case needs is exported.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from noisewatch.errors import InputError, UsageError
from noisewatch.evidence.durable import storage_errors
from noisewatch.evidence.jsonform import utc_moment, utc_text
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.seal import start_of_day
from noisewatch.evidence.store import Store
from noisewatch.evidence.stored import StoredEvent
from noisewatch.records import LogEntry

#: No clip outlives this, whatever is configured.
CEILING_DAYS = 30
TRIAL_LIFE = timedelta(hours=24)

_FLOOR = "clock floor"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an event is to be erased now, when it ends, and why."""

    id: str
    erase: bool
    ends_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What ``enforce`` did; ``unproven`` are erased, but something still holds on to their bytes."""

    decisions: tuple[Decision, ...]
    erased: tuple[str, ...]
    unproven: tuple[str, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class ClockFloor:
    """A moment that has certainly passed, and the uptime and boot at which that was known.

    ``believed`` is what was taken for now at that uptime; it may stand on a clock that nothing kept.
    """

    utc: datetime
    boot_id: str
    boottime_s: float
    believed: datetime


def expires_at(
    day: date, *, is_trial: bool, sealed_at: datetime, maximum_days: int = CEILING_DAYS
) -> datetime:
    """Return the moment from which a clip may not exist any more.

    Parameters
    ----------
    day : date
        UTC day whose keys sealed it.
    is_trial : bool
        A trial's clip ends 24 hours after ``sealed_at`` at the latest.
    sealed_at : datetime
        Moment of sealing.
    maximum_days : int
        Configured days after the day's 00:00 UTC, 1 to 30.

    Raises
    ------
    UsageError
        ``maximum_days`` is below 1 or above 30.

    Examples
    --------
    >>> noon = datetime(2026, 2, 10, 12, tzinfo=UTC)
    >>> print(expires_at(date(2026, 2, 10), is_trial=False, sealed_at=noon))
    2026-03-10 00:00:00+00:00
    >>> print(expires_at(date(2026, 1, 31), is_trial=False, sealed_at=noon))
    2026-02-28 00:00:00+00:00
    >>> print(expires_at(date(2026, 2, 10), is_trial=True, sealed_at=noon))
    2026-02-11 12:00:00+00:00
    """
    if not 1 <= maximum_days <= CEILING_DAYS:
        raise UsageError(f"clips live 1 to {CEILING_DAYS} days, not {maximum_days}")
    start = start_of_day(day)
    moments = [start + timedelta(days=maximum_days), start_of_day(one_month_after(day))]
    if is_trial:
        moments.append(sealed_at.astimezone(UTC) + TRIAL_LIFE)
    return min(moments)


def one_month_after(day: date) -> date:
    """Return the same day of the next month, or that month's last day where it has none.

    Examples
    --------
    >>> print(one_month_after(date(2026, 1, 31)), one_month_after(date(2028, 1, 30)))
    2026-02-28 2028-02-29
    """
    first = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return min(last, first.replace(day=min(day.day, last.day)))


def plan(
    events: Iterable[StoredEvent], now: datetime, *, maximum_days: int = CEILING_DAYS
) -> tuple[Decision, ...]:
    """Decide for each event whether it ends now, and say why.

    An event ends at the earliest of what its day allows, what its record promises and what is configured. A
    day that lies after the moment of sealing cannot be true (the clock stood wrong): the earlier one counts.

    Parameters
    ----------
    events : iterable of StoredEvent
        What is stored.
    now : datetime
        The moment of the decision, aware.
    maximum_days : int
        As in ``expires_at``.
    """
    return tuple(_decide(event, now, maximum_days=maximum_days) for event in events)


def advance(
    floor: ClockFloor | None, *, wall: datetime, boot_id: str, boottime_s: float, synchronised: bool
) -> tuple[ClockFloor, datetime]:
    """Return the new floor, and the moment that retention takes for now.

    A clock that was set back lengthens nothing: within one boot the time grows with the uptime, after a boot
    it stands where it stood. A clock that jumps ahead within a boot is believed only when it is synchronised,
    for the uptime says how long it was: nothing is destroyed early. After a boot nothing else tells how long
    the box was off, so the clock is believed for that boot, synchronised or not, without lifting the floor.

    Parameters
    ----------
    floor : ClockFloor or None
        The last floor; None at the first start, whose wall clock is believed.
    wall, boot_id, boottime_s : datetime, str, float
        The clock now, which boot this is, and the seconds since it.
    synchronised : bool
        Whether the clock is synchronised to a source.

    Examples
    --------
    >>> at = datetime(2026, 6, 1, tzinfo=UTC)
    >>> floor, _ = advance(None, wall=at, boot_id="a", boottime_s=0.0, synchronised=True)
    >>> far = at + timedelta(days=40)
    >>> print(advance(floor, wall=far, boot_id="a", boottime_s=3600.0, synchronised=False)[1])
    2026-06-01 01:00:00+00:00
    """
    if floor is None:
        return ClockFloor(wall, boot_id, boottime_s, believed=wall), wall
    is_same_boot = boot_id == floor.boot_id
    elapsed = timedelta(seconds=max(0.0, boottime_s - floor.boottime_s) if is_same_boot else 0.0)
    lowest = floor.utc + elapsed
    if synchronised:
        now = max(lowest, wall)
        return ClockFloor(now, boot_id, boottime_s, believed=now), now
    now = max(lowest, floor.believed + elapsed if is_same_boot else wall)
    return ClockFloor(lowest, boot_id, boottime_s, believed=now), now


def enforce(
    store: Store,
    log: EventLog,
    now: datetime,
    *,
    maximum_days: int = CEILING_DAYS,
    synchronised: bool = False,
    boottime_s: float | None = None,
) -> Enforcement:
    """Erase every event that has ended: intent in the log, files, row, a look from outside, proof in the log.

    Parameters
    ----------
    store, log : Store, EventLog
        The store, open for writing, and the node's log.
    now : datetime
        The wall clock, aware.
    maximum_days : int
        As in ``expires_at``.
    synchronised : bool
        Whether the wall clock is synchronised.
    boottime_s : float, optional
        Seconds since the boot; read from the system otherwise.

    Raises
    ------
    InputOutputError
        The disk is full, read-only or broken. What was begun is finished at the next call.
    """
    now = _effective_now(store, now, synchronised=synchronised, boottime_s=boottime_s)
    for event in store.list():
        if event.sealed_at > now:
            # its clock was ahead: it was sealed by this moment at the latest, which must not move on
            store.bound_sealing(event.id, now)
    decisions = plan(store.list(), now, maximum_days=maximum_days)
    for decision in decisions:
        if decision.erase:
            ended = {"phase": "intent", "ended_at": utc_text(decision.ends_at)}
            _note(log, decision.id, decision.why, ended)
            store.erase(decision.id)
    stored = {event.id for event in store.list()}
    erased, unproven = [], []
    for event_id in store.unproven():
        if event_id in stored:
            _note(log, event_id, "an erasure that was begun is finished", {"phase": "intent"})
            store.erase(event_id)
        if store.traces_of(event_id):
            unproven.append(event_id)
            continue
        _note(log, event_id, "no file, row or byte in the database is left", {"phase": "proof"})
        store.proven(event_id)
        erased.append(event_id)
    return Enforcement(decisions, tuple(erased), tuple(unproven), now)


def _decide(event: StoredEvent, now: datetime, *, maximum_days: int) -> Decision:
    day = min(event.sealed_day, event.sealed_at.astimezone(UTC).date())
    limit = expires_at(day, is_trial=event.is_trial, sealed_at=event.sealed_at, maximum_days=maximum_days)
    ends_at = min(limit, event.expires_at)
    # the record was signed a moment before the store took it: a promise of its own is clearly shorter
    is_own_promise = event.expires_at < limit - timedelta(minutes=1)
    rule = "its record promises it" if is_own_promise else _rule(event, day, limit)
    is_over = now >= ends_at
    verb = "ended" if is_over else "ends"
    return Decision(event.id, is_over, ends_at, f"{verb} at {ends_at:%Y-%m-%dT%H:%MZ}: {rule}")


def _rule(event: StoredEvent, day: date, limit: datetime) -> str:
    if event.is_trial and limit == event.sealed_at.astimezone(UTC) + TRIAL_LIFE:
        return "24 hours after sealing, as it is a trial"
    if limit == start_of_day(one_month_after(day)):
        return "one calendar month after its day began"
    return f"{(limit - start_of_day(day)).days} days after its day began"


def _effective_now(store: Store, wall: datetime, *, synchronised: bool, boottime_s: float | None) -> datetime:
    if boottime_s is None:
        boottime_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    with storage_errors(_BOOT_ID):
        boot_id = _BOOT_ID.read_text().strip()
    floor, now = advance(
        _read_floor(store), wall=wall, boot_id=boot_id, boottime_s=boottime_s, synchronised=synchronised
    )
    document = {
        "utc": floor.utc,
        "boot_id": floor.boot_id,
        "boottime_s": floor.boottime_s,
        "believed": floor.believed,
    }
    store.keep_state(_FLOOR, document)
    return now


def _read_floor(store: Store) -> ClockFloor | None:
    document = store.state(_FLOOR)
    if document is None:
        return None
    try:
        utc, boot_id = utc_moment(document["utc"]), str(document["boot_id"])
        # a floor of an older version believed nothing else
        believed = utc_moment(document.get("believed", document["utc"]))
        return ClockFloor(utc, boot_id, float(document["boottime_s"]), believed)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("does not hold the floor of the retention clock", where=store.folder) from error


def _note(log: EventLog, event_id: str, why: str, details: dict[str, str]) -> None:
    log.append(LogEntry("noisewatch", "erasure", event_id, why, datetime.now(UTC), details))
