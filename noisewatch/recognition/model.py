"""The classifier behind a signature: scikit-learn's networks and trees, saved with skops, run row by row.

The file holds a document of scikit-learn estimators and arrays. Loading accepts a fixed list of types and
nothing else; a pickle is refused before a byte of it is interpreted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisewatch.errors import ConfigurationError
from noisewatch.recognition.skopsfile import read_document, write_document
from noisewatch.recognition.trees import Trees, trees_from_document

FloatArray = NDArray[np.float64]

#: What the document in ``model.skops`` says of itself.
FORMAT = "noisewatch-networks-1"
#: Standardised features are cut here, so that one strange value cannot carry a decision alone.
CLIP_AT = 5.0
_EDGE = 1e-6
_ONLY_FOR_TRAINING = (
    "_optimizer",
    "_random_state",
    "_best_coefs",
    "_best_intercepts",
    "best_validation_score_",
    "validation_scores_",
)


@dataclass(frozen=True, slots=True)
class Network:
    """One multilayer perceptron: weights and biases of each layer; ReLU between, softmax at the end."""

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """Networks whose mean is calibrated for each class.

    Parameters
    ----------
    classes : tuple of str
        Names of the classes; the first is the signature's own.
    feature_set : str
        The features that the model was trained on.
    mean, scale : ndarray, shape (features,)
        Standardisation.
    networks : tuple of Network
        Their probabilities are averaged.
    slope, intercept : ndarray, shape (classes,)
        Sigmoid calibration of each class against the rest (Platt, 1999), in logits.
    trees : Trees, optional
        Boosted trees that only tell the signature's own class from all others.
    tree_share : float
        Their share of the own class's log odds; the networks have the rest.
    """

    classes: tuple[str, ...]
    feature_set: str
    mean: FloatArray
    scale: FloatArray
    networks: tuple[Network, ...]
    slope: FloatArray
    intercept: FloatArray
    trees: Trees | None = None
    tree_share: float = 0.0

    def raw(self, features: FloatArray) -> FloatArray:
        """Return the probability of each class for one row of features, before calibration.

        That of the signature's own class comes from networks and trees together; the other classes share the
        rest as the networks say.
        """
        mean = self.of_networks(features)
        if self.trees is None:
            return mean
        of_trees = self.trees.log_odds(features)
        own = float(
            expit(self.tree_share * of_trees + (1.0 - self.tree_share) * float(logit(float(mean[0]))))
        )
        out = mean * ((1.0 - own) / max(1.0 - float(mean[0]), _EDGE))
        out[0] = own
        return np.asarray(out)

    def of_networks(self, features: FloatArray) -> FloatArray:
        """Return the networks' mean probability of each class for one row of features.

        One row at a time: a matrix product rounds differently with the number of rows, and the cut
        into blocks must not change a result.
        """
        row = np.clip((features - self.mean) / self.scale, -CLIP_AT, CLIP_AT)
        total = np.zeros(len(self.classes))
        for network in self.networks:
            value = row
            for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
                value = np.maximum(value @ weight + bias, 0.0)
            value = value @ network.weights[-1] + network.biases[-1]
            value = np.exp(value - value.max())
            total += value / value.sum()
        return total / len(self.networks)

    def probabilities(self, features: FloatArray) -> FloatArray:
        """Return the calibrated probability of each class, shape (classes,), for one row of features."""
        return calibrated(self.raw(features), self.slope, self.intercept)


def calibrated(raw: FloatArray, slope: FloatArray, intercept: FloatArray) -> FloatArray:
    """Apply a sigmoid calibration to probabilities.

    Examples
    --------
    >>> calibrated(np.array([0.5]), np.array([1.0]), np.array([0.0]))
    array([0.5])
    """
    return np.asarray(expit(slope * logit(raw) + intercept))


def logit(probability: FloatArray | float) -> FloatArray:
    """Return log odds; probabilities are first kept off 0 and 1 by a millionth."""
    kept = np.clip(probability, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def expit(value: FloatArray | float) -> FloatArray:
    """Return the probability of log odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(value))))


def load_model(path: Path) -> Model:
    """Load ``model.skops`` with the fixed list of trusted types.

    Raises
    ------
    ConfigurationError
        The file is a pickle or no skops file, holds other types, or its parts do not fit together.
    """
    return model_from_document(read_document(path), where=path)


def model_from_document(document: Mapping[str, Any], *, where: Path | str) -> Model:
    """Make a model of what ``model.skops`` holds, checking that the parts fit together.

    Raises
    ------
    ConfigurationError
        Naming what does not fit.
    """
    if document.get("format") != FORMAT:
        raise ConfigurationError(f"format is not {FORMAT!r}", where=where, remedy="train the signature again")
    try:
        classes = tuple(str(name) for name in document["classes"])
        scaler = document["scaler"]
        networks = tuple(
            Network(
                tuple(np.asarray(weight, dtype=np.float64) for weight in network.coefs_),
                tuple(np.asarray(bias, dtype=np.float64) for bias in network.intercepts_),
            )
            for network in document["networks"]
        )
        model = Model(
            classes=classes,
            feature_set=str(document["feature_set"]),
            mean=np.asarray(scaler.mean_, dtype=np.float64),
            scale=np.asarray(scaler.scale_, dtype=np.float64),
            networks=networks,
            slope=np.asarray(document["slope"], dtype=np.float64),
            intercept=np.asarray(document["intercept"], dtype=np.float64),
            trees=trees_from_document(document["trees"]) if "trees" in document else None,
            tree_share=float(np.asarray(document.get("tree_share", 0.0)).reshape(())),
        )
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(f"the model is not whole ({error!r})", where=where) from error
    _check_shapes(model, where)
    return model


def save_model(
    path: Path,
    *,
    classes: Sequence[str],
    feature_set: str,
    scaler: Any,
    networks: Sequence[Any],
    slope: FloatArray,
    intercept: FloatArray,
    trees: Mapping[str, Any] | None = None,
    tree_share: float = 0.0,
) -> None:
    """Write the document of scikit-learn estimators to ``model.skops``.

    The optimiser's state, which only further training would need and which triples the size, is left out.
    """
    for network in networks:
        for name in _ONLY_FOR_TRAINING:
            if hasattr(network, name):
                delattr(network, name)
        network.coefs_ = [weight.astype(np.float32) for weight in network.coefs_]
        network.intercepts_ = [bias.astype(np.float32) for bias in network.intercepts_]
    document: dict[str, Any] = {
        "format": FORMAT,
        "feature_set": feature_set,
        "classes": list(classes),
        "scaler": scaler,
        "networks": list(networks),
        "slope": slope,
        "intercept": intercept,
    }
    if trees is not None:
        document.update(trees=dict(trees), tree_share=np.array(tree_share))
    write_document(document, path)


def _check_shapes(model: Model, where: Path | str) -> None:
    width, count = model.mean.size, len(model.classes)
    is_fit = model.scale.shape == (width,) and model.slope.shape == model.intercept.shape == (count,)
    is_fit = is_fit and bool(model.networks) and bool((model.scale > 0).all())
    for network in model.networks:
        size = width
        for weight, bias in zip(network.weights, network.biases, strict=False):
            is_fit = is_fit and weight.shape == (size, bias.size)
            size = bias.size
        is_fit = is_fit and len(network.weights) == len(network.biases) and size == count
        is_fit = is_fit and all(np.isfinite(part).all() for part in (*network.weights, *network.biases))
    if model.trees is not None:
        is_fit = is_fit and model.trees.reach() <= width and 0.0 <= model.tree_share <= 1.0
    if not is_fit:
        raise ConfigurationError("the model's parts do not fit together", where=where)
