"""Boosted trees as arrays: what scikit-learn says, and nothing that could run for ever."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from noisewatch.recognition.trees import _document_of, fit_trees, trees_from_document


def made_rows(count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((count, 6)).astype(np.float32)
    return rows, (rows[:, 0] * rows[:, 1] + 0.3 * rows[:, 2] > 0.4)


def test_the_arrays_say_what_scikit_learn_says() -> None:
    rows, is_own = made_rows()
    edges = np.quantile(rows.astype(np.float64), np.linspace(0, 1, 65)[1:-1], axis=0)
    stepped = np.stack([np.searchsorted(edges[:, c], rows[:, c]) for c in range(rows.shape[1])], axis=1)
    boostings = [
        HistGradientBoostingClassifier(max_iter=40, early_stopping=False, random_state=seed, max_features=0.5)
        for seed in (1, 2)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        oracle = np.mean([b.fit(stepped, is_own).decision_function(stepped) for b in boostings], axis=0)
    trees = trees_from_document(_document_of(boostings, edges))
    own = [trees.log_odds(row.astype(np.float64)) for row in rows]
    np.testing.assert_allclose(own, oracle, atol=1e-9)
    assert trees.reach() <= rows.shape[1]


def test_trees_learn_and_the_same_call_gives_the_same_arrays() -> None:
    rows, is_own = made_rows()
    made = [fit_trees(rows, is_own, np.ones(rows.shape[0]), rounds=40, seeds=[5]) for _ in range(2)]
    for name, array in made[0].items():
        np.testing.assert_array_equal(array, made[1][name], err_msg=name)
    trees = trees_from_document(made[0])
    said = np.array([trees.log_odds(row.astype(np.float64)) for row in rows])
    assert ((said > 0) == is_own).mean() > 0.9


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("left", 0),
        ("right", -1),
        ("left", 10**6),
        ("feature", -2),
        ("value", np.nan),
        ("threshold", np.inf),
    ],
)
def test_arrays_that_lead_nowhere_are_refused(name: str, value: float) -> None:
    rows, is_own = made_rows()
    document = fit_trees(rows, is_own, np.ones(rows.shape[0]), rounds=3, seeds=[1])
    changed = document[name].copy()
    # an inner node that stands after others: its way must go on to nodes behind it
    inner = int(np.flatnonzero(document["left"] != np.arange(document["left"].size))[1])
    changed[inner] = value
    with pytest.raises(ValueError, match="tree"):
        trees_from_document({**document, name: changed})


def test_arrays_of_different_lengths_are_refused() -> None:
    rows, is_own = made_rows()
    document = fit_trees(rows, is_own, np.ones(rows.shape[0]), rounds=3, seeds=[1])
    with pytest.raises(ValueError, match="fit together"):
        trees_from_document({**document, "value": document["value"][:-1]})
    with pytest.raises(ValueError, match="begins"):
        trees_from_document({**document, "roots": np.array([-1])})
