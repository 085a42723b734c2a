"""Look at events without exporting: the list, one record in plain words, the viewing copy in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from noisewatch.errors import UsageError
from noisewatch.evidence import jsonform
from noisewatch.evidence.access import Who, prepare
from noisewatch.evidence.custody import Custody, open_custody
from noisewatch.evidence.levels import LevelTable, read_levels
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.recordindex import Told
from noisewatch.evidence.told import Listed, listed
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

    def matches(self, told: Told | None) -> bool:
        """Tell whether an event is one that is looked for; what its record says must be known for that."""
        if told is None:
            return self == EVERYTHING
        wanted = (
            (self.site, told.site),
            (self.signature, told.signature),
            (self.behaviour, told.behaviour),
        )
        is_named = all(asked is None or asked.casefold() == has.casefold() for asked, has in wanted)
        is_then = (self.since is None or told.captured_at >= self.since) and (
            self.until is None or told.captured_at < self.until
        )
        return is_named and is_then and (self.above_db is None or told.lafmax_db > self.above_db)


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
        The custody folder, whose desk opens the records and whose log says what was viewed and exported;
        without it all of that is None.
    with_lost : bool
        Also yield events without a clip: lost, pending, or of which nothing may be kept.
    search : Search
        Which events.

    Raises
    ------
    UsageError
        A search without a custody: the records are sealed.
    """
    opened = None if custody is None else open_custody(custody)
    if opened is None and search != EVERYTHING:
        raise UsageError("the records are sealed, so they can't be searched here", remedy="add --custody DIR")
    acts = None if opened is None else count_accesses(opened)
    found = [one for one in listed(node, opened) if one.event.is_sealed or with_lost]
    for one in sorted(found, key=_by_time):
        if search.matches(one.told):
            yield _document(one, acts)


def _by_time(one: Listed) -> tuple[datetime, str]:
    return (one.event.sealed_at if one.told is None else one.told.captured_at, one.event.id)


def _document(one: Listed, acts: Counter[tuple[str, str]] | None) -> dict[str, Any]:
    event, told = one.event, one.told
    views = None if acts is None else acts["consultation", event.id]
    exports = None if acts is None else acts["disclosure", event.id]
    return {
        "id": event.id,
        "captured_at": None if told is None else jsonform.utc_text(told.captured_at),
        "site": None if told is None else told.site,
        "signature": None if told is None else told.signature,
        "lafmax_db": None if told is None else told.lafmax_db,
        "behaviour": None if told is None else told.behaviour,
        "expires_at": jsonform.utc_text(event.expires_at),
        "viewed": None if views is None else views > 0,
        "exported": None if exports is None else exports > 0,
        "views": views,
        "exports": exports,
        "day": event.sealed_day.isoformat(),
        "state": event.state,
        "trial": event.is_trial,
        "evidence": None if told is None else told.is_evidence,
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
    return access.approve(access.sign())


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
