"""When an event is wanted: hours, weekdays, holidays and gates by period, in local time. Pure.

Sample time is turned into UTC by the caller, and into local time here by the rules of the time zone, so that
summer time moves no hour: 02:30 exists twice on one night and never on another, and 22:00 is 22:00 on all. A
span over midnight belongs to the day on which it began.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from noisewatch.errors import ConfigurationError

#: Names of weekdays, Monday first, as ``node.toml`` has them.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Marks of events that are counted and not sealed.
OUTSIDE_HOURS, OTHER_BEHAVIOUR, OVER_BUDGET = "outside-hours", "other-behaviour", "over-budget"


@dataclass(frozen=True, slots=True)
class Calendar:
    """The street's time zone, and its holidays by local date."""

    time_zone: str = "Europe/Brussels"
    holidays: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Period:
    """A time with a gate of its own, such as nights, or the hours of a school zone.

    Parameters
    ----------
    name : str
        As reasons call it.
    gate_db : float
        LAFmax from which a window counts then.
    hours, weekdays : tuple of str
        Spans such as "22:00-06:00", and names of :data:`WEEKDAYS`; empty means all.
    holidays : str
        "also", "only" or "never".
    """

    name: str
    gate_db: float
    hours: tuple[str, ...] = ()
    weekdays: tuple[str, ...] = ()
    holidays: str = "also"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an event is wanted, and a phrase that says why."""

    is_wanted: bool
    why: str


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate that holds at a moment, and the period that set it; empty where none did."""

    gate_db: float
    period: str


def local_time(at: datetime, calendar: Calendar) -> datetime:
    """Return an aware moment in the street's time zone.

    Raises
    ------
    ConfigurationError
        The time zone is not known on this machine.

    Examples
    --------
    >>> from datetime import UTC
    >>> [local_time(datetime(2026, month, 1, 20, tzinfo=UTC), Calendar()).hour for month in (1, 7)]
    [21, 22]
    """
    return at.astimezone(_zone(calendar.time_zone))


def wanted_at(hours: Sequence[str], at: datetime, calendar: Calendar) -> Decision:
    """Decide whether a signature's hours hold at a moment; without hours they always do.

    Examples
    --------
    >>> from datetime import UTC
    >>> wanted_at(["22:00-06:00"], datetime(2026, 7, 1, 20, 30, tzinfo=UTC), Calendar()).why
    '22:30 Europe/Brussels lies in 22:00-06:00'
    """
    if not hours:
        return Decision(is_wanted=True, why="any hour")
    local = local_time(at, calendar)
    clock = f"{local:%H:%M} {calendar.time_zone}"
    for span in hours:
        if _began_on(span, local) is not None:
            return Decision(is_wanted=True, why=f"{clock} lies in {span}")
    return Decision(is_wanted=False, why=f"{clock} lies outside {', '.join(hours)}")


def wanted_behaviour(behaviours: Sequence[str], behaviour: str) -> Decision:
    """Decide whether a signature is meant for how a vehicle was driven; without behaviours for any.

    Examples
    --------
    >>> wanted_behaviour(["revving"], "unknown")
    Decision(is_wanted=False, why='behaviour unknown is none of revving')
    """
    if not behaviours:
        return Decision(is_wanted=True, why="any behaviour")
    if behaviour in behaviours:
        return Decision(is_wanted=True, why=f"behaviour {behaviour} is meant")
    return Decision(is_wanted=False, why=f"behaviour {behaviour} is none of {', '.join(behaviours)}")


def holds(period: Period, at: datetime, calendar: Calendar) -> bool:
    """Tell whether a period holds at a moment.

    Examples
    --------
    >>> from datetime import UTC
    >>> nights = Period("weekend nights", 70.0, hours=("22:00-06:00",), weekdays=("fri", "sat"))
    >>> [holds(nights, datetime(2026, 11, day, 2, tzinfo=UTC), Calendar()) for day in (20, 21, 22, 23)]
    [False, True, True, False]
    """
    local = local_time(at, calendar)
    starts = [_began_on(span, local) for span in period.hours] or [local.date()]
    return any(_is_day_of(period, day, calendar) for day in starts if day is not None)


def gate_at(periods: Iterable[Period], at: datetime, calendar: Calendar, *, usual_db: float) -> Gate:
    """Return the gate of the first period that holds, or the usual one.

    Examples
    --------
    >>> from datetime import UTC
    >>> night = Period("night", 72.0, hours=("22:00-06:00",))
    >>> gate_at([night], datetime(2026, 1, 1, 23, tzinfo=UTC), Calendar(), usual_db=80.0)
    Gate(gate_db=72.0, period='night')
    """
    for period in periods:
        if holds(period, at, calendar):
            return Gate(period.gate_db, period.name)
    return Gate(usual_db, "")


def against_sealing(flags: Sequence[str]) -> list[str]:
    """Return why an event with these flags is counted and not sealed; nothing where it may be sealed."""
    reasons = {
        OUTSIDE_HOURS: "outside the hours that the signature is meant for",
        OTHER_BEHAVIOUR: "not a behaviour that the signature is meant for",
    }
    return [reason for flag, reason in reasons.items() if flag in flags]


def _is_day_of(period: Period, day: date, calendar: Calendar) -> bool:
    is_holiday = day in calendar.holidays
    if period.holidays == "only":
        return is_holiday
    if is_holiday and period.holidays == "never":
        return False
    return not period.weekdays or WEEKDAYS[day.weekday()] in period.weekdays


def _began_on(span: str, local: datetime) -> date | None:
    """Return the day on which the span that holds now began; None where it does not hold."""
    start, end = (_minutes(part) for part in span.split("-"))
    now = local.hour * 60 + local.minute
    if start < end:
        return local.date() if start <= now < end else None
    if now >= start:
        return local.date()
    return local.date() - timedelta(days=1) if now < end else None


def _minutes(clock: str) -> int:
    if clock == "24:00":
        return 24 * 60
    moment = time.fromisoformat(clock)
    return moment.hour * 60 + moment.minute


@lru_cache(maxsize=8)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"the time zone {name[:60]!r} is not known on this machine",
            remedy="name it as Europe/Brussels; apt install tzdata",
        ) from error
