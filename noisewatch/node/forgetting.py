"""Counts the seconds that the box heard, kept and forgot, and signs the account into its log.

The totals run on for the life of the node. They are made durable with each minute, so a box that is killed
loses less than one minute of them, and written into the signed log at least hourly and at the end. An entry
says totals, not increments: one written twice is harmless, and a year is the difference of two entries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from noisewatch.evidence.log import EventLog
from noisewatch.evidence.minutes import FORGOTTEN_TARGET, FORGOTTEN_WHY, Minute
from noisewatch.evidence.store import Store
from noisewatch.node.account import Sealer
from noisewatch.node.pipeline import ReadyClip
from noisewatch.node.sealing import Begun, HalfSealed, Outcome
from noisewatch.records import ClipWindow, LogEntry

_STATE = "heard and forgotten"
_KEYS = ("heard_us", "kept_us", "minutes")


class Ledger:
    """The account of one node; its methods may be called from several threads.

    Parameters
    ----------
    store : Store
        Open for writing; holds the totals.
    log : EventLog
        The node's signed log.
    now : callable
        Wall time.
    """

    def __init__(self, store: Store, log: EventLog, *, now: Callable[[], datetime]) -> None:
        self._store, self._log, self._now = store, log, now
        self._guard = threading.Lock()
        kept = store.state(_STATE)
        known = _last_noted(log) if kept is None else kept
        self._totals = {key: int(known.get(key, 0)) for key in _KEYS}
        # what a killed run made durable but could not log any more is logged by the next one
        self._noted = int(known.get("noted_heard_us", 0))
        self._kept_until_s = float("-inf")

    @property
    def totals(self) -> Mapping[str, int]:
        """Microseconds heard and kept, and minutes written, since the node was made."""
        return dict(self._totals)

    def heard(self, minute: Minute) -> None:
        """Add a minute and make the totals durable."""
        with self._guard:
            self._totals["heard_us"] += round(minute.heard_s * 1e6)
            self._totals["minutes"] += 1
            self._keep()

    def kept(self, window: ClipWindow) -> None:
        """Add the sound of a sealed clip; what two clips share counts once."""
        start_s, end_s = window.start_s, window.start_s + window.duration_s
        with self._guard:
            fresh_s = max(0.0, end_s - max(start_s, self._kept_until_s))
            self._kept_until_s = max(end_s, self._kept_until_s)
            self._totals["kept_us"] += round(fresh_s * 1e6)
            self._keep()

    def note(self) -> None:
        """Sign the totals into the log, where anything was heard since the last time."""
        with self._guard:
            if self._totals["heard_us"] == self._noted:
                return
            details: dict[str, Any] = {
                **self._totals,
                "forgotten_us": max(0, self._totals["heard_us"] - self._totals["kept_us"]),
            }
            entry = LogEntry("noisewatch", "erasure", FORGOTTEN_TARGET, FORGOTTEN_WHY, self._now(), details)
            self._log.append(entry)
            self._noted = self._totals["heard_us"]
            self._keep()

    def _keep(self) -> None:
        self._store.keep_state(_STATE, {**self._totals, "noted_heard_us": self._noted})


def _last_noted(log: EventLog) -> Mapping[str, Any]:
    """Return the totals that the log signed last, for a store whose index was made anew; else nothing."""
    last: Mapping[str, Any] = {}
    if log.path.is_file():
        for row in log.entries():
            if row.entry.target == FORGOTTEN_TARGET:
                last = row.entry.details
    return {**last, "noted_heard_us": last["heard_us"]} if "heard_us" in last else {}


class Counted:
    """A sealer whose sealed clips are added to the account."""

    def __init__(self, sealer: Sealer, ledger: Ledger) -> None:
        self._sealer, self._ledger = sealer, ledger

    def begin(self, ready: ReadyClip) -> Begun | Outcome:
        """Record an event; nothing of it is kept yet."""
        return self._sealer.begin(ready)

    def original(self, begun: Begun) -> HalfSealed | Outcome:
        """Seal an original and count what was kept of the sound."""
        half = self._sealer.original(begun)
        if isinstance(half, HalfSealed):
            self._ledger.kept(half.ready.window)
        return half

    def viewing(self, half: HalfSealed) -> Outcome:
        """Seal a viewing copy; its sound is counted already."""
        return self._sealer.viewing(half)

    def refuse(self, ready: ReadyClip, why: str) -> Outcome:
        """Record an event of which nothing is kept."""
        return self._sealer.refuse(ready, why)
