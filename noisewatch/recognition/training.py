"""Training of a signature: networks and trees; calibration and threshold from out-of-fold scores by group.

Deterministic: the same corpus, options and versions give the same model, to the byte of its numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisewatch.errors import InputError
from noisewatch.recognition.corpus import CLASSES, bucket_folds, refuse_shared_groups
from noisewatch.recognition.decision import pooled
from noisewatch.recognition.model import CLIP_AT, Model, expit, logit, model_from_document
from noisewatch.recognition.tables import Table
from noisewatch.recognition.trees import fit_trees

FloatArray = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


#: Lowest threshold of a signature without recordings of its own.
SYNTHETIC_THRESHOLD = 0.5
#: How much the signature's own windows count for the trees, against all others together.
OWN_WEIGHT = 0.25


@dataclass(frozen=True, slots=True)
class Settings:
    """What training can be asked for.

    Parameters
    ----------
    hidden : tuple of int
        Units of each network's hidden layers.
    weight_decay : float
        L2 penalty.
    epochs : int
        Passes over the windows.
    networks : int
        Networks whose probabilities are averaged; they tell all classes apart.
    trees, boostings : int
        Boosted trees that tell the own class from all others, and how many such sets, each with chance of its
        own, are averaged; with 0 boostings the networks decide alone.
    tree_share : float
        Share of the trees in the own class's log odds.
    within_db : float
        Windows within so many decibels of their clip's loudest one teach.
    folds : int
        Folds of the out-of-fold scores.
    false_positive_rate : float
        Wanted share of other clips above the threshold, on out-of-fold scores.
    seed : int
        Where chance starts.
    own : str
        Name of the signature's own class; all classes of the corpus stand beside it.
    """

    hidden: tuple[int, ...] = (128, 32)
    weight_decay: float = 0.5
    epochs: int = 12
    networks: int = 2
    trees: int = 200
    boostings: int = 3
    tree_share: float = 0.7
    within_db: float = 12.0
    folds: int = 5
    false_positive_rate: float = 0.01
    seed: int = 20260101
    own: str = "exhaust"


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Scores of clips by models that never heard their groups.

    ``logits`` has shape (clips, classes): the mean of each clip's clearest windows, before calibration.
    ``rows`` are the indices of these clips in the table.
    """

    rows: NDArray[np.int64]
    logits: FloatArray
    folds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Folds:
    """Which fold leaves out which clip.

    ``rows`` are the indices in the table of the clips that are scored, ``of_row`` their folds, ``of_group``
    those of their groups; ``of_clip`` has one for every clip of the table, -1 where none leaves it out.
    """

    rows: NDArray[np.int64]
    of_row: NDArray[np.int64]
    of_clip: NDArray[np.int64]
    of_group: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model with what it was calibrated on."""

    document: Mapping[str, Any]
    model: Model
    threshold: float
    out_of_fold: OutOfFold
    probabilities: FloatArray


def class_names(own: str = "exhaust") -> tuple[str, ...]:
    """Return the names of the classes, the signature's own first.

    Examples
    --------
    >>> class_names("quad")[:3]
    ('quad', 'exhaust', 'engine')
    """
    return (own, *(name for name in CLASSES if name != own))


def out_of_fold(
    table: Table, settings: Settings, *, jobs: int = 1, progress: Progress | None = None
) -> OutOfFold:
    """Score every corpus clip by networks that were trained without its group.

    Augmented and synthetic clips train, but are never scored; only where the corpus holds no clip of the own
    class at all, the synthetic ones are scored too, each a group of its own. Folds are made of whole buckets
    of groups. The number of processes changes no result.

    Raises
    ------
    InputError
        A fold has no clip of the signature's own class, or none of another.
    """
    folds = folds_of(table, settings)
    parts = []
    for fold in range(settings.folds):
        inside = folds.rows[folds.of_row == fold]
        if inside.size == 0:
            raise InputError(
                f"fold {fold + 1} of {settings.folds} is empty", remedy="add groups or ask for fewer folds"
            )
        parts.append((np.flatnonzero(folds.of_clip != fold), inside))
    found = logits_of_parts(table, parts, settings, jobs=jobs, progress=progress)
    logits = np.zeros((folds.rows.size, len(class_names(settings.own))))
    for fold, of_fold in enumerate(found):
        logits[folds.of_row == fold] = of_fold
    return OutOfFold(folds.rows, logits, folds.of_row)


def folds_of(table: Table, settings: Settings) -> Folds:
    """Deal the clips that can be measured on to folds of whole buckets of groups.

    Raises
    ------
    InputError
        The table holds no recordings, or too few of the signature's own class for so many folds.
    """
    is_own = [clip.class_name == settings.own for clip in table.clips]
    scored = scored_origins(table, settings.own)
    rows = np.array([i for i, clip in enumerate(table.clips) if clip.origin in scored], dtype=np.int64)
    if rows.size == 0:
        raise InputError("the corpus holds no recordings")
    of_row = bucket_folds(
        [table.clips[i].group for i in rows], [is_own[i] for i in rows], folds=settings.folds
    )
    of_group = {table.clips[i].group: int(fold) for i, fold in zip(rows, of_row, strict=True)}
    of_clip = np.array([of_group.get(clip.group, -1) for clip in table.clips])
    return Folds(rows, of_row, of_clip, of_group)


def scored_origins(table: Table, own: str) -> tuple[str, ...]:
    """Return which clips can be measured on: the corpus, with synthetic ones where it has none of its own."""
    is_in_corpus = any(clip.origin == "corpus" and clip.class_name == own for clip in table.clips)
    return ("corpus",) if is_in_corpus else ("corpus", "synthetic")


def logits_of_parts(
    table: Table,
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    settings: Settings,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[FloatArray]:
    """Train on the first clips of each part and score its second ones; parts run beside each other.

    Raises
    ------
    InputError
        A group stands on both sides of a part.
    """
    import joblib

    running = joblib.Parallel(n_jobs=jobs, return_as="generator")(
        joblib.delayed(_part_logits)(table, training, inside, settings) for training, inside in parts
    )
    found = []
    for done, logits in enumerate(running, start=1):
        found.append(logits)
        if progress is not None:
            progress("folds", done, len(parts))
    return found


def _part_logits(
    table: Table, training: NDArray[np.int64], inside: NDArray[np.int64], settings: Settings
) -> FloatArray:
    """Train on some clips and score others, on one thread so that sums have one order everywhere."""
    from threadpoolctl import threadpool_limits

    refuse_shared_groups((table.clips[i].group for i in training), (table.clips[i].group for i in inside))
    with threadpool_limits(limits=1):
        model = model_from_document(fit(table, training, settings), where="a fold's model")
        return clip_logits(table, inside, model)


def train(table: Table, settings: Settings, scores: OutOfFold) -> Trained:
    """Fit the model on the whole table; calibrate it and choose its threshold on out-of-fold scores.

    Parameters
    ----------
    table : Table
        Everything to train on; held-out groups must not be in it.
    settings : Settings
        How.
    scores : OutOfFold
        Of the same table.
    """
    names = class_names(settings.own)
    labels = np.array([names.index(table.clips[i].class_name) for i in scores.rows])
    slope, intercept = calibration(scores.logits, labels, len(names))
    document = dict(fit(table, np.arange(len(table.clips)), settings))
    document.update(slope=slope, intercept=intercept)
    probabilities = expit(slope * scores.logits + intercept)
    threshold = chosen_threshold(table, probabilities[:, 0], labels == 0, settings)
    model = model_from_document(document, where="model")
    return Trained(document, model, threshold, scores, probabilities)


def fit(table: Table, clips: NDArray[np.int64], settings: Settings) -> dict[str, Any]:
    """Fit networks and trees on some clips of a table; the result is an uncalibrated model document."""
    from threadpoolctl import threadpool_limits

    from noisewatch.recognition.model import FORMAT

    names = class_names(settings.own)
    chosen = np.zeros(len(table.clips), dtype=bool)
    chosen[clips] = True
    rows = chosen[table.clip_of] & table.loud_rows(settings.within_db)
    class_of_clip = np.array([names.index(clip.class_name) for clip in table.clips])
    targets = class_of_clip[table.clip_of[rows]]
    if not (targets == 0).any():
        raise InputError(f"no clip of class {names[0]!r} to learn from", remedy="add labelled recordings")
    # one thread: sums in another order would give another model
    with threadpool_limits(limits=1):
        document = _fit_networks(table.features[rows], targets, len(names), settings)
        if settings.boostings > 0 and not (targets == 0).all():
            document["trees"] = fit_trees(
                table.features[rows],
                targets == 0,
                window_weights(targets == 0, [table.clips[i].group for i in table.clip_of[rows]]),
                rounds=settings.trees,
                seeds=range(settings.seed, settings.seed + settings.boostings),
            )
            document["tree_share"] = settings.tree_share
    document.update(
        format=FORMAT,
        feature_set=table.feature_set,
        classes=list(names),
        slope=np.ones(len(names)),
        intercept=np.zeros(len(names)),
    )
    return document


def window_weights(is_own: NDArray[np.bool_], groups: Sequence[str]) -> FloatArray:
    """Return how much each window counts for the trees, shape (windows,).

    Windows of one group count as the root of their number together, so that a recording that was cut into
    many clips does not decide alone; the own windows count :data:`OWN_WEIGHT` of all others together.

    Examples
    --------
    >>> window_weights(np.array([True, False, False]), ["a", "b", "b"]).round(3).tolist()
    [0.6, 1.2, 1.2]
    """
    _, inverse, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    weights = 1.0 / np.sqrt(counts[inverse])
    if is_own.any() and not is_own.all():
        weights[is_own] *= OWN_WEIGHT * weights[~is_own].sum() / weights[is_own].sum()
    return np.asarray(weights / weights.mean())


def _fit_networks(
    features: NDArray[np.float32], targets: NDArray[np.int64], count: int, settings: Settings
) -> dict[str, Any]:
    """Fit the networks that tell all classes apart, and the scaler before them."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    with warnings.catch_warnings():
        # the number of epochs is chosen, not waited for
        warnings.filterwarnings("ignore", message="Stochastic Optimizer: Maximum iterations")
        standard = np.clip(scaler.fit_transform(features.astype(np.float64)), -CLIP_AT, CLIP_AT)
        networks = [
            MLPClassifier(
                settings.hidden,
                alpha=settings.weight_decay,
                batch_size=min(256, len(features)),
                learning_rate_init=1e-3,
                max_iter=settings.epochs,
                random_state=settings.seed + number,
            ).fit(standard.astype(np.float32), targets)
            for number in range(settings.networks)
        ]
    scaler.scale_[scaler.scale_ == 0] = 1.0
    present = [int(index) for index in networks[0].classes_]
    for network in networks:
        _restore_missing(network, present, count)
    return {"scaler": scaler, "networks": networks}


def clip_logits(table: Table, clips: NDArray[np.int64], model: Model) -> FloatArray:
    """Return the raw log odds of the clips' clearest windows together, shape (clips, classes)."""
    order = {int(clip): position for position, clip in enumerate(clips)}
    rows: list[list[FloatArray]] = [[] for _ in clips]
    for index in np.flatnonzero(np.isin(table.clip_of, clips)):
        raw = model.raw(table.features[index].astype(np.float64))
        rows[order[int(table.clip_of[index])]].append(logit(raw))
    return np.array([pooled(np.array(row)) for row in rows])


def calibration(logits: FloatArray, labels: NDArray[np.int64], count: int) -> tuple[FloatArray, FloatArray]:
    """Fit a sigmoid for each class against the rest (Platt, 1999); classes without clips keep 1 and 0.

    Returns
    -------
    tuple of ndarray, shape (classes,)
        Slopes, at least 0.05 so that order is kept, and intercepts.
    """
    from sklearn.linear_model import LogisticRegression

    slope, intercept = np.ones(count), np.zeros(count)
    for index in range(count):
        wanted = labels == index
        if wanted.any() and not wanted.all():
            regression = LogisticRegression(C=1.0).fit(logits[:, [index]], wanted)
            slope[index] = max(float(regression.coef_[0, 0]), 0.05)
            intercept[index] = float(regression.intercept_[0])
    return slope, intercept


def chosen_threshold(
    table: Table, probabilities: FloatArray, is_own: NDArray[np.bool_], settings: Settings
) -> float:
    """Return the threshold for the wanted share of false positives.

    Where only synthetic clips could be measured on it is 0.5 at least: a simulator tells its own sounds from
    recordings too easily, and the threshold that it asks for would be one for recordings of anything.
    """
    found = threshold_at(probabilities, is_own, settings.false_positive_rate)
    is_synthetic = "synthetic" in scored_origins(table, settings.own)
    return max(found, SYNTHETIC_THRESHOLD) if is_synthetic else found


def threshold_at(probabilities: FloatArray, is_own: NDArray[np.bool_], false_positive_rate: float) -> float:
    """Return the lowest threshold, rounded up to 0.001, that so many of the other clips reach at most.

    Examples
    --------
    >>> threshold_at(np.array([0.1, 0.2, 0.9]), np.array([False, False, True]), 0.0)
    0.201
    """
    others = np.sort(probabilities[~is_own])[::-1]
    allowed = int(false_positive_rate * others.size)
    if allowed >= others.size:
        return 0.001
    return float(np.clip(np.floor(others[allowed] * 1000 + 1) / 1000, 0.001, 0.999))


def _restore_missing(network: Any, present: list[int], count: int) -> None:
    """Give the output layer a unit for every class; one without examples gets no probability."""
    if len(present) == count:
        return
    if len(present) == 2:
        # scikit-learn keeps one logistic unit for two classes: the same as softmax over (0, it)
        network.coefs_[-1] = np.concatenate([np.zeros_like(network.coefs_[-1]), network.coefs_[-1]], axis=1)
        network.intercepts_[-1] = np.concatenate([np.zeros(1), network.intercepts_[-1]])
    weight = np.zeros((network.coefs_[-1].shape[0], count), dtype=network.coefs_[-1].dtype)
    bias = np.full(count, -30.0)
    weight[:, present], bias[present] = network.coefs_[-1], network.intercepts_[-1]
    network.coefs_[-1], network.intercepts_[-1] = weight, bias
