"""YAMNet's embedding as features: 1024 numbers of 0.975 s, with an extra and a model that is fetched.

YAMNet (Google, Apache-2.0) was trained on AudioSet to tell 521 kinds of sound apart; the layer below its
answers is a good description of a sound. The classifier on top stays a small one of scikit-learn. The file is
checked by its hash each time it is loaded. Level matters to YAMNet, so each window is brought to
one power first: the level of a recording cannot be learnt.
"""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisewatch.errors import ConfigurationError, UnavailableError

FloatArray = NDArray[np.float64]

#: Name of the feature set.
NAME = "yamnet-1"
#: The model's file, its content, and its size.
FILE = "yamnet.tflite"
SHA256 = "469be6a3421cbc52cf97e9f2f966cba984198e8e7af9854d68b3e3ebb1e04194"
SIZE_BYTES = 4_078_224
#: Where Google publishes a file of this name. Whether it is still this very content, only the hash can tell.
URL = "https://tfhub.dev/google/lite-model/yamnet/tflite/1?lite-format=tflite"
LICENCE = "Apache-2.0, Google; trained on AudioSet (CC BY 4.0)"
#: How many numbers describe a window.
WIDTH = 1024
#: Samples at 16 kHz that YAMNet hears at once: the middle 0.975 s of a window.
PATCH = 15_600
_RMS = 0.1
_LAYER = "global_average_pooling2d/Mean"


def models_folder() -> Path:
    """Return where models are kept: ``NOISEWATCH_MODELS``, else the user's data folder."""
    fallback = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "noisewatch"
    return Path(os.environ.get("NOISEWATCH_MODELS", fallback / "models"))


class Embedder:
    """YAMNet, loaded; :meth:`embedding` and :meth:`scores` are pure.

    Parameters
    ----------
    path : Path
        ``yamnet.tflite``.

    Raises
    ------
    UnavailableError
        The extra is not installed, or the model is not there.
    ConfigurationError
        The file is not the model that the hash names.
    """

    def __init__(self, path: Path) -> None:
        interpreter = _interpreter_class()
        if not path.is_file():
            raise UnavailableError(
                f"the feature set {NAME!r} needs a model that is not there",
                where=path,
                remedy="noisewatch models fetch yamnet",
            )
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != SHA256:
            raise ConfigurationError(
                "is not the YAMNet that is known here: its hash differs",
                where=path,
                remedy="delete it, then: noisewatch models fetch yamnet",
            )
        with warnings.catch_warnings():
            # the embedding is an inner tensor; keeping it is meant
            warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
            self._net = interpreter(
                model_content=content, num_threads=1, experimental_preserve_all_tensors=True
            )
            self._net.allocate_tensors()
        self._input = self._net.get_input_details()[0]["index"]
        self._scores = self._net.get_output_details()[0]["index"]
        self._layer = next(
            item["index"] for item in self._net.get_tensor_details() if item["name"].endswith(_LAYER)
        )
        self._lock = threading.Lock()

    def embedding(self, window: FloatArray) -> FloatArray:
        """Describe one second of sound at 16 kHz, shape (16000,); returns shape (1024,)."""
        return self._heard(window, self._layer)

    def scores(self, window: FloatArray) -> FloatArray:
        """Return YAMNet's own score of each of its 521 classes, shape (521,)."""
        return self._heard(window, self._scores)

    def answers(self) -> tuple[FloatArray, FloatArray]:
        """Return YAMNet's last layer: its 521 scores are ``sigmoid(weights @ embedding + bias)``.

        Returns
        -------
        tuple of ndarray, shape (521, 1024) and (521,)
        """
        (dense,) = [
            item
            for item in self._net.get_tensor_details()
            if item["name"].endswith("dense/MatMul") and tuple(item["shape"]) == (521, WIDTH)
        ]
        (bias,) = [
            item["index"]
            for item in self._net.get_tensor_details()
            if "dense/BiasAdd/ReadVariableOp" in item["name"] and tuple(item["shape"]) == (521,)
        ]
        scale = np.asarray(dense["quantization_parameters"]["scales"], dtype=np.float64)
        weights = np.asarray(self._net.get_tensor(dense["index"]), dtype=np.float64) * scale.reshape(-1, 1)
        return weights, np.asarray(self._net.get_tensor(bias), dtype=np.float64)

    def _heard(self, window: FloatArray, tensor: int) -> FloatArray:
        margin = (window.size - PATCH) // 2
        centred = window[margin : margin + PATCH] - window.mean()
        rms = float(np.sqrt(np.mean(centred * centred)))
        scaled = (centred * (_RMS / rms) if rms > 1e-12 else centred).astype(np.float32)
        with self._lock:  # the interpreter has one memory
            self._net.set_tensor(self._input, scaled[None])
            self._net.invoke()
            return np.asarray(self._net.get_tensor(tensor)[0], dtype=np.float64)


@lru_cache(maxsize=2)
def load_embedder(path: Path) -> Embedder:
    """Return the embedder of a model file, loaded once in a process."""
    return Embedder(path)


def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UnavailableError(
            f"the feature set {NAME!r} needs ai-edge-litert, which is not installed",
            remedy="pip install 'noisewatch[embedding]'",
        ) from error
    return Interpreter
