"""A month of a street in figures, without a clip: from one-minute levels and what event records tell; pure.

No cell is made of fewer than five minutes or events, and no level is a single minute's: a table must not tell
when one neighbour's motorcycle came home. Hours and weekdays are local; a day of 23 or 25 hours has just that
many minutes in its cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

import numpy as np

from noisewatch.errors import UsageError
from noisewatch.evidence.figures import SMALLEST_SHOWN
from noisewatch.evidence.minutes import Minute

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Fewest minutes behind a level of the highest twentieth: five lie above it.
_FEWEST_FOR_P95 = 100
#: Width of the classes of the distributions, in dB.
CLASS_DB = 5.0


@dataclass(frozen=True, slots=True)
class StreetEvent:
    """One event as reports may know it: no id, no picture, no sound."""

    at: datetime
    site: str
    signature: str
    behaviour: str
    lafmax_db: float


@dataclass(frozen=True, slots=True)
class Cell:
    """The minutes of one group (an hour of the day, a weekday, a month) in figures; None is not shown.

    ``lafmax_p50_db`` and ``lafmax_p95_db`` are what half and a twentieth of the minutes' LAFmax exceed;
    ``share_over`` is the share of minutes whose LAFmax reaches the threshold. ``events`` counts by signature.
    """

    key: str
    minutes: int | None
    laeq_db: float | None
    l10_db: float | None
    l90_db: float | None
    lafmax_p50_db: float | None
    lafmax_p95_db: float | None
    share_over: float | None
    events: Mapping[str, int | None]

    def document(self) -> dict[str, Any]:
        """Return the cell as JSON and open data give it."""
        return {
            "key": self.key,
            "minutes": self.minutes,
            "laeq_db": self.laeq_db,
            "l10_db": self.l10_db,
            "l90_db": self.l90_db,
            "lafmax_p50_db": self.lafmax_p50_db,
            "lafmax_p95_db": self.lafmax_p95_db,
            "share_over": self.share_over,
            "events": dict(self.events),
        }


@dataclass(frozen=True, slots=True)
class StreetMonth:
    """One place in one month; ``events_from`` is the first day whose events are still known."""

    site: str
    month: str
    threshold_db: float
    is_calibrated: bool
    whole: Cell
    hours: tuple[Cell, ...]
    weekdays: tuple[Cell, ...]
    week: tuple[Cell, ...]
    behaviours: Mapping[str, int | None]
    laeq_classes: Mapping[str, int | None]
    lafmax_classes: Mapping[str, int | None]
    events_from: str | None

    def document(self) -> dict[str, Any]:
        """Return the month as JSON prints it."""
        return {
            "site": self.site,
            "month": self.month,
            "threshold_db": self.threshold_db,
            "calibrated": self.is_calibrated,
            "events_from": self.events_from,
            "whole": self.whole.document(),
            "hours": [cell.document() for cell in self.hours],
            "weekdays": [cell.document() for cell in self.weekdays],
            "week": [cell.document() for cell in self.week],
            "behaviours": dict(self.behaviours),
            "laeq_classes": dict(self.laeq_classes),
            "lafmax_classes": dict(self.lafmax_classes),
        }


def month_bounds(month: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the first moment of a month and of the next, local.

    Raises
    ------
    UsageError
        The text is no month.

    Examples
    --------
    >>> from datetime import UTC
    >>> [moment.isoformat()[:10] for moment in month_bounds("2026-12", UTC)]
    ['2026-12-01', '2027-01-01']
    """
    try:
        begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=zone)
    except ValueError:
        raise UsageError(f"'{month}' is no month", where="--month", remedy="write 2026-05") from None
    number = begin.year * 12 + begin.month
    return begin, begin.replace(year=number // 12, month=number % 12 + 1)


def report_month(
    month: str,
    *,
    site: str,
    minutes: Iterable[Minute],
    events: Iterable[StreetEvent],
    zone: tzinfo,
    threshold_db: float = 80.0,
    events_from: str | None = None,
) -> StreetMonth:
    """Count one month of one place.

    Parameters
    ----------
    month : str
        ``YYYY-MM``, local.
    site : str
        The place; events of others are left out. The minutes must be its own.
    minutes : iterable of Minute
        One-minute levels; those outside the month are left out.
    events : iterable of StreetEvent
        What records tell.
    zone : tzinfo
        Time zone of hours and weekdays.
    threshold_db : float
        LAFmax from which a minute counts as loud.
    events_from : str, optional
        First day whose events are still known, where older ones have ended.
    """
    begin, end = month_bounds(month, zone)
    inside = [one for one in minutes if begin <= one.start < end and np.isfinite(one.laeq_db)]
    told = [one for one in events if one.site == site and begin <= one.at < end]
    totals = Counter(one.signature for one in told)
    names = sorted(totals)

    def cells(keys: Sequence[str], key_of: Callable[[datetime], str]) -> tuple[Cell, ...]:
        grouped: dict[str, tuple[list[Minute], list[StreetEvent]]] = {key: ([], []) for key in keys}
        for one in inside:
            grouped[key_of(one.start.astimezone(zone))][0].append(one)
        for event in told:
            grouped[key_of(event.at.astimezone(zone))][1].append(event)
        counts = {key: Counter(event.signature for event in grouped[key][1]) for key in keys}
        shown = shown_matrix(counts, names)
        return tuple(_cell(key, grouped[key][0], shown[key], threshold_db=threshold_db) for key in keys)

    hours = [f"{hour:02d}" for hour in range(24)]
    week = [f"{day} {hour}" for day in WEEKDAYS for hour in hours]
    return StreetMonth(
        site=site,
        month=month,
        threshold_db=threshold_db,
        is_calibrated=bool(inside) and all(one.is_calibrated for one in inside),
        whole=_cell("month", inside, shown_counts(totals), threshold_db=threshold_db),
        hours=cells(hours, lambda at: f"{at.hour:02d}"),
        weekdays=cells(WEEKDAYS, lambda at: WEEKDAYS[at.weekday()]),
        week=cells(week, lambda at: f"{WEEKDAYS[at.weekday()]} {at.hour:02d}"),
        behaviours=shown_counts(Counter(event.behaviour for event in told)),
        laeq_classes=shown_counts(_classes(one.laeq_db for one in inside)),
        lafmax_classes=shown_counts(_classes(one.lafmax_db for one in inside)),
        events_from=events_from,
    )


def shown_counts(counts: Mapping[str, int]) -> dict[str, int | None]:
    """Return counts with those from 1 to 4 hidden; where that hides one alone, the next smallest goes too.

    Examples
    --------
    >>> shown_counts({"a": 12, "b": 3, "c": 7})
    {'a': 12, 'b': None, 'c': None}
    """
    hidden = {name for name, number in counts.items() if 0 < number < SMALLEST_SHOWN}
    if len(hidden) == 1:
        others = sorted((number, name) for name, number in counts.items() if name not in hidden and number)
        hidden |= {name for _, name in others[:1]}
    return {name: None if name in hidden else number for name, number in sorted(counts.items())}


def shown_matrix(
    counts: Mapping[str, Mapping[str, int]], names: Sequence[str]
) -> dict[str, dict[str, int | None]]:
    """Return counts by group and name with what :func:`shown_counts` hides along either way.

    The totals of a name are printed too: one hidden group alone could be reckoned back from them.

    Examples
    --------
    >>> shown_matrix({"20": {"exhaust": 12}, "21": {"exhaust": 4}}, ["exhaust"])
    {'20': {'exhaust': None}, '21': {'exhaust': None}}
    """
    along = {
        name: shown_counts({key: groups.get(name, 0) for key, groups in counts.items()}) for name in names
    }
    across = {
        key: shown_counts({name: groups.get(name, 0) for name in names}) for key, groups in counts.items()
    }
    return {
        key: {name: None if along[name][key] is None else across[key][name] for name in names}
        for key in counts
    }


def _cell(
    key: str, minutes: Sequence[Minute], counted: Mapping[str, int | None], *, threshold_db: float
) -> Cell:
    if len(minutes) < SMALLEST_SHOWN:
        return Cell(key, None if minutes else 0, None, None, None, None, None, None, counted)
    laeq = np.array([one.laeq_db for one in minutes])
    length = np.array([one.heard_s for one in minutes])
    lafmax = np.array([one.lafmax_db for one in minutes])
    over = int(np.count_nonzero(lafmax >= threshold_db))
    is_told = over == 0 or (over >= SMALLEST_SHOWN and len(minutes) - over >= SMALLEST_SHOWN)
    mean = float(np.sum(length * 10 ** (laeq / 10)) / np.sum(length))
    p95 = float(np.percentile(lafmax, 95)) if len(minutes) >= _FEWEST_FOR_P95 else None
    return Cell(
        key=key,
        minutes=len(minutes),
        laeq_db=round(10 * float(np.log10(mean)), 1),
        l10_db=round(float(np.median([one.l10_db for one in minutes])), 1),
        l90_db=round(float(np.median([one.l90_db for one in minutes])), 1),
        lafmax_p50_db=round(float(np.median(lafmax)), 1),
        lafmax_p95_db=None if p95 is None else round(p95, 1),
        share_over=round(over / len(minutes), 4) if is_told else None,
        events=counted,
    )


def _classes(levels_db: Iterable[float]) -> dict[str, int]:
    counts = Counter(int(level // CLASS_DB) for level in levels_db if np.isfinite(level))
    if not counts:
        return {}
    span = range(min(counts), max(counts) + 1)
    return {f"{int(k * CLASS_DB)}-{int((k + 1) * CLASS_DB)} dB": counts.get(k, 0) for k in span}


def table(month: StreetMonth) -> list[dict[str, Any]]:
    """Return open data: one row per weekday and hour, hidden values empty."""
    names = sorted(month.whole.events)
    rows = []
    for cell in month.week:
        weekday, hour = cell.key.split()
        row: dict[str, Any] = {
            "site": month.site,
            "month": month.month,
            "weekday": weekday,
            "hour": int(hour),
        }
        told = cell.document()
        row |= {name: told[name] for name in told if name not in ("key", "events")}
        row |= {f"events_{name}": cell.events.get(name) for name in names}
        rows.append(row)
    return rows
