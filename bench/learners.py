"""Which learner finds exhausts best: the same features, the same folds, the same way from windows to clips.

Logistic regression, SVM, extra trees, networks and boosting tell the signature's windows from all others, on
folds of whole groups; a clip's figure is the mean of its clearest windows, calibrated by a sigmoid on the
other folds. Beside them: boosting with hard negatives mined (others that a model of other groups mistakes
count threefold), the mean of boosting and networks (the shipped recipe), and a second classifier on that mean
with the history of levels. Held-out groups take no part. 95 % intervals by a bootstrap over groups.

    python bench/learners.py [--corpus DIR] [--copies 0] [--learners boosting,SVM] [--jobs 2] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from noisewatch.recognition.corpus import bucket_folds, default_corpus, is_held_out, read_manifest
from noisewatch.recognition.decision import CLEAREST, pooled
from noisewatch.recognition.evaluation import Judged, evaluate
from noisewatch.recognition.model import expit, logit
from noisewatch.recognition.tables import Table, default_cache, table_of_corpus
from noisewatch.recognition.training import threshold_at, window_weights

FOLDS = 5
WITHIN_DB = 12.0
MINED_SHARE, MINED_WEIGHT = 0.05, 3.0
SEED = 20260101
LEARNERS = ("logistic regression", "SVM", "extra trees", "networks", "boosting", "mined")


def pipeline(name: str) -> Any:
    """Return an unfitted scikit-learn pipeline."""
    match name:
        case "logistic regression":
            last: Any = LogisticRegression(C=0.003, max_iter=300)
            return make_pipeline(StandardScaler(), last)
        case "SVM":
            # the radial kernel by 600 landmarks (Williams and Seeger, 2001): the exact one takes hours
            kernel = Nystroem(gamma=0.002, n_components=600, random_state=SEED)
            return make_pipeline(StandardScaler(), kernel, StandardScaler(), LinearSVC(C=0.001))
        case "extra trees":
            return ExtraTreesClassifier(150, min_samples_leaf=2, max_features="sqrt", random_state=SEED)
        case "networks":
            last = MLPClassifier((128, 32), alpha=0.5, batch_size=256, max_iter=12, random_state=SEED)
            return make_pipeline(StandardScaler(), last)
        case _:
            return HistGradientBoostingClassifier(
                max_iter=200, learning_rate=0.07, max_leaf_nodes=15, l2_regularization=2.0, max_features=0.25,
                min_samples_leaf=40, early_stopping=False, random_state=SEED,
            )  # fmt: skip


def in_steps(features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Cut each column at the quantiles of the training rows: trees learn the same, ten times faster."""
    edges = np.quantile(features[training].astype(np.float64), np.linspace(0, 1, 65)[1:-1], axis=0)
    columns = [np.searchsorted(edges[:, c], features[:, c]) for c in range(features.shape[1])]
    return np.stack(columns, axis=1).astype(np.float32)


def window_scores(
    name: str,
    features: np.ndarray,
    is_own: np.ndarray,
    weights: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
) -> np.ndarray:
    """Fit a learner on the training rows and return the log odds (or margin) of the test rows."""
    learner = pipeline(name)
    key = f"{learner.steps[-1][0]}__sample_weight" if hasattr(learner, "steps") else "sample_weight"
    rows = in_steps(features, train) if name in ("boosting", "extra trees") else features
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Stochastic Optimizer")
        learner.fit(rows[train], is_own[train], **{key: weights[train]})
        if hasattr(learner, "decision_function"):
            return np.asarray(learner.decision_function(rows[test]))
        return np.asarray(logit(learner.predict_proba(rows[test])[:, 1]))


class Bench:
    """The table, its folds, and what every learner says of it out of fold."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.own_clip = np.array([clip.class_name == "exhaust" for clip in table.clips])
        self.groups = [clip.group for clip in table.clips]
        fold_of_clip = bucket_folds(self.groups, list(self.own_clip), folds=FOLDS)
        self.fold = fold_of_clip[table.clip_of]
        self.fold_of_clip = fold_of_clip
        self.own = self.own_clip[table.clip_of]
        self.loud = table.loud_rows(WITHIN_DB)
        self.rows = np.array([clip.origin == "corpus" for clip in table.clips])

    def weights(self, train: np.ndarray) -> np.ndarray:
        """Return weights by class and group of the training rows; others are not used."""
        found = np.zeros(self.own.size)
        names = [self.groups[i] for i in self.table.clip_of[train]]
        found[train] = window_weights(self.own[train], names)
        return found

    def fold_scores(self, name: str, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the test rows of a fold and their scores; "mined" is boosting, fitted anew."""
        train, test = np.flatnonzero((self.fold != fold) & self.loud), np.flatnonzero(self.fold == fold)
        weights = self.weights(train)
        learner = "boosting" if name == "mined" else name
        if name == "mined":
            weights = self.mined(train, weights)
        return test, window_scores(learner, self.table.features, self.own, weights, train, test)

    def mined(self, train: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Let halves of the training groups judge each other; the others they mistake count more."""
        half = self.fold[train] % 2 == 0
        said = np.full(self.own.size, -np.inf)
        for one, other in ((train[half], train[~half]), (train[~half], train[half])):
            said[other] = window_scores("boosting", self.table.features, self.own, weights, one, other)
        negative = train[~self.own[train]]
        hardest = negative[np.argsort(-said[negative])[: int(MINED_SHARE * negative.size)]]
        raised = weights.copy()
        raised[hardest] *= MINED_WEIGHT
        return raised

    def clip_scores(self, windows: np.ndarray) -> np.ndarray:
        """Pool each clip's windows."""
        order = np.argsort(self.table.clip_of, kind="stable")
        cuts = np.flatnonzero(np.diff(self.table.clip_of[order])) + 1
        return np.array([float(pooled(part)) for part in np.split(windows[order], cuts)])

    def with_history(self, windows: np.ndarray) -> np.ndarray:
        """Return what a second classifier makes of scores and levels, fitted on the other folds."""
        facts = []
        order = np.argsort(self.table.clip_of, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(self.table.clip_of[order])) + 1):
            said, level = windows[rows], self.table.levels_db[rows] - self.table.levels_db[rows].max()
            steps = np.diff(level) if level.size > 1 else np.zeros(1)
            facts.append(
                [float(pooled(said)), said.mean(), said.std(), level.std(), steps.max(), steps.min(),
                 (level > -6).mean(), (level > -12).mean(), said[level > -3].mean()]
            )  # fmt: skip
        return self.crossed(np.array(facts))

    def crossed(self, facts: np.ndarray) -> np.ndarray:
        """Fit a sigmoid of clip figures on the other folds; log odds of each clip."""
        found = np.zeros(len(facts))
        for fold in range(FOLDS):
            train, test = self.fold_of_clip != fold, self.fold_of_clip == fold
            model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0)).fit(
                facts[train], self.own_clip[train]
            )
            found[test] = model.decision_function(facts[test])
        return found

    def figures(self, log_odds: np.ndarray) -> dict[str, Any]:
        """Return figures with intervals of the recordings; threshold at 1 % of the others."""
        probability = np.asarray(expit(log_odds))
        judged = [
            Judged(clip.label, clip.group, clip.source, bool(own), float(p))
            for clip, own, p, kept in zip(
                self.table.clips, self.own_clip, probability, self.rows, strict=True
            )
            if kept
        ]
        threshold = threshold_at(probability[self.rows], self.own_clip[self.rows], 0.01)
        return evaluate(judged, threshold=threshold, draws=300)


def measured(bench: Bench, names: Sequence[str], jobs: int) -> dict[str, dict[str, Any]]:
    """Return the figures of every learner, and of what is made of them."""
    windows: dict[str, np.ndarray] = {}
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        started = time.perf_counter()
        windows[name] = np.zeros(bench.own.size)
        parts = joblib.Parallel(n_jobs=jobs)(joblib.delayed(bench.fold_scores)(name, f) for f in range(FOLDS))
        for test, scores in parts:
            windows[name][test] = scores
        clips = bench.clip_scores(windows[name])
        found[name] = bench.figures(bench.crossed(clips[:, None]))
        found[name]["fit_s"] = (time.perf_counter() - started) / FOLDS
    if {"boosting", "networks"} <= windows.keys():
        mean = 0.7 * windows["boosting"] + 0.3 * windows["networks"]
        found["boosting 70 %, networks 30 %"] = bench.figures(bench.crossed(bench.clip_scores(mean)[:, None]))
        found["the same, level history"] = bench.figures(bench.with_history(mean))
    return found


def main() -> None:
    """Make the table, let every learner loose on it, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, default=default_corpus())
    parser.add_argument("--copies", type=int, default=0, help="augmented copies of each recording")
    parser.add_argument("--learners", default=",".join(LEARNERS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [row for row in read_manifest(options.corpus.resolve()) if not is_held_out(row.group)]
    table = table_of_corpus(rows, copies=options.copies, jobs=options.jobs, cache=default_cache())
    names = [name.strip() for name in options.learners.split(",")]
    unknown = sorted(set(names) - set(LEARNERS))
    if unknown:
        parser.error(f"no learner {unknown[0]!r}; known: {', '.join(LEARNERS)}")
    found = measured(Bench(table), names, options.jobs)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{len(rows)} recordings, {options.copies} copies each, {FOLDS} folds, mean of {CLEAREST} windows")
    print(
        f"{'learner':30s} {'AUROC':20s} {'average precision':20s} {'recall at 1 %':20s} {'ECE':6s} s a fold"
    )
    for name, figures in found.items():
        cells = [
            f"{figures[key]:.3f} [{figures[f'{key}_low']:.3f}-{figures[f'{key}_high']:.3f}]"
            for key in ("auroc", "average_precision", "recall_at_fpr_0_01")
        ]
        seconds = f"{figures['fit_s']:.0f}" if "fit_s" in figures else ""
        print(
            f"{name:30s} "
            + " ".join(f"{c:20s}" for c in cells)
            + f" {figures['calibration_error']:.3f}  {seconds}"
        )


if __name__ == "__main__":
    main()
