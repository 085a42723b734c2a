"""The trigger: level **and** signature open an event; one pass is one event.

Everything here is decided in sample time from level frames and scores, so that a recording played at any
pace, cut into any blocks, gives the same events. Nothing is read, written or looked up.

A window *matches* when its LAFmax reaches the gate, its probability the opening, and no veto holds.
Matches closer together than the merge gap are one candidate. It is an event when its matched windows cover
the minimum duration and its clearest ones together reach the threshold: so a short clear exhaust is one, and
a long weak sound is none. It closes after the merge gap, or at its longest.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from noisewatch.node.schedule import OUTSIDE_HOURS, OVER_BUDGET, Decision, Gate
from noisewatch.recognition.decision import CLEAREST, event_probability
from noisewatch.recognition.features import HOP_S
from noisewatch.records import Event, LevelFrame, Score, ScoredWindow

#: How far an event reaches beyond its matched windows while the level stays above the gate.
REACH_S = 1.0


@dataclass(frozen=True, slots=True)
class TriggerRules:
    """What opens, merges and closes an event; levels in dB, times in seconds.

    ``threshold`` is the event's; ``opening``, at most the threshold, is what a window needs to be part of it
    (None: the threshold as well).
    """

    signature: str
    version: str
    signature_sha256: str
    gate_db: float
    threshold: float
    minimum_duration_s: float
    merge_gap_s: float
    cooldown_s: float
    longest_event_s: float
    budget_per_day: int
    opening: float | None = None

    @property
    def opens_at(self) -> float:
        """Probability from which a window can be part of an event."""
        return self.threshold if self.opening is None else min(self.opening, self.threshold)


@dataclass(frozen=True, slots=True)
class _Open:
    """An event that is still going on; ``scores`` are those of its windows, in the same order."""

    windows: tuple[ScoredWindow, ...]
    scores: tuple[Score, ...]
    first_match_s: float
    last_match_s: float


def judge(
    score: Score, frames: Sequence[LevelFrame], *, rules: TriggerRules, vetoed_by: str | None
) -> ScoredWindow:
    """Say what gate, threshold and veto make of one window.

    Parameters
    ----------
    score : Score
        What the signature says of the window.
    frames : sequence of LevelFrame
        The frames that overlap the window.
    rules : TriggerRules
        Gate and opening.
    vetoed_by : str or None
        Class that vetoes the window, if any.

    Returns
    -------
    ScoredWindow
        With ``match`` True only where all three agree.
    """
    lafmax_db = max((frame.lafmax_db for frame in frames), default=float("-inf"))
    is_loud = lafmax_db >= rules.gate_db
    return ScoredWindow(
        start_s=score.start_sample / score.rate_hz,
        end_s=score.end_sample / score.rate_hz,
        probability=score.probability,
        lafmax_db=lafmax_db,
        gate=is_loud,
        vetoed_by=vetoed_by,
        match=is_loud and score.probability >= rules.opens_at and vetoed_by is None,
    )


def matched_duration_s(windows: Iterable[ScoredWindow]) -> float:
    """Return how many seconds the matching windows cover together, overlaps counted once.

    Examples
    --------
    >>> w = lambda start: ScoredWindow(start, start + 1.0, 0.9, 85.0, True, None, True)
    >>> matched_duration_s([w(0.0), w(0.5), w(4.0)])
    2.5
    """
    total_s, covered_to_s = 0.0, float("-inf")
    for window in sorted((w for w in windows if w.match), key=lambda w: w.start_s):
        total_s += max(0.0, window.end_s - max(window.start_s, covered_to_s))
        covered_to_s = max(covered_to_s, window.end_s)
    return total_s


def carried_by(windows: Sequence[ScoredWindow], scores: Sequence[Score]) -> tuple[str, ...]:
    """Say which features and which second carried an event, and which class came next.

    Parameters
    ----------
    windows, scores : sequence of ScoredWindow, sequence of Score
        Of the same seconds; only matched windows speak.

    Returns
    -------
    tuple of str
        Up to two phrases; none where the scores hold no reasons and no classes.
    """
    matched = [(w, s) for w, s in zip(windows, scores, strict=True) if w.match]
    best = sorted(matched, key=lambda pair: -pair[0].probability)[:CLEAREST]
    phrases: list[str] = []
    weights: dict[str, float] = {}
    for _, score in best:
        for reason in score.reasons:
            weights[reason.what] = weights.get(reason.what, 0.0) + reason.weight / len(best)
    strongest = sorted((item for item in weights.items() if item[1] > 0), key=lambda item: -item[1])[:3]
    if strongest:
        said = ", ".join(f"{what} (+{weight:.1f})" for what, weight in strongest)
        phrases.append(f"clearest at {best[0][0].start_s:.1f} s; carried by {said}")
    others: dict[str, float] = {}
    for _, score in best:
        for name, probability in score.classes.items():
            if name != score.signature:
                others[name] = others.get(name, 0.0) + probability / len(best)
    if others:
        name, probability = max(others.items(), key=lambda item: item[1])
        phrases.append(f"next class {name} {probability:.2f}")
    return tuple(phrases)


def loud_span(
    frames: Sequence[LevelFrame], *, first_s: float, last_s: float, gate_db: float
) -> tuple[LevelFrame, ...]:
    """Return the frames of an event: its matched seconds, and the loud frames that touch them.

    The span reaches at most :data:`REACH_S` beyond the matched windows and only without a pause, so that a
    lorry that passed before is not taken for the exhaust that matched.
    """
    body = [f for f in frames if _start_s(f) < last_s and _end_s(f) > first_s]
    before = [f for f in frames if first_s - REACH_S <= _start_s(f) and _end_s(f) <= first_s]
    after = [f for f in frames if last_s <= _start_s(f) and _end_s(f) <= last_s + REACH_S]
    while body and body[0].lafmax_db < gate_db:
        body.pop(0)
    while body and body[-1].lafmax_db < gate_db:
        body.pop()
    if not body:
        return ()
    if _start_s(body[0]) <= first_s:
        for frame in reversed(before):
            if frame.lafmax_db < gate_db:
                break
            body.insert(0, frame)
    if _end_s(body[-1]) >= last_s:
        for frame in after:
            if frame.lafmax_db < gate_db:
                break
            body.append(frame)
    return tuple(body)


class Trigger:
    """Turns level frames and scores of one signature into events.

    Parameters
    ----------
    rules : TriggerRules
        What opens, merges and closes an event.
    veto_of : callable
        Which class vetoes a score, or None.
    new_id : callable
        Makes an event's id from its onset sample.
    day_of : callable
        The UTC day of a sample, for the daily budget.
    hours_at : callable, optional
        Whether the signature's hours hold at a sample; an event outside them is marked, and not budgeted.
    gate_at : callable, optional
        The gate that holds at a sample; the rules' own by default.
    """

    def __init__(
        self,
        rules: TriggerRules,
        *,
        veto_of: Callable[[Score], str | None],
        new_id: Callable[[int], str],
        day_of: Callable[[int], date],
        hours_at: Callable[[int], Decision] | None = None,
        gate_at: Callable[[int], Gate] | None = None,
    ) -> None:
        self.rules = rules
        self._hours_at = hours_at or (lambda _: Decision(is_wanted=True, why="any hour"))
        self._gate_at = gate_at or (lambda _: Gate(rules.gate_db, ""))
        self.refused: Counter[str] = Counter()
        self._veto_of = veto_of
        self._new_id = new_id
        self._day_of = day_of
        self._frames: deque[LevelFrame] = deque()
        self._scores: deque[Score] = deque()
        self._open: _Open | None = None
        self._quiet_until_s = float("-inf")
        self._events_by_day: Counter[date] = Counter()

    def push(self, frames: Iterable[LevelFrame], scores: Iterable[Score]) -> list[Event]:
        """Take what the meter and the signature made of the newest sound; return the events that closed.

        A score waits until the frames that cover it are there: so the cut into blocks changes nothing.
        """
        self._frames.extend(frames)
        self._scores.extend(scores)
        events: list[Event] = []
        while self._scores and self._frames and self._frames[-1].end_sample >= self._scores[0].end_sample:
            events += self._take(self._scores.popleft())
        self._forget()
        return events

    def finish(self) -> list[Event]:
        """Judge what is left at the end of the stream; return the events that this closes."""
        events: list[Event] = []
        while self._scores:
            events += self._take(self._scores.popleft())
        return events + self._close()

    def _take(self, score: Score) -> list[Event]:
        overlapping = [
            f for f in self._frames if f.start_sample < score.end_sample and f.end_sample > score.start_sample
        ]
        rules = replace(self.rules, gate_db=self._gate_at(score.start_sample).gate_db)
        window = judge(score, overlapping, rules=rules, vetoed_by=self._veto_of(score))
        events: list[Event] = []
        if self._open is not None and self._is_over(self._open, window):
            events = self._close()
        if self._open is not None:
            last_s = window.end_s if window.match else self._open.last_match_s
            self._open = _Open(
                (*self._open.windows, window),
                (*self._open.scores, score),
                self._open.first_match_s,
                last_s,
            )
        elif window.match and window.start_s >= self._quiet_until_s:
            self._open = _Open((window,), (score,), window.start_s, window.end_s)
        if self._open is not None and self._is_last(self._open, window):
            events += self._close()
        return events

    def _is_over(self, current: _Open, window: ScoredWindow) -> bool:
        is_too_long = window.end_s - current.first_match_s > self.rules.longest_event_s
        return is_too_long or window.start_s - current.last_match_s >= self.rules.merge_gap_s

    def _is_last(self, current: _Open, window: ScoredWindow) -> bool:
        """Tell whether the next window can only come too late: then nobody has to wait for it."""
        is_next_too_late = window.start_s + HOP_S - current.last_match_s >= self.rules.merge_gap_s
        return is_next_too_late and window.end_s >= current.last_match_s + REACH_S

    def _close(self) -> list[Event]:
        if self._open is None:
            return []
        finished, self._open = self._open, None
        duration_s = matched_duration_s(finished.windows)
        if duration_s < self.rules.minimum_duration_s:
            self.refused["shorter than the minimum duration"] += 1
            return []
        if _probability(finished.windows) < self.rules.threshold:
            self.refused["not clear enough as a whole"] += 1
            return []
        span = loud_span(
            tuple(self._frames),
            first_s=finished.first_match_s,
            last_s=finished.last_match_s,
            gate_db=self._gate_of(finished).gate_db,
        )
        self._quiet_until_s = finished.last_match_s + self.rules.cooldown_s
        return [self._event(finished, span, duration_s=duration_s)]

    def _event(self, finished: _Open, span: Sequence[LevelFrame], *, duration_s: float) -> Event:
        peak = max(span, key=lambda frame: frame.lafmax_db)
        onset_sample = span[0].start_sample
        flags = sorted({flag for frame in span for flag in frame.flags})
        hours, gate = self._hours_at(onset_sample), self._gate_of(finished)
        if hours.is_wanted:
            day = self._day_of(onset_sample)
            self._events_by_day[day] += 1
            if self._events_by_day[day] > self.rules.budget_per_day:
                flags.append(OVER_BUDGET)
        else:
            flags.append(OUTSIDE_HOURS)
        # windows after the last match only showed that it was over
        windows = tuple(w for w in finished.windows if w.start_s < finished.last_match_s)
        probability = _probability(windows)
        scores = finished.scores[: len(windows)]
        return Event(
            id=self._new_id(onset_sample),
            onset_sample=onset_sample,
            peak_sample=(peak.start_sample + peak.end_sample) // 2,
            end_sample=span[-1].end_sample,
            rate_hz=peak.rate_hz,
            lafmax_db=peak.lafmax_db,
            laeq_db=energy_mean_db([frame.laeq_db for frame in span]),
            lcpeak_db=max(frame.lcpeak_db for frame in span),
            signature=self.rules.signature,
            version=self.rules.version,
            signature_sha256=self.rules.signature_sha256,
            probability=probability,
            windows=windows,
            why="; ".join(
                (
                    self._why(windows, probability, gate, lafmax_db=peak.lafmax_db, duration_s=duration_s),
                    *(() if hours.is_wanted else (hours.why,)),
                    *carried_by(windows, scores),
                )
            ),
            flags=tuple(flags),
            gate_db=gate.gate_db,
            threshold=self.rules.threshold,
        )

    def _gate_of(self, finished: _Open) -> Gate:
        """Return the gate that held when an event began."""
        return self._gate_at(finished.scores[0].start_sample)

    def _why(
        self,
        windows: Sequence[ScoredWindow],
        probability: float,
        gate: Gate,
        *,
        lafmax_db: float,
        duration_s: float,
    ) -> str:
        rules = self.rules
        of = f" ({gate.period})" if gate.period else ""
        matched = [window for window in windows if window.match]
        counted = min(len(matched), CLEAREST)
        vetoed = sorted({window.vetoed_by for window in windows if window.vetoed_by is not None})
        text = (
            f"LAFmax {lafmax_db:.1f} dB reached the gate of {gate.gate_db:.1f} dB{of} and "
            f"{rules.signature} {rules.version} reached a probability of {probability:.2f} "
            f"(threshold {rules.threshold:.2f}) in the clearest {counted} of {len(matched)} matched windows, "
            f"{duration_s:.1f} s (minimum {rules.minimum_duration_s:.1f} s)"
        )
        return text + (f"; windows left out by veto: {', '.join(vetoed)}" if vetoed else "; no veto")

    def _forget(self) -> None:
        """Drop the frames that no open or future event can need."""
        if not self._frames:
            return
        newest_s = _end_s(self._frames[-1])
        needed_s = newest_s - self.rules.merge_gap_s - REACH_S - 10.0
        if self._open is not None:
            needed_s = min(needed_s, self._open.first_match_s - REACH_S)
        if self._scores:
            needed_s = min(needed_s, self._scores[0].start_sample / self._scores[0].rate_hz - REACH_S)
        while self._frames and _end_s(self._frames[0]) < needed_s:
            self._frames.popleft()


def energy_mean_db(levels_db: Sequence[float]) -> float:
    """Return the energy mean of levels of equal length.

    Examples
    --------
    >>> round(energy_mean_db([80.0, 90.0]), 2)
    87.4
    """
    return 10.0 * math.log10(sum(10.0 ** (level / 10.0) for level in levels_db) / len(levels_db))


def _probability(windows: Iterable[ScoredWindow]) -> float:
    return event_probability(window.probability for window in windows if window.match)


def _start_s(frame: LevelFrame) -> float:
    return frame.start_sample / frame.rate_hz


def _end_s(frame: LevelFrame) -> float:
    return frame.end_sample / frame.rate_hz
