"""Attribution on a few streets of the benchmark's generator, which knows nothing of the tracker."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import attribution
import attribution_scenes


@pytest.mark.parametrize(("kind", "seed"), [("one", 20_000), ("two", 20_001), ("three", 20_002)])
def test_no_wrong_vehicle_is_named_with_one_microphone_or_two(kind: str, seed: int) -> None:
    _, said = attribution.judge(kind, seed)
    assert "wrong" not in said


def test_a_lone_vehicle_is_named() -> None:
    _, said = attribution.judge("one", 20_003)
    assert said == ("right", "right")


def test_a_loud_vehicle_out_of_view_is_nobody_in_view() -> None:
    _, said = attribution.judge("empty", 20_004)
    assert said == ("none", "none")


def test_the_generator_imports_nothing_of_the_tracker() -> None:
    source = Path(attribution_scenes.__file__).read_text(encoding="utf-8")
    imports = [line for line in source.splitlines() if line.startswith(("import", "from"))]
    assert not any("capture" in line or "acoustics" in line for line in imports)
