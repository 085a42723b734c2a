"""Sums the street up by the hour, for whoever watches from afar; pure, and nothing finer leaves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from noisewatch.acoustics.statistics import LevelHistogram
from noisewatch.records import LevelFrame, Score


@dataclass(frozen=True, slots=True)
class Hour:
    """One UTC hour of the street, or the part of it that was heard.

    ``l10_db`` and ``l90_db`` are what 10 % and 90 % of the hour's LAF values at 125 ms exceed, to 0.01 dB.
    ``counts`` holds, by class, the windows of one second of which it was the most probable.
    """

    start: datetime
    heard_s: float
    laeq_db: float
    lceq_db: float
    lafmax_db: float
    l10_db: float
    l90_db: float
    is_calibrated: bool
    counts: Mapping[str, int] = field(default_factory=dict)


class HourSummary:
    """Collects one hour at a time, in memory that does not grow.

    Parameters
    ----------
    started_at : datetime
        UTC of sample 0.
    is_calibrated : bool
        Whether the levels are on a calibrated scale.
    """

    def __init__(self, *, started_at: datetime, is_calibrated: bool) -> None:
        self._started_at = started_at.astimezone(UTC)
        self._is_calibrated = is_calibrated
        self._start: datetime | None = None
        self._heard_s = 0.0
        self._energy = 0.0
        self._energy_c = 0.0
        self._lafmax_db = float("-inf")
        self._histogram = LevelHistogram()
        self._counts: Counter[str] = Counter()

    def push(self, frames: Sequence[LevelFrame], scores: Sequence[Score]) -> list[Hour]:
        """Take what a block gave; return the hours that are over. A frame belongs where it begins."""
        over: list[Hour] = []
        for frame in frames:
            at = self._started_at + timedelta(seconds=frame.start_sample / frame.rate_hz)
            start = at.replace(minute=0, second=0, microsecond=0)
            if self._start is not None and start != self._start:
                over += self.finish()
            self._start = start
            self._add(frame)
        for score in scores:
            if score.classes:
                self._counts[max(score.classes, key=lambda name: score.classes[name])] += 1
        return over

    def finish(self) -> list[Hour]:
        """Return the hour that is under way, if there is one."""
        if self._start is None or self._heard_s == 0.0:
            return []
        hour = Hour(
            start=self._start,
            heard_s=self._heard_s,
            laeq_db=_level_db(self._energy / self._heard_s),
            lceq_db=_level_db(self._energy_c / self._heard_s),
            lafmax_db=self._lafmax_db,
            l10_db=self._histogram.exceeded_db(10.0),
            l90_db=self._histogram.exceeded_db(90.0),
            is_calibrated=self._is_calibrated,
            counts=dict(self._counts),
        )
        self._start = None
        self._empty()
        return [hour]

    def _add(self, frame: LevelFrame) -> None:
        length_s = (frame.end_sample - frame.start_sample) / frame.rate_hz
        self._heard_s += length_s
        self._energy += length_s * 10.0 ** (frame.laeq_db / 10.0)
        self._energy_c += length_s * 10.0 ** (frame.lceq_db / 10.0)
        self._lafmax_db = max(self._lafmax_db, frame.lafmax_db)
        self._histogram.add(np.array([frame.laf_db]))

    def _empty(self) -> None:
        self._heard_s = 0.0
        self._energy = 0.0
        self._energy_c = 0.0
        self._lafmax_db = float("-inf")
        self._histogram = LevelHistogram()
        self._counts = Counter()


def _level_db(mean: float) -> float:
    return 10.0 * float(np.log10(mean)) if mean > 0 else float("-inf")
