"""What a person's request for a window of time covers: what is kept, what has ended, what was forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from noisewatch.errors import UsageError
from noisewatch.evidence.jsonform import utc_text
from noisewatch.evidence.log import LogRow
from noisewatch.evidence.minutes import Minute, heard_s
from noisewatch.evidence.told import Listed

#: A clip's length.
CLIP = timedelta(seconds=10)
_ID = re.compile(r"(\d{8}-\d{6})-[0-9a-f]{8}")


def cover(
    since: datetime,
    until: datetime,
    *,
    events: Iterable[Listed],
    node_rows: Sequence[LogRow],
    accesses: Mapping[tuple[str, str], int] | None,
    minutes: Sequence[Minute] | None,
) -> dict[str, Any]:
    """Return what there is of a window, in one document.

    Parameters
    ----------
    since, until : datetime
        The window.
    events : iterable of Listed
        What the store's index holds, and what the records tell where custody's desk opened them.
    node_rows : sequence of LogRow
        The node's log, which still names events that have ended.
    accesses : mapping of (action, event id) to int, optional
        How often each was consulted and disclosed, by custody's log; unknown without it.
    minutes : sequence of Minute, optional
        The one-minute levels of the window; None where they are sealed to us.

    Raises
    ------
    UsageError
        The window ends before it begins.
    """
    if until <= since:
        raise UsageError("the window ends before it begins", where="--to")
    stored = {one.event.id: one for one in events}
    placed = [(*_when(one), one) for one in stored.values()]
    inside = [(begin, end, one) for begin, end, one in placed if begin < until and end > since]
    found = [_event(*item, accesses) for item in sorted(inside, key=lambda item: item[0])]
    return {
        "from": utc_text(since),
        "to": utc_text(until),
        "kept": [one for one in found if one["kept"]],
        "without_clip": [one for one in found if not one["kept"]],
        "ended": _ended(node_rows, set(stored), since, until),
        "minutes": None if minutes is None else len(minutes),
        "heard_s": None if minutes is None else round(heard_s(minutes), 3),
        "sources": {
            "kept": "the sealed records, by time; without custody the ids, within a clip's length",
            "ended": "node log: 'collection' and proof of 'erasure'",
            "minutes": "store/levels",
            "viewed": "custody log: 'consultation' and 'disclosure'",
        },
    }


def _when(one: Listed) -> tuple[datetime, datetime]:
    """Return from when to when a clip can be; without its record, the onset in its id bounds it."""
    if one.told is not None:
        return one.told.captured_at, one.told.captured_at + CLIP
    onset = _onset(one.event.id)
    if onset is None:
        return one.event.sealed_at - timedelta(days=1), one.event.sealed_at
    return onset - CLIP, onset + CLIP


def _onset(event_id: str) -> datetime | None:
    named = _ID.fullmatch(event_id)
    try:
        return named and datetime.strptime(named.group(1), "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _event(
    begin: datetime, end: datetime, one: Listed, accesses: Mapping[tuple[str, str], int] | None
) -> dict[str, Any]:
    event = one.event
    return {
        "id": event.id,
        "from": utc_text(begin),
        "to": utc_text(end),
        "site": None if one.told is None else one.told.site,
        "kept": event.is_sealed,
        "state": event.state,
        "expires_at": utc_text(event.expires_at),
        "views": None if accesses is None else accesses.get(("consultation", event.id), 0),
        "exports": None if accesses is None else accesses.get(("disclosure", event.id), 0),
    }


def _ended(
    rows: Sequence[LogRow], stored: set[str], since: datetime, until: datetime
) -> list[dict[str, Any]]:
    erased = {
        row.entry.target: row.entry.at
        for row in rows
        if row.entry.action == "erasure" and row.entry.details.get("phase") == "proof"
    }
    found = {}
    for row in rows:
        onset = _onset(row.entry.target)
        if row.entry.action != "collection" or onset is None or row.entry.target in stored:
            continue
        if since - CLIP < onset < until + CLIP:
            ended = erased.get(row.entry.target)
            found[row.entry.target] = {
                "id": row.entry.target,
                "onset": utc_text(onset),
                "erased_at": None if ended is None else utc_text(ended),
            }
    return list(found.values())
