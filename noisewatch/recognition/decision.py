"""From windows to one decision: the clearest windows together, so that one lucky second decides nothing.

A file and an event are judged by the same figure: the mean log odds of their clearest windows. A long weak
sound never reaches the threshold, however long it lasts; a short clear one does. On out-of-fold scores of
the corpus (1925 clips) the mean of five has an average precision of 0.80, the 90th percentile 0.72.

An event's level decides whether its windows count (the gate), not how much. A second classifier on the
history of an event's levels and scores was tried (``bench/learners.py``) and finds less: recordings are cut
and scaled, so that their levels teach what the street contradicts.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from noisewatch.recognition.model import expit, logit

FloatArray = NDArray[np.float64]

#: How many windows decide: five of one second, half a second apart, are three seconds of sound.
CLEAREST = 5
#: What a window that an event is too short for is taken to say, in log odds. Chosen on out-of-fold scores of
#: the corpus, each clip placed once in six seconds of street: 0.9 % of the others become events.
UNHEARD_LOG_ODDS = -0.8
#: What the destruction of voices (method band-noise-and-orders-6) takes of a clip's log odds where the
#: signature had matched. Chosen on clips that each fold never heard, so that over nine in ten match again;
#: bench/privacy_matches.py prints them, held-out ones, and what else then matches (docs/privacy.md).
TREATED_LOG_ODDS = 2.0


def pooled(log_odds: FloatArray) -> FloatArray:
    """Return the mean of the highest log odds, each column for itself.

    Parameters
    ----------
    log_odds : ndarray, shape (windows,) or (windows, classes)
        At least one window; where there are fewer than :data:`CLEAREST`, all of them count.

    Returns
    -------
    ndarray, shape () or (classes,)

    Examples
    --------
    >>> float(pooled(np.array([-9.0, 3.0, 1.0, 2.0, 1.0, 3.0, -9.0])))
    2.0
    """
    return np.asarray(np.sort(log_odds, axis=0)[-CLEAREST:].mean(axis=0))


def pooled_probability(probabilities: Iterable[float]) -> float:
    """Return the one probability of a file; without any window it is 0.

    Examples
    --------
    >>> round(pooled_probability([0.1, 0.8, 0.8, 0.8, 0.8, 0.8]), 3)
    0.8
    """
    values = np.fromiter(probabilities, dtype=np.float64)
    return float(expit(pooled(logit(values)))) if values.size else 0.0


def treated_probability(probability: float) -> float:
    """Return the probability of a clip before its voices were destroyed, from that of the treated sound.

    Examples
    --------
    >>> [round(treated_probability(p), 2) for p in (0.01, 0.3, 0.9)]
    [0.07, 0.76, 0.99]
    """
    return float(expit(logit(probability) + TREATED_LOG_ODDS))


def event_probability(probabilities: Iterable[float]) -> float:
    """Return the one probability of an event, from those of its matched windows.

    An event with fewer than :data:`CLEAREST` windows is filled up with windows that say little
    (:data:`UNHEARD_LOG_ODDS`): the shorter it is, the clearer it must be.

    Examples
    --------
    >>> [round(event_probability([p] * n), 2) for p, n in ((0.95, 2), (0.7, 2), (0.7, 5), (0.4, 40))]
    [0.67, 0.46, 0.7, 0.4]
    """
    values = np.fromiter(probabilities, dtype=np.float64)
    if not values.size:
        return 0.0
    missing = max(0, CLEAREST - values.size)
    return float(expit(pooled(np.append(logit(values), np.full(missing, UNHEARD_LOG_ODDS)))))
