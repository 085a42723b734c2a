"""Feature tables: what training and evaluation work on, made once per clip and kept by content hash."""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from noisewatch.acoustics import firing
from noisewatch.recognition import augment as augmentation
from noisewatch.recognition import descriptors, embedding, features, voicefree
from noisewatch.recognition.corpus import (
    Recording,
    bucket_of,
    class_of,
    cut_starts,
    load_at_feature_rate,
)
from noisewatch.recognition.features import FEATURE_RATE_HZ, FEATURE_SET, to_feature_rate
from noisewatch.recognition.featuresets import feature_set, width_of

FloatArray = NDArray[np.float64]

#: Augmented copies are made of so many seconds of a clip at most.
LONGEST_COPY_S = 6


@dataclass(frozen=True, slots=True)
class Clip:
    """What is known of one clip. ``origin`` is "corpus", "augmented" or "synthetic".

    ``sublabel`` is the manifest's, or a synthetic clip's kind; ``own_class`` names the signature that the
    clip belongs to, where that is finer than its label.
    """

    name: str
    label: str
    group: str
    source: str
    origin: str
    sublabel: str = ""
    own_class: str = ""

    @property
    def class_name(self) -> str:
        """The class that gathers the clip's label, or the signature that claims the clip."""
        return self.own_class or class_of(self.label)


@dataclass(frozen=True, slots=True)
class LabelledSound:
    """A sound that comes as an array, with its label: how synthetic examples are handed in."""

    name: str
    samples: NDArray[np.floating]
    rate_hz: int
    label: str
    group: str
    source: str = "synthetic"
    sublabel: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Features of the windows of many clips.

    Parameters
    ----------
    features : ndarray, float32, shape (windows, features)
        One row a window.
    levels_db : ndarray, shape (windows,)
        Power of each window relative to full scale, only to find a clip's loud part.
    clip_of : ndarray of int, shape (windows,)
        Index into ``clips``.
    clips : tuple of Clip
        The clips.
    feature_set : str
        What the columns are.
    """

    features: NDArray[np.float32]
    levels_db: FloatArray
    clip_of: NDArray[np.int64]
    clips: tuple[Clip, ...]
    feature_set: str = FEATURE_SET

    def joined(self, other: Table) -> Table:
        """Return the clips of both tables, of one feature set, in one."""
        if self.feature_set != other.feature_set:
            raise ValueError(f"{self.feature_set} and {other.feature_set} cannot be joined")
        return Table(
            np.concatenate([self.features, other.features]),
            np.concatenate([self.levels_db, other.levels_db]),
            np.concatenate([self.clip_of, other.clip_of + len(self.clips)]),
            self.clips + other.clips,
            self.feature_set,
        )

    def only(self, is_wanted: Callable[[Clip], bool]) -> Table:
        """Return the clips that are wanted, in the same order."""
        wanted = np.array([is_wanted(clip) for clip in self.clips], dtype=bool)
        rows = wanted[self.clip_of]
        new_index = np.cumsum(wanted) - 1
        kept = tuple(clip for clip, is_kept in zip(self.clips, wanted, strict=True) if is_kept)
        return Table(
            self.features[rows], self.levels_db[rows], new_index[self.clip_of[rows]], kept, self.feature_set
        )

    def loud_rows(self, within_db: float = 20.0) -> NDArray[np.bool_]:
        """Mark the windows within some decibels of their clip's loudest: silence teaches nothing."""
        loudest = np.full(len(self.clips), -np.inf)
        np.maximum.at(loudest, self.clip_of, self.levels_db)
        return np.asarray(self.levels_db >= loudest[self.clip_of] - within_db)


def clip_features(samples: FloatArray, name: str = FEATURE_SET) -> tuple[NDArray[np.float32], FloatArray]:
    """Describe every window of a clip at the feature rate: features (windows, n) and levels (windows,).

    On one thread: sums in another order would give other last digits in other processes.
    """
    from threadpoolctl import threadpool_limits

    describe = feature_set(name).describe
    rows, levels_db = [], []
    with threadpool_limits(limits=1):
        for start in cut_starts(samples.size):
            window = samples[start : start + FEATURE_RATE_HZ]
            window = np.pad(window, (0, FEATURE_RATE_HZ - window.size))
            rows.append(describe(window))
            levels_db.append(10 * np.log10(np.mean(window**2) + 1e-12))
    return np.array(rows, dtype=np.float32), np.array(levels_db)


def table_of_corpus(
    recordings: Sequence[Recording],
    *,
    copies: int = 0,
    jobs: int = 1,
    cache: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    feature_set: str = FEATURE_SET,
) -> Table:
    """Make the table of a corpus, with some augmented copies of every clip.

    What is mixed into a copy comes from the same bucket of groups, so that no split by buckets ever has
    parts of a recording on both sides.

    Parameters
    ----------
    recordings : sequence of Recording
        The corpus.
    copies : int
        Augmented copies of each recording.
    jobs : int
        Processes.
    cache : Path, optional
        Folder of features kept by content hash.
    progress : callable, optional
        Called with a word, how many are done, and how many there are.
    feature_set : str
        What each window is described by.
    """
    import joblib

    partners: dict[int, list[Recording]] = {}
    for recording in recordings:
        if class_of(recording.label) != "exhaust":
            partners.setdefault(bucket_of(recording.group), []).append(recording)
    work = [(recording, copy) for copy in range(copies + 1) for recording in recordings]
    running = joblib.Parallel(n_jobs=jobs, return_as="generator", batch_size=8)(
        joblib.delayed(_recording_features)(
            recording, copy, partners.get(bucket_of(recording.group), []) if copy else [], cache, feature_set
        )
        for recording, copy in work
    )
    results = []
    for done, result in enumerate(running, start=1):
        results.append(result)
        if progress is not None:
            progress("features of recordings", done, len(work))
    clips = [
        Clip(
            name=recording.path.name,
            label=recording.label,
            group=recording.group,
            source=recording.source,
            origin="augmented" if copy else "corpus",
            sublabel=recording.sublabel,
        )
        for recording, copy in work
    ]
    return _table(results, clips, feature_set)


def table_of_sounds(sounds: Iterable[LabelledSound], feature_set: str = FEATURE_SET) -> Table:
    """Make the table of sounds that come as arrays."""
    results, clips = [], []
    for sound in sounds:
        results.append(clip_features(to_feature_rate(sound.samples, sound.rate_hz), feature_set))
        clips.append(Clip(sound.name, sound.label, sound.group, sound.source, "synthetic", sound.sublabel))
    return _table(results, clips, feature_set)


def default_cache() -> Path:
    """Return the folder of cached features: ``NOISEWATCH_CACHE``, else the user's cache folder."""
    fallback = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "noisewatch"
    return Path(os.environ.get("NOISEWATCH_CACHE", fallback)) / "features"


def _table(
    results: Sequence[tuple[NDArray[np.float32], FloatArray]], clips: Sequence[Clip], name: str
) -> Table:
    if not results:
        empty = np.zeros((0, width_of(name)), np.float32)
        return Table(empty, np.zeros(0), np.zeros(0, np.int64), (), name)
    sizes = [len(levels_db) for _, levels_db in results]
    return Table(
        np.concatenate([rows for rows, _ in results]),
        np.concatenate([levels_db for _, levels_db in results]),
        np.repeat(np.arange(len(results)), sizes),
        tuple(clips),
        name,
    )


def _recording_features(
    recording: Recording, copy: int, partners: Sequence[Recording], cache: Path | None, name: str
) -> tuple[NDArray[np.float32], FloatArray]:
    """Describe one recording, or one augmented copy of it; from the cache where it is there."""
    content = recording.path.read_bytes()
    own = hashlib.sha256(content).hexdigest()
    rng = np.random.default_rng([int(own[:12], 16), copy])
    others = [partner for partner in partners if partner.group != recording.group]
    partner = others[int(rng.integers(len(others)))] if others else None
    key = _cache_key(own, copy, partner, name)
    kept = _from_cache(cache, key)
    if kept is not None:
        return kept
    samples = load_at_feature_rate(recording.path)
    if copy:
        longest = LONGEST_COPY_S * FEATURE_RATE_HZ
        if samples.size > longest:
            start = int(rng.integers(samples.size - longest))
            samples = samples[start : start + longest]
        mixed_in = [] if partner is None else [load_at_feature_rate(partner.path)]
        samples = augmentation.augment(samples, mixed_in, rng)
    result = clip_features(samples, name)
    _to_cache(cache, key, result)
    return result


def _cache_key(own_sha256: str, copy: int, partner: Recording | None, name: str) -> str:
    digest = hashlib.sha256(f"{code_sha256(name)} {own_sha256} {copy}".encode())
    if copy and partner is not None:
        digest.update(partner.path.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=8)
def code_sha256(name: str = FEATURE_SET) -> str:
    """Hash the code that the cached numbers of a feature set come from, its layout and its words aside."""
    own: dict[str, tuple[ModuleType, ...]] = {
        voicefree.NAME: (voicefree, firing),
        embedding.NAME: (embedding,),
    }
    digest = hashlib.sha256()
    for module in (*own.get(name, (descriptors,)), features, augmentation):
        tree = ast.parse(inspect.getsource(module))
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                node.value = ast.Constant(None)
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


def _from_cache(cache: Path | None, key: str) -> tuple[NDArray[np.float32], FloatArray] | None:
    path = None if cache is None else cache / key[:2] / f"{key}.npz"
    if path is None or not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        return stored["features"], stored["levels_db"]


def _to_cache(cache: Path | None, key: str, result: tuple[NDArray[np.float32], FloatArray]) -> None:
    if cache is None:
        return
    folder = cache / key[:2]
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{key}.{os.getpid()}.npz"
    np.savez(temporary, features=result[0], levels_db=result[1])
    temporary.replace(folder / f"{key}.npz")
