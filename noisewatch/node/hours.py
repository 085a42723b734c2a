"""Sums the street up by the hour, for whoever watches from afar; pure, and nothing finer leaves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from noisewatch.acoustics.statistics import LevelHistogram
from noisewatch.node.summing import Summing
from noisewatch.records import LevelFrame


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


class HourSummary(Summing[Hour]):
    """Collects one hour at a time, in memory that does not grow.

    Parameters
    ----------
    utc : callable
        Returns the UTC of a sample of the stream.
    is_calibrated : bool
        Whether the levels are on a calibrated scale.
    """

    def __init__(self, *, utc: Callable[[int], datetime], is_calibrated: bool) -> None:
        super().__init__(utc=utc, is_calibrated=is_calibrated)
        self._heard_s = self._energy = self._energy_c = 0.0
        self._lafmax_db = float("-inf")
        self._histogram = LevelHistogram()

    def floor(self, at: datetime) -> datetime:
        """Return the hour's start."""
        return at.replace(minute=0, second=0, microsecond=0)

    def take(self, frame: LevelFrame) -> None:
        """Add a frame to sums and histogram."""
        length_s = (frame.end_sample - frame.start_sample) / frame.rate_hz
        self._heard_s += length_s
        self._energy += length_s * 10.0 ** (frame.laeq_db / 10.0)
        self._energy_c += length_s * 10.0 ** (frame.lceq_db / 10.0)
        self._lafmax_db = max(self._lafmax_db, frame.lafmax_db)
        self._histogram.add(np.array([frame.laf_db]))

    def sum_up(self, start: datetime, counts: Mapping[str, int]) -> Hour:
        """Return the hour; its sums begin anew."""
        hour = Hour(
            start=start,
            heard_s=self._heard_s,
            laeq_db=_level_db(self._energy / self._heard_s),
            lceq_db=_level_db(self._energy_c / self._heard_s),
            lafmax_db=self._lafmax_db,
            l10_db=self._histogram.exceeded_db(10.0),
            l90_db=self._histogram.exceeded_db(90.0),
            is_calibrated=self.is_calibrated,
            counts=counts,
        )
        self._heard_s = self._energy = self._energy_c = 0.0
        self._lafmax_db = float("-inf")
        self._histogram = LevelHistogram()
        return hour


def _level_db(mean: float) -> float:
    return 10.0 * float(np.log10(mean)) if mean > 0 else float("-inf")
