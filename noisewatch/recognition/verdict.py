"""What officers' verdicts teach: voice-free figures of an event, yield over time, drift. Pure.

A verdict keeps scalars of the level history and of the window scores, no sound and no spectrum, rounded so
that they say how an event was and not which one it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from noisewatch.errors import InputError
from noisewatch.recognition import voicefree
from noisewatch.recognition.tables import Clip, Table
from noisewatch.records import ScoredWindow

#: What an officer can say of an event.
VERDICTS = ("exhaust", "not-exhaust", "unclear")
#: The figures of an event: decibels to 1 dB, probabilities and shares to 0.01, seconds to 0.5 s.
FIGURES = (
    "lafmax_db",
    "lafmax_above_median_db",
    "lceq_minus_laeq_db",
    "lcpeak_minus_lafmax_db",
    "loud_s",
    "rise_db_per_s",
    "probability_max",
    "probability_median",
    "match_share",
    "veto_share",
)
#: What a verdict becomes in training; "unclear" teaches nothing.
_LABELS = {"exhaust": "exhaust", "not-exhaust": "other_sound"}
_STEPS = {"_db": 1.0, "_db_per_s": 1.0, "_s": 0.5}
#: A second has eight rows of 125 ms in the level history.
_ROWS_PER_S = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an officer said of one event, with the event's figures; no id, no time but the day."""

    day: date
    verdict: str
    signature: str
    version: str
    figures: Mapping[str, float]
    is_trial: bool = False
    #: The mean of the event's voice-free features, coarse; empty where the record held none.
    features: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Month:
    """The yield of one month, with the 95 % interval of Wilson (1927)."""

    month: str
    exhaust: int
    not_exhaust: int
    unclear: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How one figure moved: medians, the Kolmogorov–Smirnov statistic and its p-value."""

    figure: str
    before: float
    after: float
    statistic: float
    p_value: float
    has_moved: bool


def event_figures(
    levels_db: Mapping[str, NDArray[np.float64]], windows: Sequence[ScoredWindow]
) -> dict[str, float]:
    """Return the figures of an event from its level history and its window scores.

    Parameters
    ----------
    levels_db : mapping of str to ndarray, shape (n,)
        Columns of ``levels.csv``, one row every 125 ms; NaN where nothing was measured.
    windows : sequence of ScoredWindow
        Of the same event.

    Raises
    ------
    InputError
        There is no level or no window.
    """
    laf_db = levels_db["laf_db"][np.isfinite(levels_db["laf_db"])]
    if laf_db.size == 0 or not windows:
        raise InputError("the event holds no levels or no scores")
    lafmax_db = float(np.nanmax(levels_db["lafmax_db"]))
    rises_db = laf_db[_ROWS_PER_S:] - laf_db[:-_ROWS_PER_S]
    probabilities = [window.probability for window in windows]
    figures = {
        "lafmax_db": lafmax_db,
        "lafmax_above_median_db": lafmax_db - float(np.median(laf_db)),
        "lceq_minus_laeq_db": _energy_mean_db(levels_db["lceq_db"]) - _energy_mean_db(levels_db["laeq_db"]),
        "lcpeak_minus_lafmax_db": float(np.nanmax(levels_db["lcpeak_db"])) - lafmax_db,
        "loud_s": float(np.sum(laf_db >= lafmax_db - 10.0)) / _ROWS_PER_S,
        "rise_db_per_s": float(rises_db.max()) if rises_db.size else 0.0,
        "probability_max": max(probabilities),
        "probability_median": float(np.median(probabilities)),
        "match_share": float(np.mean([window.match for window in windows])),
        "veto_share": float(np.mean([window.vetoed_by is not None for window in windows])),
    }
    return {name: rounded(name, figures[name]) for name in FIGURES}


def rounded(name: str, value: float) -> float:
    """Return a figure as coarsely as it is stored.

    Examples
    --------
    >>> rounded("lafmax_db", 91.37), rounded("loud_s", 3.125), rounded("probability_max", 0.98765)
    (91.0, 3.0, 0.99)
    """
    if not math.isfinite(value):
        raise InputError(f"the event's {name} is not a number")
    step = next((step for end, step in _STEPS.items() if name.endswith(end)), 0.01)
    return round(round(value / step) * step, 2)


def mean_row(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return the one row that a verdict keeps of an event's seconds: their mean, to 0.1.

    Examples
    --------
    >>> mean_row([[1.0, 2.0], [2.0, 2.26]])
    (1.5, 2.1)
    """
    return tuple(round(float(value), 1) for value in np.mean(np.asarray(rows, dtype=np.float64), axis=0))


def verdict_table(verdicts: Iterable[Verdict]) -> Table:
    """Return the decided verdicts that hold features as rows to learn from; none of them is ever measured on.

    What is not an exhaust becomes a sound of the class "other": an officer says no more.
    """
    kept = [item for item in verdicts if item.features and item.verdict in _LABELS and not item.is_trial]
    width = len(voicefree.voice_free_names())
    rows = np.array([item.features for item in kept], dtype=np.float32).reshape(len(kept), width)
    clips = tuple(
        Clip(f"verdict-{number}", _LABELS[item.verdict], f"verdict:{number}", "officers", "verdict")
        for number, item in enumerate(kept)
    )
    return Table(rows, np.zeros(len(kept)), np.arange(len(kept)), clips, voicefree.NAME)


@dataclass(frozen=True, slots=True)
class Shift:
    """How a feature lies on the street against training: Kolmogorov–Smirnov, stability index, a verdict.

    An index above 0.25 is commonly called a large shift (population stability index, ten bins).
    """

    feature: str
    statistic: float
    p_value: float
    stability_index: float
    has_moved: bool


def feature_shift(
    names: Sequence[str],
    training: NDArray[np.floating],
    street: NDArray[np.floating],
    *,
    level: float = 0.01,
) -> list[Shift]:
    """Compare features of training clips with those of the street's events, strongest shift first.

    Parameters
    ----------
    names : sequence of str
        Of the columns.
    training, street : ndarray, shape (clips, features)
        One row for each clip or event.
    level : float
        Of the test, divided by the number of features (Bonferroni).

    Raises
    ------
    InputError
        One of them is empty.
    """
    from scipy.stats import ks_2samp

    if not len(training) or not len(street):
        raise InputError("a shift needs clips of the training and events of the street")
    rows = []
    for column, name in enumerate(names):
        old, new = training[:, column].astype(np.float64), street[:, column].astype(np.float64)
        found = ks_2samp(old, new, method="asymp")
        p_value = float(found.pvalue)
        moved = p_value < level / len(names)
        rows.append(Shift(name, float(found.statistic), p_value, stability_index(old, new), moved))
    return sorted(rows, key=lambda row: (-row.statistic, row.feature))


def stability_index(before: NDArray[np.float64], after: NDArray[np.float64], *, bins: int = 10) -> float:
    """Return the population stability index over bins that hold equal shares of ``before``.

    Examples
    --------
    >>> same = np.linspace(0, 1, 1000)
    >>> round(stability_index(same, same), 6), stability_index(same, same + 2) > 1
    (0.0, True)
    """
    edges = np.unique(np.quantile(before, np.linspace(0, 1, bins + 1)[1:-1]))
    shares = []
    for values in (before, after):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=edges.size + 1)
        # half a count in an empty bin keeps the logarithm finite
        shares.append(np.maximum(counts, 0.5) / values.size)
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def ends_on(day: date) -> date:
    """Return the day from which a verdict may not exist any more: twelve months after its own.

    Examples
    --------
    >>> print(ends_on(date(2026, 5, 3)), ends_on(date(2028, 2, 29)))
    2027-05-03 2029-02-28
    """
    if (day.month, day.day) == (2, 29):
        return date(day.year + 1, 2, 28)
    return day.replace(year=day.year + 1)


def yield_by_month(verdicts: Iterable[Verdict]) -> list[Month]:
    """Return the share of exhausts among the decided verdicts of each month, oldest first.

    Unclear verdicts are counted but not decided.
    """
    months: dict[str, list[str]] = {}
    for item in verdicts:
        months.setdefault(item.day.isoformat()[:7], []).append(item.verdict)
    rows = []
    for month, said in sorted(months.items()):
        counts = {verdict: said.count(verdict) for verdict in VERDICTS}
        decided = counts["exhaust"] + counts["not-exhaust"]
        low, high = wilson(counts["exhaust"], decided)
        share = counts["exhaust"] / decided if decided else math.nan
        rows.append(
            Month(month, counts["exhaust"], counts["not-exhaust"], counts["unclear"], share, low, high)
        )
    return rows


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927); everything where nothing was counted.

    Examples
    --------
    >>> [round(limit, 3) for limit in wilson(8, 10)]
    [0.49, 0.943]
    """
    if count == 0:
        return 0.0, 1.0
    z = 1.959963984540054
    share = hits / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def drift(
    before: Sequence[Mapping[str, float]], after: Sequence[Mapping[str, float]], *, level: float = 0.01
) -> list[Drift]:
    """Compare the figures of two spans of events, strongest change first.

    A figure has moved where the two-sample Kolmogorov–Smirnov test rejects at ``level`` divided by the
    number of figures (Bonferroni).

    Raises
    ------
    InputError
        One of the spans holds no event.
    """
    from scipy.stats import ks_2samp

    if not before or not after:
        raise InputError("drift needs events before and after")
    rows = []
    for name in FIGURES:
        old, new = ([event[name] for event in events] for events in (before, after))
        # rounded figures have ties: the asymptotic p-value is then on the safe side
        found = ks_2samp(old, new, method="asymp")
        p_value = float(found.pvalue)
        moved = p_value < level / len(FIGURES)
        middle = (float(np.median(old)), float(np.median(new)))
        rows.append(Drift(name, *middle, float(found.statistic), p_value, moved))
    return sorted(rows, key=lambda row: (-row.statistic, row.figure))


def _energy_mean_db(levels_db: NDArray[np.float64]) -> float:
    known = levels_db[np.isfinite(levels_db)]
    return float(10 * np.log10(np.mean(10 ** (known / 10)))) if known.size else math.nan
