"""The faults of ``endurance.py``: drawn, struck, taken back, and looked for in the node's journal."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from endurance_street import CAMERA_AWAY_S, FROZEN_S, STALL_S

from noisewatch.node.journal import Journal

#: What ends a run; drawn every few hours, so that there is time to grow in between.
ENDINGS = ("kill", "device")
#: What a run must survive.
OTHERS = ("stall", "gap", "camera", "frozen", "covered", "disk", "clock", "broker")
DISK_FULL_S, BROKER_AWAY_S = 16.0, 8.0
#: When those that were told are over in any case.
OVER_S = {"stall": STALL_S + 2.0, "disk": DISK_FULL_S + 1.0, "kill": 0.0, "device": 0.0}
#: What is left of the run must be so long where that is less than the longest that they may take.
NEEDS_S = {"stall": STALL_S + 2.0, "kill": 9.0, "device": 9.0}
#: A run that has only begun looks at no picture yet.
FIRST_LOOK_S = 60.0

Entry = Mapping[str, Any]


def lasts_s(kind: str, pace: float) -> float:
    """Return after how many wall seconds a fault is over and must stand in the journal."""
    summed_up_s = 600.0 / pace
    return {
        "stall": STALL_S + 8.0,
        "camera": CAMERA_AWAY_S + 15.0,
        "frozen": 1.25 * FROZEN_S / pace + 10.0,
        "covered": 1.25 * FROZEN_S / pace + 10.0,
        "disk": DISK_FULL_S + 8.0,
        "broker": BROKER_AWAY_S + summed_up_s + 6.0,
        "gap": summed_up_s + 8.0,
        "clock": summed_up_s + 8.0,
        "kill": 30.0,
        "device": 30.0,
    }[kind]


def is_told(kind: str, since: list[Entry], standing: set[str]) -> bool:
    """Tell whether the journal's entries since a fault tell of it, or an alert of it is open anyway; pure.

    Examples
    --------
    >>> is_told("stall", [{"kind": "deaf", "what": "no sound for 6 s"}], set())
    True
    >>> is_told("gap", [{"kind": "deaf", "what": "no sound for 6 s"}], set())
    False
    """
    about = {"frozen": "camera", "covered": "camera"}.get(kind, kind)
    if about in standing or any(one["kind"] == "alert" and one.get("about") == about for one in since):
        return True
    kinds = {
        "stall": {"deaf"},
        "gap": {"lost"},
        "camera": {"blind"},
        "clock": {"clock"},
        "broker": {"broker"},
        "disk": {"disk"},
    }.get(kind, set())
    if kind == "kill":
        return any(one["kind"] == "start" and not one["clean"] for one in since)
    if kind == "device":
        return any(one["kind"] == "end" and "error" in one["what"] for one in since)
    return any(one["kind"] in kinds for one in since)


def standing_alerts(entries: list[Entry]) -> set[str]:
    """Return what alerts of the present run are about that are open; pure."""
    found: set[str] = set()
    for one in entries:
        if one["kind"] == "start":
            found.clear()
        elif one["kind"] == "alert":
            (found.discard if one["over"] else found.add)(one["about"])
    return found


@dataclass
class Struck:
    """One fault that was done."""

    kind: str
    at_s: float
    street_h: float
    entries_before: int
    standing: set[str]
    undo_at_s: float = 0.0
    undo: Callable[[], None] | None = None
    found_after_s: float | None = None


@dataclass
class Faults:
    """Strikes one fault after the other, each watched until it stands in the journal or should.

    Parameters
    ----------
    folder : Path
        The endurance run's folder, with the orders to the child.
    node, store : Path
        The node's folder and the small disk.
    broker : object
        Killed and started.
    draw : random.Random
        Of the run's seed.
    pace, per_hour : float
        Of the street; faults an hour of street beside those that end a run.
    endings_h : tuple of float
        Between two faults that end a run lie so many hours of street.
    """

    folder: Path
    node: Path
    store: Path
    broker: Any
    draw: random.Random
    pace: float
    per_hour: float
    endings_h: tuple[float, float]
    drawn: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    missing: list[dict[str, Any]] = field(default_factory=list)
    cut: int = 0
    current: Struck | None = None
    _bag: list[str] = field(default_factory=list)
    _ends: list[str] = field(default_factory=list)
    _due_s: float = 0.0
    _look_at_s: float = 0.0
    _ending_h: float = 0.0

    def __post_init__(self) -> None:
        """Draw when the first ones come."""
        self._ending_h = self.draw.uniform(*self.endings_h)
        self._pause()

    def tend(self, child: subprocess.Popen[bytes], *, street_h: float, up_s: float, left_s: float) -> None:
        """Do what is due: strike, take back, look into the journal."""
        now_s = time.monotonic()
        if self.current is not None:
            if now_s >= self._look_at_s:
                self._look_at_s = now_s + 1.0
                self._watch(self.current, now_s)
            return
        # a run that has only just been heard of is given a moment
        if now_s < self._due_s or up_s < 2.0:
            return
        kind = self._next(street_h=street_h, up_s=up_s)
        if kind is None or NEEDS_S.get(kind, lasts_s(kind, self.pace)) > left_s:
            return
        self._strike(kind, child, street_h=street_h)

    def give_up(self) -> None:
        """End: what is still going on is taken back and does not count."""
        if self.current is not None:
            self.cut += 1
            self.drawn[self.current.kind] -= 1
            if self.current.undo is not None:
                self.current.undo()
        self.current = None

    def told(self) -> dict[str, str]:
        """Return found/drawn of each kind."""
        return {kind: f"{self.found.get(kind, 0)}/{count}" for kind, count in sorted(self.drawn.items())}

    def _pause(self) -> None:
        self._due_s = time.monotonic() + max(2.0, self.draw.expovariate(self.per_hour * self.pace / 3600.0))

    def _next(self, *, street_h: float, up_s: float) -> str | None:
        if street_h >= self._ending_h:
            self._ending_h = street_h + self.draw.uniform(*self.endings_h)
            self._ends = self._ends or self.draw.sample(ENDINGS, len(ENDINGS))
            return self._ends.pop()
        # each kind comes once before any comes again
        self._bag = self._bag or self.draw.sample(OTHERS, len(OTHERS))
        for kind in reversed(self._bag):
            if up_s >= FIRST_LOOK_S or kind not in ("frozen", "covered"):
                self._bag.remove(kind)
                return kind
        return None

    def _strike(self, kind: str, child: subprocess.Popen[bytes], *, street_h: float) -> None:
        entries = self._entries()
        struck = Struck(kind, time.monotonic(), street_h, len(entries), standing_alerts(entries))
        self.drawn[kind] = self.drawn.get(kind, 0) + 1
        self.current = struck
        if kind == "kill":
            child.kill()
            child.wait()
        elif kind == "broker":
            self.broker.kill()
            struck.undo, struck.undo_at_s = self.broker.start, struck.at_s + BROKER_AWAY_S
        elif kind == "disk":
            ballast = self.store / "ballast"
            _fill(ballast)
            struck.undo, struck.undo_at_s = ballast.unlink, struck.at_s + DISK_FULL_S
        else:
            # the child looks into this folder at every block
            (self.folder / "orders" / kind).touch()

    def _watch(self, struck: Struck, now_s: float) -> None:
        if struck.undo is not None and now_s >= struck.undo_at_s:
            struck.undo()
            struck.undo = None
        since = self._entries()[struck.entries_before :]
        if struck.found_after_s is None and is_told(struck.kind, since, struck.standing):
            struck.found_after_s = now_s - struck.at_s
            self.found[struck.kind] = self.found.get(struck.kind, 0) + 1
        # a fault that was told early goes on all the same: the next one must not be taken for it
        until_s = lasts_s(struck.kind, self.pace)
        if struck.found_after_s is not None:
            until_s = OVER_S.get(struck.kind, until_s)
        if now_s < struck.at_s + until_s:
            return
        if struck.found_after_s is None:
            kinds = [one["kind"] for one in since]
            self.missing.append(
                {"fault": struck.kind, "street_h": round(struck.street_h, 2), "journal_since": kinds}
            )
        self.current = None
        self._pause()

    def _entries(self) -> list[Entry]:
        return list(Journal(self.node).entries())


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1_000_000, 4_096):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass
