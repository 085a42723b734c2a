"""The feature sets that a signature can ask for: *full*, *voice-free*, and YAMNet's embedding.

The full set lives in memory and is discarded at once. The voice-free set is the only one that may be stored
for a street. The embedding needs an extra and a model, and the default install works without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisewatch.errors import ConfigurationError
from noisewatch.recognition import embedding, explaining, features, voicefree

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """How one second of sound at 16 kHz becomes a row of numbers.

    Parameters
    ----------
    name : str
        As ``signature.toml`` names it.
    about : str
        One sentence for the card.
    names : tuple of str
        Names of the columns.
    describe : callable
        From a window, shape (16000,), to a row, shape (len(names),).
    groups : mapping of str to tuple of str
        Groups of columns in words, and the beginnings of their names.
    may_be_stored : bool
        Whether rows of it may be kept for a street, one a second at most.
    """

    name: str
    about: str
    names: tuple[str, ...]
    describe: Callable[[FloatArray], FloatArray]
    groups: Mapping[str, tuple[str, ...]]
    may_be_stored: bool = False


_VOICE_FREE_GROUPS = {
    "regular firing (series of lines)": ("firing_",),
    "pulsing of the sound": ("modulation", "envelope_", "peaked", "lopsided"),
    "low bands, 40 to 400 Hz": ("low_band",),
    "tone colour": ("high_band", "tonality", "middle"),
    "rise and fall of the level": ("level_",),
}
#: What a card says of each.
ABOUT = {
    features.FEATURE_SET: "windows of 1 s every 0.5 s, 40 Hz to 7 kHz, no absolute level, no sample rate",
    voicefree.NAME: "one-third octaves 40 Hz to 6.3 kHz and engine scalars of whole seconds, relative to "
    "their power; nothing finer in time, so that no speech can be recovered",
    embedding.NAME: "YAMNet's 1024-value embedding of 0.975 s, each window brought to one power",
}

#: The names that ``feature_set`` may have.
NAMES = tuple(ABOUT)


def feature_set(name: str) -> FeatureSet:
    """Return a feature set by its name, ready to describe sound.

    Raises
    ------
    ConfigurationError
        There is none of that name, or its model was changed.
    UnavailableError
        It needs an extra or a model that is not there.

    Examples
    --------
    >>> feature_set("voice-free-1").may_be_stored
    True
    """
    return _built(name, embedding.models_folder() / embedding.FILE)


@lru_cache(maxsize=8)
def _built(name: str, yamnet: Path) -> FeatureSet:
    if name == features.FEATURE_SET:
        return FeatureSet(
            name, ABOUT[name], features.feature_names(), features.window_features, explaining.GROUPS
        )
    if name == voicefree.NAME:
        names = voicefree.voice_free_names()
        return FeatureSet(
            name, ABOUT[name], names, voicefree.voice_free_features, _VOICE_FREE_GROUPS, may_be_stored=True
        )
    if name == embedding.NAME:
        loaded = embedding.load_embedder(yamnet)
        names = tuple(f"embedding_{index}" for index in range(embedding.WIDTH))
        groups = {"YAMNet's embedding as a whole": ("embedding",)}
        return FeatureSet(name, ABOUT[name], names, loaded.embedding, groups)
    raise ConfigurationError(
        f"feature set {name[:40]!r} is not known here", remedy=f"one of {', '.join(NAMES)}"
    )


@lru_cache(maxsize=8)
def width_of(name: str) -> int:
    """Return how many numbers a row has; needs neither extra nor model."""
    return embedding.WIDTH if name == embedding.NAME else len(feature_set(name).names)


@lru_cache(maxsize=8)
def columns_of(name: str) -> Mapping[str, NDArray[np.int64]]:
    """Return the columns of each group; every feature is in one, by the longest beginning that fits."""
    chosen = feature_set(name)
    return explaining.columns_by_group(chosen.names, chosen.groups)
