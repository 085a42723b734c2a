"""Boosted trees behind a signature: learnt by scikit-learn, kept as plain arrays, walked row by row.

scikit-learn's ``HistGradientBoostingClassifier`` learns them; what the node needs of them is seven arrays,
so that no type beyond arrays stands in a model file and the node needs no scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

#: Each feature is learnt in so many steps at most, cut at its quantiles.
STEPS = 64


@dataclass(frozen=True, slots=True)
class Trees:
    """Regression trees whose leaves add up to log odds.

    Parameters
    ----------
    feature : ndarray of int, shape (nodes,)
        Column that a node asks for.
    threshold : ndarray, shape (nodes,)
        At or below it the way goes left.
    left, right : ndarray of int, shape (nodes,)
        Index of the next node; a leaf names itself.
    value : ndarray, shape (nodes,)
        What a leaf adds, in log odds.
    roots : ndarray of int, shape (trees,)
        Where each tree begins.
    baseline : float
        Log odds before any tree.
    """

    feature: IndexArray
    threshold: FloatArray
    left: IndexArray
    right: IndexArray
    value: FloatArray
    roots: IndexArray
    baseline: float

    def log_odds(self, features: FloatArray) -> float:
        """Return the log odds of one row of features, shape (features,)."""
        node = self.roots
        while True:
            goes_left = features[self.feature[node]] <= self.threshold[node]
            following = np.where(goes_left, self.left[node], self.right[node])
            if np.array_equal(following, node):
                return float(self.baseline + self.value[node].sum())
            node = following

    def reach(self) -> int:
        """Return the highest column that is asked for, plus one."""
        return int(self.feature.max(initial=-1)) + 1


def fit_trees(
    features: NDArray[np.float32],
    is_own: NDArray[np.bool_],
    weights: FloatArray,
    *,
    rounds: int,
    seeds: Sequence[int],
) -> dict[str, Any]:
    """Learn boosted trees that tell a signature's windows from all others.

    Parameters
    ----------
    features : ndarray, shape (windows, features)
        Rows to learn from; each column is first cut into :data:`STEPS` steps at its own quantiles.
    is_own : ndarray of bool, shape (windows,)
        Which rows are the signature's.
    weights : ndarray, shape (windows,)
        How much each counts.
    rounds : int
        Trees of each set.
    seeds : sequence of int
        One set is learnt for each, with other columns for its splits; their log odds are averaged.

    Returns
    -------
    dict of ndarray
        What :func:`trees_from_document` reads.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    edges = np.quantile(features.astype(np.float64), np.linspace(0.0, 1.0, STEPS + 1)[1:-1], axis=0)
    stepped = np.empty(features.shape, dtype=np.float32)
    for column in range(features.shape[1]):
        stepped[:, column] = np.searchsorted(edges[:, column], features[:, column])
    boostings = [
        HistGradientBoostingClassifier(
            max_iter=rounds,
            learning_rate=0.07,
            max_leaf_nodes=15,
            l2_regularization=2.0,
            max_features=0.25,
            min_samples_leaf=min(40, max(1, len(features) // 20)),
            early_stopping=False,
            random_state=seed,
        ).fit(stepped, is_own, sample_weight=weights)
        for seed in seeds
    ]
    return _document_of(boostings, edges)


def _document_of(boostings: Sequence[Any], edges: FloatArray) -> dict[str, Any]:
    """Turn scikit-learn's nodes into arrays, and thresholds of steps into thresholds of the features."""
    parts: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("feature", "threshold", "left", "right", "value")
    }
    roots, offset = [], 0
    for (predictor,) in (item for boosting in boostings for item in boosting._predictors):
        nodes = predictor.nodes  # scikit-learn has no public name for them
        is_leaf = nodes["is_leaf"].astype(bool)
        own = np.arange(nodes.size)
        feature = np.where(is_leaf, 0, nodes["feature_idx"]).astype(np.int64)
        step = np.where(is_leaf, 0, np.floor(np.where(is_leaf, 0.0, nodes["num_threshold"]))).astype(int)
        parts["feature"].append(feature)
        parts["threshold"].append(np.where(is_leaf, 0.0, edges[np.clip(step, 0, len(edges) - 1), feature]))
        parts["left"].append(offset + np.where(is_leaf, own, nodes["left"].astype(np.int64)))
        parts["right"].append(offset + np.where(is_leaf, own, nodes["right"].astype(np.int64)))
        parts["value"].append(np.where(is_leaf, nodes["value"] / len(boostings), 0.0))
        roots.append(offset)
        offset += nodes.size
    document: dict[str, Any] = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    document["roots"] = np.array(roots, dtype=np.int64)
    baselines = [float(np.ravel(boosting._baseline_prediction)[0]) for boosting in boostings]
    document["baseline"] = np.array([np.mean(baselines)])
    return document


def trees_from_document(document: Mapping[str, Any]) -> Trees:
    """Make trees of the arrays of a model file.

    Raises
    ------
    ValueError
        The arrays do not fit together, or a way through a tree would never end.
    KeyError, TypeError
        One is missing, or is no array of numbers.
    """
    index = {
        name: np.asarray(document[name], dtype=np.int64) for name in ("feature", "left", "right", "roots")
    }
    number = {name: np.asarray(document[name], dtype=np.float64) for name in ("threshold", "value")}
    count = index["feature"].size
    nodes = (index["feature"], index["left"], index["right"], number["threshold"], number["value"])
    if count == 0 or any(array.shape != (count,) for array in nodes) or index["roots"].ndim != 1:
        raise ValueError("the arrays of the trees do not fit together")
    own = np.arange(count)
    is_leaf = index["left"] == own
    # children stand behind their parent, so that every way ends
    goes_on = (index["left"] > own) & (index["right"] > own)
    inside = (index["left"] < count) & (index["right"] < count)
    if not (inside & np.where(is_leaf, index["right"] == own, goes_on)).all():
        raise ValueError("a tree's nodes do not fit together")
    if ((index["roots"] < 0) | (index["roots"] >= count)).any() or (index["feature"] < 0).any():
        raise ValueError("a tree begins or asks where nothing is")
    baseline = float(np.asarray(document["baseline"], dtype=np.float64).reshape(-1)[0])
    if not (np.isfinite(baseline) and all(np.isfinite(array).all() for array in number.values())):
        raise ValueError("a tree holds values that are not numbers")
    return Trees(
        index["feature"], number["threshold"], index["left"], index["right"], number["value"],
        index["roots"], baseline,
    )  # fmt: skip
