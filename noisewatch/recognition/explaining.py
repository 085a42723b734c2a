"""What carried a score: how far it falls when a group of features is taken away (occlusion).

A group is taken away by giving its features the mean of the training windows, as if nothing were known of
them; the fall in log odds is the group's weight (Zeiler and Fergus, 2014). Weights of groups that say the
same do not add up to the score: they are reasons, not shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from noisewatch.recognition.features import feature_names
from noisewatch.recognition.model import Model, logit
from noisewatch.records import Reason

FloatArray = NDArray[np.float64]

#: Groups of features in words, and the beginnings of their names.
GROUPS: dict[str, tuple[str, ...]] = {
    "low engine orders, 40 to 400 Hz": ("low_",),
    "regular firing (comb of orders)": ("comb_",),
    "pulsing of the sound": ("modulation", "envelope_", "pulse"),
    "tone colour": ("band_level", "cepstrum_", "centroid", "spread", "flatness", "rolloff", "median"),
    "unsteady tone colour": (
        "band_spread",
        "band_step",
        "band_low",
        "band_trend",
        "cepstrum_spread",
        "cepstrum_step",
        "cepstrum_trend",
        "flux",
    ),
    "rise and fall of the level": ("loudness_",),
}


@lru_cache(maxsize=1)
def group_columns() -> dict[str, NDArray[np.int64]]:
    """Return the columns of each group of the full features."""
    return columns_by_group(feature_names(), GROUPS)


def columns_by_group(
    names: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> dict[str, NDArray[np.int64]]:
    """Return the columns of each group; every feature is in one, by the longest beginning that fits.

    Examples
    --------
    >>> columns_by_group(["low_peak", "low"], {"a": ["low"], "b": ["low_"]})
    {'a': array([1]), 'b': array([0])}
    """
    found: dict[str, list[int]] = {group: [] for group in groups}
    for column, name in enumerate(names):
        fits = [
            (len(start), group)
            for group, starts in groups.items()
            for start in starts
            if name.startswith(start)
        ]
        found[max(fits)[1]].append(column)
    return {group: np.array(columns, dtype=np.int64) for group, columns in found.items()}


def reasons_of(
    model: Model, features: FloatArray, columns: Mapping[str, NDArray[np.int64]] | None = None
) -> tuple[Reason, ...]:
    """Return the groups of features by weight, the strongest first.

    Parameters
    ----------
    model : Model
        Its first class is the signature's own.
    features : ndarray, shape (features,)
        One window.
    columns : mapping of str to ndarray of int, optional
        The columns of each group; those of the full features by default.

    Returns
    -------
    tuple of Reason
        Weights in log odds: positive speaks for the signature, negative against it.
    """
    whole = logit(model.probabilities(features)[0])
    reasons = []
    for group, inside in (columns or group_columns()).items():
        without = features.copy()
        without[inside] = model.mean[inside]
        fall = float(whole - logit(model.probabilities(without)[0]))
        reasons.append(Reason(group, round(fall, 3)))
    return tuple(sorted(reasons, key=lambda reason: -abs(reason.weight)))
