"""Attribution on a few streets of the benchmark's generator, which knows nothing of the tracker.

The seeds served development; the figures that count are those of ``python bench/attribution.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import attribution
import attribution_scenes


def test_a_lone_vehicle_is_named() -> None:
    _, said = attribution.judge("one", 401)
    assert said == ("right", "right")


def test_of_two_vehicles_no_wrong_one_is_named_with_one_microphone_or_two() -> None:
    _, said = attribution.judge("two", 401)
    assert said == ("right", "right")


def test_two_alike_are_not_told_apart() -> None:
    _, said = attribution.judge("equal", 212)
    assert "right" not in said
    assert "wrong" not in said


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(402, 410))
@pytest.mark.parametrize("kind", ["one", "two", "three", "close", "unseen", "empty"])
def test_no_wrong_vehicle_is_named(kind: str, seed: int) -> None:
    _, said = attribution.judge(kind, seed)
    assert "wrong" not in said


def test_the_generator_imports_nothing_of_the_tracker() -> None:
    source = Path(attribution_scenes.__file__).read_text(encoding="utf-8")
    imports = [line for line in source.splitlines() if line.startswith(("import", "from"))]
    assert not any("capture" in line or "acoustics" in line for line in imports)
