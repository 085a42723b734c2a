"""The sounds of docs/privacy.md are simulated, small, made by their script, and what the page says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from noisewatch.privacy.speech import METHOD

ROOT = Path(__file__).resolve().parents[2]
SOUNDS = ROOT / "docs" / "sounds"
SPEC = importlib.util.spec_from_file_location("privacy_sounds", ROOT / "scripts" / "privacy-sounds.py")
assert SPEC is not None
assert SPEC.loader is not None
privacy_sounds = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(privacy_sounds)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    size = min(one.size, other.size)
    return float(np.corrcoef(one[:size], other[:size])[0, 1])


def test_the_page_names_every_sound_and_all_are_small() -> None:
    named = set(re.findall(r"sounds/([\w-]+\.ogg)", (ROOT / "docs" / "privacy.md").read_text()))
    assert named == {path.name for path in SOUNDS.iterdir()}
    assert sum(path.stat().st_size for path in SOUNDS.iterdir()) <= 500_000


@pytest.mark.parametrize("name", ["voices", "exhaust", "backfire"])
def test_before_is_what_the_simulation_makes_and_after_is_not(name: str) -> None:
    made = privacy_sounds.scenes()[name]
    before, _ = soundfile.read(SOUNDS / f"{name}-before.ogg")
    after, _ = soundfile.read(SOUNDS / f"{name}-after.ogg")
    assert likeness(made, before) > 0.95
    assert after.size == pytest.approx(before.size, abs=2)
    assert np.sqrt(np.mean(after**2)) == pytest.approx(np.sqrt(np.mean(before**2)), rel=1.0)
    if name == "voices":
        assert abs(likeness(made, after)) < 0.3  # a held note of the synthetic voice may pass as a tone


def test_the_sounds_were_made_by_the_method_that_runs() -> None:
    made_by = {soundfile.SoundFile(path).comment for path in SOUNDS.iterdir()}
    assert made_by == {METHOD}
    assert METHOD in (ROOT / "docs" / "privacy.md").read_text()


def test_the_script_makes_the_files_anew(tmp_path: Path) -> None:
    privacy_sounds.main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in SOUNDS.iterdir()}
