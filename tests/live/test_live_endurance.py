"""A sample of the endurance run: a quarter of an hour of street at 25 times its pace, with faults.

The long one, with clips, kills and days that end: ``.venv/bin/python bench/endurance.py --minutes 100``.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
BENCH = Path(__file__).resolve().parents[2] / "bench" / "endurance.py"


def test_faults_lose_no_acknowledged_event_and_stand_in_the_journal(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("a disk of its own needs root")
    spec = importlib.util.spec_from_file_location("endurance", BENCH)
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    # a dataclass looks its module up there
    sys.modules[spec.name] = bench
    spec.loader.exec_module(bench)
    found = bench.endure(
        tmp_path,
        hours=0.25,
        minutes=0.57,
        pace=25.0,
        seed=3,
        per_hour=600.0,
        clips_per_day=0,
        endings_h=(0.05, 0.1),
    )
    assert found["acknowledged"] >= 3, found
    assert found["acknowledged_and_lost"] == []
    assert found["log_valid"], found["log_problems"]
    assert len(found["faults_found_of_drawn"]) >= 2, found
    assert found["faults_not_in_journal"] == [], found
    assert found["sealed_without_media"] == []
