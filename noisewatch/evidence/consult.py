"""Look at events without exporting: the list, one record in plain words, the viewing copy in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from noisewatch.evidence import jsonform, unseal
from noisewatch.evidence.access import Who, prepare
from noisewatch.evidence.custody import Custody, open_custody
from noisewatch.evidence.levels import LevelTable, read_levels
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.request import open_store
from noisewatch.evidence.stored import StoredEvent
from noisewatch.records import EventRecord

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Consulted:
    """A record, its levels and its viewing copy, all in memory."""

    record: EventRecord
    levels: LevelTable
    viewing: bytes


@dataclass(frozen=True, slots=True)
class Search:
    """What clips may be searched by (design section 7): time, site, level, signature and behaviour.

    There is no more on purpose: nothing here leads from one vehicle or person to another event.
    """

    since: datetime | None = None
    until: datetime | None = None
    site: str | None = None
    signature: str | None = None
    behaviour: str | None = None
    above_db: float | None = None

    def matches(self, event: StoredEvent) -> bool:
        """Tell whether an event is one that is looked for; time is for the store to judge."""
        wanted = (
            (self.site, event.site),
            (self.signature, event.signature),
            (self.behaviour, event.behaviour),
        )
        is_named = all(asked is None or asked.casefold() == has.casefold() for asked, has in wanted)
        return is_named and (self.above_db is None or event.lafmax_db > self.above_db)


EVERYTHING = Search()


def list_clips(
    node: Path, custody: Path | None, *, with_lost: bool = False, search: Search = EVERYTHING
) -> Iterator[dict[str, Any]]:
    """Yield one document per event that has a clip, as ``clips list --json`` prints it.

    Parameters
    ----------
    node : Path
        The node's folder.
    custody : Path, optional
        The custody folder, whose log says what was viewed and exported; unknown (None) without it.
    with_lost : bool
        Also yield events without a clip: lost, pending, or of which nothing may be kept.
    search : Search
        Which events.
    """
    acts = None if custody is None else count_accesses(open_custody(custody))
    with open_store(node) as store:
        events = store.list(since=search.since, until=search.until)
    for event in events:
        if (event.is_sealed or with_lost) and search.matches(event):
            yield _document(event, acts)


def _document(event: StoredEvent, acts: Counter[tuple[str, str]] | None) -> dict[str, Any]:
    views = None if acts is None else acts["consultation", event.id]
    exports = None if acts is None else acts["disclosure", event.id]
    return {
        "id": event.id,
        "captured_at": jsonform.utc_text(event.captured_at),
        "site": event.site,
        "signature": event.signature,
        "lafmax_db": event.lafmax_db,
        "behaviour": event.behaviour,
        "expires_at": jsonform.utc_text(event.expires_at),
        "viewed": None if views is None else views > 0,
        "exported": None if exports is None else exports > 0,
        "views": views,
        "exports": exports,
        "state": event.state,
        "trial": event.is_trial,
        "evidence": event.is_evidence,
    }


def count_accesses(opened: Custody) -> Counter[tuple[str, str]]:
    """Return how often each event was consulted and disclosed, by (action, event id)."""
    if not opened.log_path.is_file():
        return Counter()
    rows = EventLog(opened.log_path, None).entries()
    return Counter((row.entry.action, row.entry.target) for row in rows)


def consult(
    event_id: str,
    *,
    as_: str,
    reason: str | None,
    case: str | None,
    reason_code: str = "other",
    node: Path,
    custody: Path,
    now: datetime | None = None,
    passphrase: str | None = None,
) -> Consulted:
    """Log a consultation, then open the viewing copy and the levels in memory; raises as ``export``."""
    who = Who(as_, reason, case, reason_code, passphrase)
    access = prepare(
        event_id,
        who,
        action="consultation",
        parts=("viewing", "levels"),
        node=node,
        custody=custody,
        now=now,
    )
    clear = access.open(access.sign())
    return Consulted(access.found.record, read_levels(clear["levels"]), clear["viewing"])


def approve(
    event_id: str,
    *,
    as_: str,
    reason: str | None,
    case: str | None,
    reason_code: str = "other",
    node: Path,
    custody: Path,
    now: datetime | None = None,
    passphrase: str | None = None,
) -> Path:
    """Log a supervisor's approval, then strip the outer layer of one original for the officers."""
    who = Who(as_, reason, case, reason_code, passphrase)
    access = prepare(
        event_id, who, action="approval", parts=("original",), node=node, custody=custody, now=now
    )
    admitted = access.sign()
    return unseal.approve_original(
        access.opened,
        access.request.actor,
        access.sealed["original"],
        event_id=event_id,
        day=access.found.event.sealed_day,
        log=access.opened.log(),
        entry=access.request.entry("approval", event_id, **admitted.details()),
        passphrase=passphrase,
    )


def level_line(table: LevelTable, *, width: int = 60) -> str:
    """Return the level history as one line of bars, quiet to loud.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.linspace(50, 90, 8)
    >>> level_line(LevelTable(ramp, ramp, {"laf_db": ramp}, ()), width=8)
    '▁▂▃▄▅▆▇█'
    """
    levels_db = table.levels_db["laf_db"]
    parts = [
        part for part in np.array_split(levels_db, min(width, levels_db.size)) if np.isfinite(part).any()
    ]
    loudest = [float(np.nanmax(part)) for part in parts]
    low, high = min(loudest, default=0.0), max(loudest, default=1.0)
    step = max(high - low, 1e-9) / (len(_BARS) - 1)
    return "".join(_BARS[round((level - low) / step)] for level in loudest)
