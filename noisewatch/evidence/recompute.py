"""Make the decision and the highest level again from what a package holds, and compare. Pure.

The level comes from ``levels.csv``, the decision from the scored windows and the signature's settings:
whoever has the package can do the same with a spreadsheet. The rules stand in ``docs/verify.md``.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from noisewatch.errors import InputError
from noisewatch.evidence.levels import LevelTable
from noisewatch.records import EventRecord, ScoredWindow

#: How many windows decide, and what a window that an event is too short for is taken to say, in log odds
#: (``recognition.decision``; written again here, so that the two are compared and not one used twice).
CLEAREST = 5
UNHEARD_LOG_ODDS = -0.8
#: ``levels.csv`` holds hundredths of a decibel.
TOLERANCE_DB = 0.006
_EDGE_S = 1e-4
_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What came out, and each difference from what the box signed; none means that all agrees."""

    lafmax_db: float
    probability: float
    matched_s: float
    is_event: bool
    differs: tuple[str, ...]


def recompute(record: EventRecord, levels: LevelTable, *, settings: bytes | None = None) -> Recomputed:
    """Make level and decision of an event again.

    Parameters
    ----------
    record : EventRecord
        What the box signed.
    levels : LevelTable
        ``levels.csv``.
    settings : bytes, optional
        ``signature.toml``; without it no window's match is judged, and no minimum duration is asked.

    Raises
    ------
    InputError
        The settings are no settings of a signature.
    """
    event, start_s = record.event, record.clip.start_s
    asked = _settings(settings)
    span = (event.onset_s - start_s, event.end_s - start_s)
    lafmax_db = highest_db(levels, *span)
    differs = [] if _is_level(lafmax_db, event.lafmax_db) else ["the highest level of levels.csv"]
    differs += [
        f"the window from {window.start_s - start_s:.2f} s: {what}"
        for window in event.windows
        for what in _of_window(window, levels, record, opening=asked.get("opening"))
    ]
    matched = [window for window in event.windows if window.match]
    probability = event_probability([window.probability for window in matched])
    matched_s = covered_s(matched)
    if abs(probability - event.probability) > 1e-9:
        differs.append("the probability of its windows together")
    threshold = event.threshold if event.threshold is not None else float(asked.get("threshold", 0.0))
    is_event = probability >= threshold and matched_s >= float(asked.get("minimum_duration_s", 0.0)) - _EDGE_S
    if not is_event:
        differs.append("whether it is an event at all")
    return Recomputed(lafmax_db, probability, matched_s, is_event, tuple(differs))


def highest_db(levels: LevelTable, from_s: float, to_s: float) -> float:
    """Return the highest LAFmax of the rows that overlap a span of the clip; NaN where there is none."""
    inside = (levels.start_s < to_s - _EDGE_S) & (levels.end_s > from_s + _EDGE_S)
    values = levels.levels_db["lafmax_db"][inside]
    values = values[np.isfinite(values)]
    return float(values.max()) if values.size else math.nan


def event_probability(probabilities: Sequence[float]) -> float:
    """Return the mean log odds of the clearest windows, as a probability.

    Examples
    --------
    >>> [round(event_probability([p] * n), 2) for p, n in ((0.95, 2), (0.7, 5), (0.4, 40))]
    [0.67, 0.7, 0.4]
    """
    if not probabilities:
        return 0.0
    odds = [math.log(_inside(p) / (1 - _inside(p))) for p in probabilities]
    odds += [UNHEARD_LOG_ODDS] * max(0, CLEAREST - len(odds))
    best = sorted(odds)[-CLEAREST:]
    return 1.0 / (1.0 + math.exp(-sum(best) / len(best)))


def covered_s(windows: Iterable[ScoredWindow]) -> float:
    """Return how many seconds windows cover together, overlaps counted once."""
    total_s, to_s = 0.0, -math.inf
    for window in sorted(windows, key=lambda one: one.start_s):
        total_s += max(0.0, window.end_s - max(window.start_s, to_s))
        to_s = max(to_s, window.end_s)
    return total_s


def _of_window(
    window: ScoredWindow, levels: LevelTable, record: EventRecord, *, opening: float | None
) -> list[str]:
    """Return what differs in one window; of one that reaches beyond the clip the level is not known."""
    event, start_s = record.event, record.clip.start_s
    from_s, to_s = window.start_s - start_s, window.end_s - start_s
    differs = []
    is_whole = levels.start_s.size and from_s >= levels.start_s[0] and to_s <= levels.end_s[-1] + _EDGE_S
    if is_whole and not _is_level(highest_db(levels, from_s, to_s), window.lafmax_db):
        differs.append("its level")
    if event.gate_db is not None and window.gate != (window.lafmax_db >= event.gate_db):
        differs.append("whether it is loud enough")
    lowest = min(value for value in (opening, event.threshold, 1.0) if value is not None)
    is_likely = window.probability >= lowest
    if opening is not None and window.match != (window.gate and is_likely and window.vetoed_by is None):
        differs.append("whether it matches")
    return differs


def _is_level(found_db: float, signed_db: float) -> bool:
    return abs(found_db - signed_db) <= TOLERANCE_DB


def _inside(probability: float) -> float:
    return min(max(probability, _SMALLEST), 1.0 - _SMALLEST)


def _settings(data: bytes | None) -> dict[str, Any]:
    if data is None:
        return {}
    try:
        document = tomllib.loads(data.decode("utf-8"))
        found = {key: float(document[key]) for key in ("threshold", "minimum_duration_s")}
        return {**found, "opening": float(document.get("opening", document["threshold"]))}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError("is not the settings of a signature", where="signature.toml") from error
