"""A year of a node and its custody in figures, from the signed logs, the verdicts and the minutes alone.

No event, no time below the month, nobody's name and no free text is taken over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from noisewatch.evidence.figures import Figure, breakdown, count, share
from noisewatch.evidence.jsonform import utc_moment
from noisewatch.evidence.log import CHECKPOINT_LOST, TAIL_CUT, TAIL_REPAIRED, LogRow
from noisewatch.evidence.minutes import FORGOTTEN_TARGET
from noisewatch.evidence.refusal import ACTION as REFUSAL
from noisewatch.records import LogEntry

#: Retention runs at least hourly; what ends later than this after its end was late.
PUNCTUAL = timedelta(hours=2)
#: Where an export's log entry names no code of its own.
NO_CODE = "no code"

_NOTICES = {TAIL_CUT: "log cut", CHECKPOINT_LOST: "log cut", TAIL_REPAIRED: "log repaired"}


@dataclass(frozen=True, slots=True)
class Year:
    """All figures of a year, and the counts by month that the plots show."""

    year: int
    until: datetime
    figures: tuple[Figure, ...]
    by_month: Mapping[str, tuple[Figure, ...]]


@dataclass(frozen=True, slots=True)
class _Life:
    """What the log says of one event's life."""

    began: datetime
    is_sealed: bool = False
    due: datetime | None = None
    proven: datetime | None = None


def report_year(
    year: int,
    *,
    node_rows: Sequence[Sequence[LogRow]],
    custody_rows: Sequence[LogRow],
    verdicts: Iterable[tuple[date, str]],
    now: datetime,
) -> Year:
    """Count a year.

    Parameters
    ----------
    year : int
        Calendar year, UTC.
    node_rows : sequence of sequence of LogRow
        The whole log of each node; they must have been verified before they are relied on.
    custody_rows : sequence of LogRow
        Custody's log.
    verdicts : iterable of (date, str)
        Day and verdict of each that is kept; they end after twelve months.
    now : datetime
        What is still stored has lived until now.
    """
    start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    until = min(end, now)
    lives = {f"{n} {key}": life for n, rows in enumerate(node_rows) for key, life in _lives(rows).items()}
    rows_of_all = [row for rows in (*node_rows, custody_rows) for row in rows]
    events = _event_figures(lives, start, end)
    is_few = any(figure.is_suppressed for figure in events)
    figures = [
        *events,
        *_access_figures([row for row in custody_rows if start <= row.entry.at < end]),
        *_life_figures(lives, start, until),
        *_forgetting(node_rows, start, end, is_few=is_few),
        *_yield([verdict for day, verdict in verdicts if day.year == year]),
        *_alarms([row for row in rows_of_all if start <= row.entry.at < end]),
    ]
    began = [life.began for life in lives.values() if start <= life.began < end]
    views = [
        r.entry.at for r in custody_rows if r.entry.action == "consultation" and start <= r.entry.at < end
    ]
    months = {
        "events": _monthly(began, "node log, collection"),
        "views": _monthly(views, "custody log, consultation"),
    }
    return Year(year, until, tuple(figures), months)


def _lives(rows: Sequence[LogRow]) -> dict[str, _Life]:
    lives: dict[str, _Life] = {}
    for row in rows:
        entry, details = row.entry, row.entry.details
        life = lives.get(entry.target)
        if entry.action == "collection":
            is_sealed = details.get("state") not in ("pending", "none", None) or bool(life and life.is_sealed)
            began = entry.at if life is None else life.began
            lives[entry.target] = _Life(began, is_sealed)
        elif life is not None and entry.action == "alteration" and details.get("state") == "lost":
            lives[entry.target] = _Life(life.began, is_sealed=False)
        elif life is not None and entry.action == "erasure":
            ended = details.get("ended_at")
            due = life.due if ended is None else utc_moment(ended)
            proven = entry.at if details.get("phase") == "proof" else life.proven
            lives[entry.target] = _Life(life.began, life.is_sealed, due, proven)
    return lives


def _event_figures(lives: Mapping[str, _Life], start: datetime, end: datetime) -> list[Figure]:
    began = [life for life in lives.values() if start <= life.began < end]
    sealed = sum(life.is_sealed for life in began)
    return [
        count("events", len(began), "node log: targets of 'collection', by their first entry"),
        *breakdown(
            "events",
            {"kept": sealed, "not kept": len(began) - sealed},
            "node log: whether a 'collection' says that media was sealed",
        ),
    ]


def _access_figures(rows: Sequence[LogRow]) -> list[Figure]:
    views = [row for row in rows if row.entry.action == "consultation"]
    exports = [row for row in rows if row.entry.action == "disclosure"]
    refusals = [row for row in rows if row.entry.action == REFUSAL]
    codes = Counter(str(row.entry.details.get("reason_code", NO_CODE)) for row in exports)
    kinds = Counter(str(row.entry.details.get("kind", "other")) for row in refusals)
    source = "custody log: entries of 'disclosure', by 'reason_code' of their signed request"
    return [
        count("views", len(views), "custody log: entries of 'consultation'"),
        count("clips_viewed", len({row.entry.target for row in views}), "custody log: their targets"),
        count("exports", len(exports), "custody log: entries of 'disclosure'"),
        *breakdown("exports_by_code", codes, source),
        count(
            "approvals", sum(r.entry.action == "approval" for r in rows), "custody log: entries of 'approval'"
        ),
        count("refusals", len(refusals), "custody log: entries of 'refusal'"),
        *breakdown("refusals_by_kind", kinds, "custody log: entries of 'refusal', by 'kind'"),
    ]


def _life_figures(lives: Mapping[str, _Life], start: datetime, until: datetime) -> list[Figure]:
    erased = [life for life in lives.values() if life.proven is not None and start <= life.proven < until]
    on_time = sum(
        life.due is not None and life.proven <= life.due + PUNCTUAL for life in erased if life.proven
    )
    lived = [life.proven - life.began for life in erased if life.proven]
    lived += [until - life.began for life in lives.values() if life.proven is None and life.began < until]
    longest_days = max((one.total_seconds() / 86_400 for one in lived), default=None)
    return [
        count("erased", len(erased), "node log: 'erasure' with a proof"),
        share(
            "erased_on_time",
            on_time,
            len(erased),
            "node log: proof of 'erasure' within 2 h of 'ended_at' of its intent",
        ),
        Figure(
            "longest_life_days",
            None if longest_days is None else round(longest_days, 1),
            "node log: first 'collection' to the proof of erasure, or to now",
        ),
    ]


def _forgetting(
    logs: Sequence[Sequence[LogRow]], start: datetime, end: datetime, *, is_few: bool
) -> list[Figure]:
    """Each node's totals run on for its life: the last of the year less the last before it.

    Clips are ten seconds long: where their number is hidden, the seconds kept, and the seconds heard from
    which they could be reckoned, are hidden with it.
    """
    sums: dict[str, int] = {}
    for rows in logs:
        totals = [(row.entry.at, row.entry.details) for row in rows if row.entry.target == FORGOTTEN_TARGET]
        before = [details for at, details in totals if at < start]
        inside = [details for at, details in totals if start <= at < end]
        for key in ("heard_us", "kept_us", "forgotten_us"):
            if inside:
                first = int(before[-1][key]) if before else 0
                sums[key] = sums.get(key, 0) + int(inside[-1][key]) - first
    source = "node log: signed totals of 'unmatched sound', last of the year less last before it"
    figures = []
    for name in ("heard", "kept", "forgotten"):
        total, hidden = sums.get(f"{name}_us"), is_few and name != "forgotten"
        value = None if total is None or hidden else round(total / 1e6, 3)
        figures.append(Figure(f"seconds_{name}", value, source, is_suppressed=hidden))
    return figures


def _yield(verdicts: Sequence[str]) -> list[Figure]:
    judged = [verdict for verdict in verdicts if verdict != "unclear"]
    return [
        count("verdicts", len(verdicts), "custody: verdicts that are kept (twelve months)"),
        share("yield", judged.count("exhaust"), len(judged), "custody: 'exhaust' among the clear verdicts"),
    ]


def _alarms(rows: Sequence[LogRow]) -> list[Figure]:
    alarms = Counter(
        _alarm(row.entry) for row in rows if row.entry.action == "alteration" or "alarm" in row.entry.details
    )
    source = "both logs: entries of 'alteration' or with 'alarm' in their details, by their details"
    return [count("alarms", sum(alarms.values()), source), *breakdown("alarms_by_kind", alarms, source)]


def _alarm(entry: LogEntry) -> str:
    """Return what kind of alarm it is, by the entry's details; a log's own notices by their words."""
    details = entry.details
    if "alarm" in details:
        return f"too many {details['alarm']}"
    if "problems" in details:
        return "log does not continue"
    if "state" in details:
        return {"lost": "media lost", "original": "no viewing copy"}.get(str(details["state"]), "other")
    return _NOTICES.get(entry.why, "other")


def _monthly(moments: Iterable[datetime], source: str) -> tuple[Figure, ...]:
    counts = Counter(f"{moment.astimezone(UTC):%m}" for moment in moments)
    return breakdown("month", {f"{month:02d}": counts[f"{month:02d}"] for month in range(1, 13)}, source)
