"""Sums the street up by spans of its clock; pure: frames and scores go in, whole spans come out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from noisewatch.records import LevelFrame, Score

Sum = TypeVar("Sum")

#: By less than this a moment may seem to lie before the one before it: the estimate of the sound card's clock
#: moves by a millisecond. Beyond it somebody set the clock back, and a new span begins.
UNSURE = timedelta(seconds=1)


class Summing(ABC, Generic[Sum]):
    """Collects one span at a time; of the spans before it nothing is left.

    Parameters
    ----------
    utc : callable
        Returns the UTC of a sample of the stream. A microphone's clock drifts, and the wall clock may be set
        while the box runs: a span is a span of UTC, not of so many samples.
    is_calibrated : bool
        Whether the levels are on a calibrated scale.
    """

    def __init__(self, *, utc: Callable[[int], datetime], is_calibrated: bool) -> None:
        self.is_calibrated = is_calibrated
        self._utc = utc
        self._start: datetime | None = None
        self._latest: datetime | None = None
        self._counts: Counter[str] = Counter()

    def push(self, frames: Sequence[LevelFrame], scores: Sequence[Score]) -> list[Sum]:
        """Take what a block gave; return the spans that are over. A frame belongs where it begins.

        Scores come later than their frames, by their window at most, and count where they arrive.
        """
        over: list[Sum] = []
        for frame in frames:
            start = self.floor(self._at(frame))
            if self._start is not None and start != self._start:
                over += self.finish()
            self._start = start
            self.take(frame)
        for score in scores:
            if score.classes:
                self._counts[max(score.classes, key=lambda name: score.classes[name])] += 1
        return over

    def finish(self) -> list[Sum]:
        """Return the span that is under way, if there is one."""
        if self._start is None:
            return []
        done = self.sum_up(self._start, dict(self._counts))
        self._start, self._counts = None, Counter()
        return [done]

    @abstractmethod
    def floor(self, at: datetime) -> datetime:
        """Return the start of the span that a moment lies in."""

    @abstractmethod
    def take(self, frame: LevelFrame) -> None:
        """Add a frame to the span under way."""

    @abstractmethod
    def sum_up(self, start: datetime, counts: Mapping[str, int]) -> Sum:
        """Return the span under way and forget it; at least one frame was taken."""

    def _at(self, frame: LevelFrame) -> datetime:
        at = self._utc(frame.start_sample).astimezone(UTC)
        if self._latest is not None and timedelta(0) < self._latest - at < UNSURE:
            at = self._latest
        self._latest = at
        return at
