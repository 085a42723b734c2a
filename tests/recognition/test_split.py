"""A split of one's own: its folds are followed, and what would leak is refused."""

from __future__ import annotations

import numpy as np
import pytest

from noisewatch.errors import InputError
from noisewatch.recognition.split import out_of_split
from noisewatch.recognition.tables import Clip, Table
from noisewatch.recognition.training import Settings
from noisewatch.recognition.voicefree import voice_free_names

TINY = Settings(hidden=(), networks=1, epochs=200, boostings=0)


def table_of(origins: list[str]) -> Table:
    """Make three clips of each of eight groups; exhausts lie higher in every feature."""
    rng = np.random.default_rng(5)
    clips = tuple(
        Clip(f"{number}", "exhaust" if number % 2 else "dog", f"{origin[0]}{number % 8}", "made", origin)
        for number, origin in enumerate(origins)
    )
    rows = rng.standard_normal((len(clips), len(voice_free_names()))).astype(np.float32)
    rows[1::2] += 2.0
    return Table(rows, np.zeros(len(clips)), np.arange(len(clips)), clips, "voice-free-1")


def test_every_clip_is_scored_in_the_fold_of_its_group() -> None:
    fold_of_group = {f"c{number}": "abc"[number // 2 % 3] for number in range(8)}
    found = out_of_split(table_of(["corpus"] * 24 + ["synthetic"] * 4), TINY, fold_of_group)
    assert found.rows.tolist() == list(range(24))
    assert found.folds.tolist() == [number % 8 // 2 % 3 for number in range(24)]
    own, others = found.logits[1::2, 0], found.logits[::2, 0]
    assert own.min() > others.max()


def test_augmented_copies_are_refused_because_they_mix_groups() -> None:
    with pytest.raises(InputError, match="mix groups"):
        out_of_split(table_of(["corpus", "augmented"] * 8), TINY, {f"c{n}": str(n % 2) for n in range(8)})
