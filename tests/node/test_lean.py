"""A running node has one thread of linear algebra, no compiler, and a heap that gives back."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

MULTIPLY = """
import json, sys
from pathlib import Path
import numpy as np
a = np.ones((600, 600))
a @ a
tasks = len(list(Path("/proc/self/task").iterdir()))
"""
NODE = """
from datetime import UTC, datetime
from noisewatch.node import service
from noisewatch.node.pipeline import Pipeline, PipelineSettings
from noisewatch.records import AudioBlock
settings = PipelineSettings(rate_hz=48000, channels=1, ring_s=2.0, has_picture=False,
    started_at=datetime(2026, 1, 1, tzinfo=UTC), gate_db=None, merge_gap_s=3.0, cooldown_s=2.0,
    longest_event_s=30.0, budget_per_day=None)
pipeline = Pipeline(settings, signatures=[], new_id=lambda at: "x")
pipeline.push_audio(AudioBlock(0, np.zeros((1, 48000), np.float32), 48000, 0))
"""
TELL = 'print(json.dumps({"modules": sorted(sys.modules), "tasks": tasks, "samples": pipeline.end_sample}))'
UNWANTED = {"numba", "llvmlite", "sklearn", "pandas", "matplotlib", "cv2", "librosa", "skops", "onnxruntime"}


def run(code: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    kept.pop("NOISEWATCH_BACKEND", None)
    done = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor never gets a second thread")
def test_a_node_takes_neither_a_compiler_nor_a_second_thread_of_linear_algebra() -> None:
    prepare = "from noisewatch.node import lean; lean.one_thread(); assert lean.small_heap()"
    found = json.loads(run(prepare + MULTIPLY + NODE + TELL))
    assert found["samples"] == 48_000
    assert UNWANTED & set(found["modules"]) == set()
    assert found["tasks"] == 1
    # without it there would be more: the test can tell
    assert int(run(MULTIPLY + "print(tasks)")) > 1
