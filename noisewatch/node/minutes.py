"""Sums the street up by the minute; pure: frames and scores go in, whole minutes come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from noisewatch.acoustics.statistics import exceeded_db
from noisewatch.evidence.minutes import Minute
from noisewatch.records import LevelFrame, Score


class MinuteSummary:
    """Collects one minute at a time; of the minutes before it nothing is left.

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
        self._frames: list[LevelFrame] = []
        self._counts: Counter[str] = Counter()

    def push(self, frames: Sequence[LevelFrame], scores: Sequence[Score]) -> list[Minute]:
        """Take what a block gave; return the minutes that are over. A frame belongs where it begins.

        Scores come later than their frames, by their window at most, and count where they arrive.
        """
        over: list[Minute] = []
        for frame in frames:
            start = self._minute_of(frame)
            if self._start is not None and start != self._start:
                over += self.finish()
            self._start = start
            self._frames.append(frame)
        for score in scores:
            if score.classes:
                self._counts[max(score.classes, key=lambda name: score.classes[name])] += 1
        return over

    def finish(self) -> list[Minute]:
        """Return the minute that is under way, if there is one."""
        if self._start is None or not self._frames:
            return []
        lengths = np.array([frame.end_sample - frame.start_sample for frame in self._frames], dtype=float)
        energies = 10.0 ** (np.array([frame.laeq_db for frame in self._frames]) / 10.0)
        laf_db = np.array([frame.laf_db for frame in self._frames])
        mean = float(np.sum(lengths * energies) / np.sum(lengths))
        minute = Minute(
            start=self._start,
            heard_s=float(np.sum(lengths)) / self._frames[0].rate_hz,
            laeq_db=10.0 * float(np.log10(mean)) if mean > 0 else float("-inf"),
            lafmax_db=max(frame.lafmax_db for frame in self._frames),
            l10_db=exceeded_db(laf_db, 10.0),
            l90_db=exceeded_db(laf_db, 90.0),
            is_calibrated=self._is_calibrated,
            counts=dict(self._counts),
        )
        self._start, self._frames, self._counts = None, [], Counter()
        return [minute]

    def _minute_of(self, frame: LevelFrame) -> datetime:
        at = self._started_at + timedelta(seconds=frame.start_sample / frame.rate_hz)
        return at.replace(second=0, microsecond=0)
