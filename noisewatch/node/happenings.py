"""What happens to a run without changing its health: samples or records lost, the clock set, no broker; pure.

The journal tells of each at once, then sums up: a microphone that loses samples all day fills no journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: An entry of one kind is followed by the next after this at the earliest, in seconds.
EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class Counts:
    """How far the counters of a run stand; ``is_broker_away`` only once it was there or was tried.

    ``not_stored`` counts events, viewing copies and minutes that could not be stored; ``why_not_stored`` is
    what the last of them met.
    """

    lost_samples: int = 0
    clock_steps: int = 0
    last_step_s: float = 0.0
    is_broker_away: bool = False
    not_stored: int = 0
    why_not_stored: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry for the journal."""

    kind: str
    sentence: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Happenings:
    """Compares the counters with what was told last.

    Examples
    --------
    >>> seen = Happenings(rate_hz=48_000)
    >>> [one.sentence for one in seen.since(Counts(lost_samples=96_000), now_s=0.0)]
    ['96000 samples of sound were lost, 2.000 s']
    >>> seen.since(Counts(lost_samples=96_000, clock_steps=1, last_step_s=-3600.0), now_s=2.0)[0].sentence
    'the clock was set by -3600.000 s'
    """

    def __init__(self, *, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._lost = self._steps = self._not_stored = 0
        self._is_away = False
        self._told_s: dict[str, float] = {}

    def since(self, counts: Counts, *, now_s: float) -> tuple[Happening, ...]:
        """Return what is to be told now."""
        found: list[Happening] = []
        lost, steps = counts.lost_samples - self._lost, counts.clock_steps - self._steps
        if lost > 0 and self._is_due("lost", now_s):
            self._lost = counts.lost_samples
            what = f"{lost} samples of sound were lost, {lost / self._rate_hz:.3f} s"
            found.append(Happening("lost", what, {"samples": lost}))
        if steps > 0 and self._is_due("clock", now_s):
            self._steps = counts.clock_steps
            what = f"the clock was set by {counts.last_step_s:+.3f} s"
            what += f", the last of {steps} times" if steps > 1 else ""
            found.append(Happening("clock", what, {"steps": steps}))
        not_stored = counts.not_stored - self._not_stored
        if not_stored > 0 and self._is_due("disk", now_s):
            self._not_stored = counts.not_stored
            what = f"{not_stored} record{'' if not_stored == 1 else 's'} could not be stored, the last: "
            what += counts.why_not_stored
            found.append(Happening("disk", what, {"records": not_stored}))
        if counts.is_broker_away is not self._is_away and self._is_due("broker", now_s):
            self._is_away = counts.is_broker_away
            found.append(Happening("broker", "the broker is away" if self._is_away else "the broker is back"))
        return tuple(found)

    def _is_due(self, kind: str, now_s: float) -> bool:
        if now_s - self._told_s.get(kind, float("-inf")) < EVERY_S:
            return False
        self._told_s[kind] = now_s
        return True
