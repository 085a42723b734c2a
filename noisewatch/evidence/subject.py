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
from noisewatch.evidence.stored import StoredEvent

#: A clip's length.
CLIP = timedelta(seconds=10)
_ID = re.compile(r"(\d{8}-\d{6})-[0-9a-f]{8}")


def cover(
    since: datetime,
    until: datetime,
    *,
    events: Iterable[StoredEvent],
    node_rows: Sequence[LogRow],
    accesses: Mapping[tuple[str, str], int] | None,
    minutes: Sequence[Minute],
) -> dict[str, Any]:
    """Return what there is of a window, in one document.

    Parameters
    ----------
    since, until : datetime
        The window.
    events : iterable of StoredEvent
        What the store's index holds.
    node_rows : sequence of LogRow
        The node's log, which still names events that have ended.
    accesses : mapping of (action, event id) to int, optional
        How often each was consulted and disclosed, by custody's log; unknown without it.
    minutes : sequence of Minute
        The one-minute levels of the window.

    Raises
    ------
    UsageError
        The window ends before it begins.
    """
    if until <= since:
        raise UsageError("the window ends before it begins", where="--to")
    stored = {event.id: event for event in events}
    inside = [e for e in stored.values() if e.captured_at < until and e.captured_at + CLIP > since]
    found = [_event(event, accesses) for event in sorted(inside, key=lambda one: one.captured_at)]
    return {
        "from": utc_text(since),
        "to": utc_text(until),
        "kept": [one for one in found if one["kept"]],
        "without_clip": [one for one in found if not one["kept"]],
        "ended": _ended(node_rows, set(stored), since, until),
        "minutes": len(minutes),
        "heard_s": round(heard_s(minutes), 3),
        "sources": {
            "kept": "the store's index, by time",
            "ended": "node log: 'collection' and proof of 'erasure'",
            "minutes": "store/levels",
            "viewed": "custody log: 'consultation' and 'disclosure'",
        },
    }


def _event(event: StoredEvent, accesses: Mapping[tuple[str, str], int] | None) -> dict[str, Any]:
    return {
        "id": event.id,
        "from": utc_text(event.captured_at),
        "to": utc_text(event.captured_at + CLIP),
        "site": event.site,
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
        named = _ID.fullmatch(row.entry.target)
        if row.entry.action != "collection" or named is None or row.entry.target in stored:
            continue
        onset = datetime.strptime(named.group(1), "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
        if since - CLIP < onset < until + CLIP:
            ended = erased.get(row.entry.target)
            found[row.entry.target] = {
                "id": row.entry.target,
                "onset": utc_text(onset),
                "erased_at": None if ended is None else utc_text(ended),
            }
    return list(found.values())
