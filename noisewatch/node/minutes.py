"""Sums the street up by the minute; pure: frames and scores go in, whole minutes come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np

from noisewatch.acoustics.statistics import exceeded_db
from noisewatch.evidence.minutes import Minute
from noisewatch.node.summing import Summing
from noisewatch.records import LevelFrame


class MinuteSummary(Summing[Minute]):
    """Collects one minute at a time; of the minutes before it nothing is left.

    Parameters
    ----------
    utc : callable
        Returns the UTC of a sample of the stream.
    is_calibrated : bool
        Whether the levels are on a calibrated scale.
    """

    def __init__(self, *, utc: Callable[[int], datetime], is_calibrated: bool) -> None:
        super().__init__(utc=utc, is_calibrated=is_calibrated)
        self._frames: list[LevelFrame] = []

    def floor(self, at: datetime) -> datetime:
        """Return the minute's start."""
        return at.replace(second=0, microsecond=0)

    def take(self, frame: LevelFrame) -> None:
        """Keep a frame until its minute is over."""
        self._frames.append(frame)

    def sum_up(self, start: datetime, counts: Mapping[str, int]) -> Minute:
        """Return the minute; its frames are forgotten."""
        lengths = np.array([frame.end_sample - frame.start_sample for frame in self._frames], dtype=float)
        energies = 10.0 ** (np.array([frame.laeq_db for frame in self._frames]) / 10.0)
        laf_db = np.array([frame.laf_db for frame in self._frames])
        mean = float(np.sum(lengths * energies) / np.sum(lengths))
        minute = Minute(
            start=start,
            heard_s=float(np.sum(lengths)) / self._frames[0].rate_hz,
            laeq_db=10.0 * float(np.log10(mean)) if mean > 0 else float("-inf"),
            lafmax_db=max(frame.lafmax_db for frame in self._frames),
            l10_db=exceeded_db(laf_db, 10.0),
            l90_db=exceeded_db(laf_db, 90.0),
            is_calibrated=self.is_calibrated,
            counts=counts,
        )
        self._frames = []
        return minute
