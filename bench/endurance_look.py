"""What ``endurance.py`` looks at afterwards: what was told is there, nothing grew, the log verifies."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

#: An event may outlive its end by this: housekeeping is hourly, a start takes a while at a pace.
ON_TIME_S = 2 * 3600.0

Sample = tuple[float, float, float]


def slope_per_hour(segments: Iterable[Sequence[Sample]], column: int) -> float | None:
    """Return by how much a column of samples grew an hour, in the second half of each run; least squares.

    Parameters
    ----------
    segments : iterable of sequences
        Each run's samples: hour of the street, and columns.
    column : int
        Which column.

    Examples
    --------
    >>> run = [(hour / 10, 100.0 + hour / 5, 7.0) for hour in range(40)]
    >>> round(slope_per_hour([run, run], 1), 3), slope_per_hour([run], 2)
    (2.0, 0.0)
    """
    products = squares = 0.0
    for samples in segments:
        half = np.array(samples[len(samples) // 2 :], dtype=np.float64)
        if len(half) < 10:
            continue
        hours = half[:, 0] - half[:, 0].mean()
        products += float(hours @ (half[:, column] - half[:, column].mean()))
        squares += float(hours @ hours)
    return products / squares if squares else None


def look_at_store(node: Path, custody: Path, *, told: dict[str, bool], officer: Path) -> dict[str, Any]:
    """Compare what was told with store and log.

    Parameters
    ----------
    node, custody : Path
        Their folders.
    told : dict of str to bool
        Events that were told, and whether as sealed.
    officer : Path
        The SSH key of an officer; the age identity lies beside it.
    """
    from noisewatch.evidence.log import verify
    from noisewatch.evidence.store import Store

    log_path = node / "log" / "node.jsonl"
    # the store is opened for writing once, as the next start would: what a kill left is set right
    with Store.open(node / "store") as store:
        events = {event.id: event for event in store.list()}
    erased, late_s = _erasures(log_path)
    kept = {event_id for event_id in told if event_id in events}
    lost = sorted(set(told) - kept - set(erased))
    without_media = sorted(
        event_id
        for event_id in kept
        if told[event_id] and not (events[event_id].is_sealed and events[event_id].path("original").exists())
    )
    verdict = verify(log_path, authority_pem=(node / "keys" / "ca.pem").read_bytes())
    states = [event.state for event in events.values()]
    newest = max(
        (one for one in events.values() if one.path("viewing").exists()),
        key=lambda one: one.sealed_at,
        default=None,
    )
    return {
        "acknowledged": len(told),
        "acknowledged_sealed": sum(told.values()),
        "stored_now": len(events),
        "states": {state: states.count(state) for state in sorted(set(states))},
        "erased_in_log": len(set(erased) & set(told)),
        "erased_late": sum(seconds > ON_TIME_S for seconds in late_s),
        "acknowledged_and_lost": lost,
        "sealed_without_media": without_media,
        "opened": None if newest is None else _open(custody, newest, officer),
        "log_valid": verdict.valid,
        "log_problems": list(verdict.problems),
    }


def _erasures(log_path: Path) -> tuple[dict[str, str], list[float]]:
    """Return the events whose erasure the log tells, and by how many seconds each came after its end."""
    erased: dict[str, str] = {}
    late_s = []
    for row in (json.loads(line) for line in log_path.read_text().splitlines() if line.strip()):
        if row.get("action") != "erasure":
            continue
        erased[row["target"]] = row["at"]
        ended_at = row.get("details", {}).get("ended_at")
        if ended_at is not None:
            ended = datetime.fromisoformat(ended_at)
            late_s.append((datetime.fromisoformat(row["at"]) - ended).total_seconds())
    return erased, late_s


def _open(custody: Path, event: Any, officer: Path) -> str:
    """Open one viewing copy as the officer does; say what it is."""
    import av

    from noisewatch.evidence.custody import open_custody
    from noisewatch.evidence.unseal import open_viewing
    from noisewatch.records import LogEntry

    opened = open_custody(custody)
    actor = opened.find_person(str(officer), age_path=officer.with_suffix(".age"))
    entry = LogEntry(actor.name, "consultation", event.id, "the endurance run's own look", datetime.now(UTC))
    clear = open_viewing(
        opened, actor, event.path("viewing").read_bytes(), day=event.sealed_day, log=opened.log(), entry=entry
    )
    with av.open(io.BytesIO(clear), mode="r") as container:
        length_s = (container.duration or 0) / 1e6
        frames = len(list(container.decode(video=0)))
    return f"viewing copy of {event.id}: {len(clear)} bytes, {frames} frames, {length_s:.3f} s"
