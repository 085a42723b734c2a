"""Scores as sound comes in: windows of one second every half second, placed by sample index alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from noisewatch.recognition.decision import pooled_probability
from noisewatch.recognition.explaining import reasons_of
from noisewatch.recognition.features import CONTEXT_S, HOP_S, WINDOW_S, cut_window
from noisewatch.recognition.featuresets import columns_of, feature_set
from noisewatch.recognition.signature import Signature
from noisewatch.records import Score

#: Below this share of a window, the rest of a stream that is shorter than one window is not scored.
_SHORTEST_SHARE = 0.2


class Scorer:
    """Scores one channel of sound against one signature.

    Window ``k`` starts at sample ``round(k * rate_hz / 2)`` of the stream and is one second long. A window
    that holds a lost sample is not scored. How the sound is cut into blocks changes nothing, to the last bit.

    Parameters
    ----------
    signature : Signature
        What to look for.
    rate_hz : int
        Sample rate in hertz.
    start_sample : int
        Index of the first sample that will be pushed.
    """

    def __init__(self, signature: Signature, *, rate_hz: int, start_sample: int = 0) -> None:
        self.signature = signature
        self.rate_hz = rate_hz
        self._describe = feature_set(signature.feature_set).describe
        self._columns = columns_of(signature.feature_set)
        self._length = round(WINDOW_S * rate_hz)
        self._context = round(CONTEXT_S * rate_hz)
        self._held: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._held_start = start_sample
        self._segment_start = start_sample
        self._window = self._first_window_from(start_sample)
        self._pending: list[Score] = []
        self._has_scored = False

    def push(self, samples: NDArray[np.float32]) -> list[Score]:
        """Take the next samples, shape (n,), and return the scores of the windows that are now whole."""
        self._held = np.concatenate([self._held, np.asarray(samples, dtype=np.float32)])
        scores = self._pending + self._score_ready(is_end=False)
        self._pending = []
        self._forget()
        return scores

    def skip(self, lost: int) -> None:
        """Go over ``lost`` samples that never came: no window that holds one of them is scored."""
        self._pending += self._score_ready(is_end=True)
        self._segment_start = self._held_start + self._held.size + lost
        self._held_start = self._segment_start
        self._held = np.zeros(0, dtype=np.float32)
        self._window = max(self._window, self._first_window_from(self._segment_start))

    def finish(self) -> list[Score]:
        """Return the last scores; a stream shorter than a window is scored as one, with silence after it."""
        scores = self._pending + self._score_ready(is_end=True)
        self._pending = []
        is_short = not self._has_scored and self._held.size >= _SHORTEST_SHARE * self._length
        if is_short and self._held_start == self._segment_start:
            scores.append(self._score(self._segment_start, self._segment_start + self._held.size))
        return scores

    def _score_ready(self, *, is_end: bool) -> list[Score]:
        """Score the windows whose sound, and context unless the sound ends here, has come."""
        scores = []
        end = self._held_start + self._held.size
        needed = 0 if is_end else self._context
        while self._start_of(self._window) + self._length + needed <= end:
            start = self._start_of(self._window)
            scores.append(self._score(start, start + self._length))
            self._window += 1
        return scores

    def _score(self, start: int, end: int) -> Score:
        features = self._describe(cut_window(self._held, self.rate_hz, start - self._held_start))
        probabilities = self.signature.model.probabilities(features)
        self._has_scored = True
        # only a window that can be part of an event has to be explained
        is_candidate = float(probabilities[0]) >= self.signature.opening
        return Score(
            start_sample=start,
            end_sample=end,
            rate_hz=self.rate_hz,
            signature=self.signature.name,
            version=self.signature.version,
            probability=float(probabilities[0]),
            classes={
                name: float(value) for name, value in zip(self.signature.classes, probabilities, strict=True)
            },
            reasons=reasons_of(self.signature.model, features, self._columns) if is_candidate else (),
        )

    def _forget(self) -> None:
        """Drop the samples before the next window and its context."""
        keep_from = max(self._start_of(self._window) - self._context, self._held_start)
        drop = min(keep_from - self._held_start, self._held.size)
        if drop:
            self._held = self._held[drop:].copy()
            self._held_start += drop

    def _start_of(self, window: int) -> int:
        return round(window * HOP_S * self.rate_hz)

    def _first_window_from(self, sample: int) -> int:
        window = int(sample / (HOP_S * self.rate_hz))
        while self._start_of(window) < sample:
            window += 1
        return window


def score_samples(signature: Signature, samples: NDArray[np.floating], *, rate_hz: int) -> list[Score]:
    """Score a whole recording of one channel at once."""
    scorer = Scorer(signature, rate_hz=rate_hz)
    return scorer.push(np.asarray(samples, dtype=np.float32)) + scorer.finish()


def veto_of(score: Score, signature: Signature) -> str | None:
    """Return the label of the veto that holds for a window, or None.

    A veto holds where a competing class is more probable than the signature by its margin: a far siren
    does not acquit a racing exhaust. Where several hold, the one that exceeds most is named.
    """
    excess = {
        veto.label: score.classes.get(veto.label, 0.0) - score.probability - veto.margin
        for veto in signature.vetoes
    }
    holding = [label for label, value in excess.items() if value > 0.0]
    return max(holding, key=lambda label: excess[label]) if holding else None


def file_probability(scores: Iterable[Score]) -> float:
    """Return the one probability of a file: the mean log odds of its clearest windows.

    The same figure decides on an event; the calibration of the shipped models is fitted to it.

    Parameters
    ----------
    scores : iterable of Score
        Its windows; without any, the probability is 0.

    Returns
    -------
    float
        Between 0 and 1.
    """
    return pooled_probability(score.probability for score in scores)
