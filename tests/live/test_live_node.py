"""The whole node on real streams: a loopback camera beside a file, and a real microphone with a camera."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from command import noisewatch
from opening import record_of
from real_node import make_real_node

pytestmark = pytest.mark.live

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
SECONDS = 24.0


def start(config: Path, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "noisewatch.cli.main",
        "run",
        "--config",
        str(config),
        "--json",
        *options,
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )


def wait_until_listening(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "listening" in line, line + process.stderr.read()


def documents(process: subprocess.Popen[str], *, seconds: float) -> tuple[list[dict[str, Any]], str]:
    out, err = process.communicate(timeout=seconds)
    return [json.loads(line) for line in out.splitlines()], err


# the same camera beside a microphone is seen by the next test; this one takes half a minute more
@pytest.mark.slow
def test_a_trial_node_seals_a_loopback_camera_beside_a_file(
    camera_server: Callable[..., Any], tmp_path: Path
) -> None:
    assert noisewatch("custody", "init", tmp_path / "custody", "--trial").code == 0
    assert noisewatch("init", tmp_path / "node", "--custody", tmp_path / "custody").code == 0
    camera = camera_server("--size", "640x360", "--fps", "25", "--gop", "25")
    process = start(
        tmp_path / "node" / "node.toml",
        *("--audio", str(SAMPLES / "street.flac"), "--video", camera.url, "--pascal-per-unit", "20"),
    )
    wait_until_listening(process)
    told, err = documents(process, seconds=SECONDS + 120)
    assert process.returncode == 0, err
    *events, summary = told
    assert [event["sealed"] for event in events] == [True], err
    assert summary["lost_samples"] == 0
    record = record_of(tmp_path / "node", tmp_path / "custody")
    original = next(part for part in record["media"] if part["name"] == "original")["description"]
    assert original["duration_s"] == 10.0
    assert 240 <= original["frames"] <= 252
    assert original["missing_frames"] <= 5


def test_a_node_with_a_microphone_seals_what_is_treated_masked_and_covered(
    sound_server: Callable[[int], Any], camera_server: Callable[..., Any], tmp_path: Path
) -> None:
    config = make_real_node(tmp_path)
    sound, rate_hz = soundfile.read(str(SAMPLES / "street.flac"), dtype="float32")
    soundfile.write(str(tmp_path / "mono.wav"), np.ascontiguousarray(sound[:, 0]), rate_hz, subtype="FLOAT")
    server = sound_server(1)
    camera = camera_server("--size", "640x360", "--fps", "25", "--gop", "25")
    process = start(config, "--audio", "device:road", "--video", camera.url)
    wait_until_listening(process)
    time.sleep(2.0)
    assert server.play(tmp_path / "mono.wav").wait(timeout=SECONDS + 60) == 0
    time.sleep(6.0)
    process.send_signal(signal.SIGTERM)
    told, err = documents(process, seconds=240)
    assert process.returncode == 0, err
    *events, summary = told
    assert len(events) == 1, err
    assert events[0]["sealed"] is True, events[0]["why"]
    assert summary["lost_samples"] == 0
    assert summary["viewing_copies"] == 1, err
    assert summary["duration_s"] > SECONDS
    sealed = {path.name for path in (tmp_path / "node" / "store").rglob("*.age")}
    assert sealed == {"original.age", "viewing.age", "levels.age", "event.age"}
    record = record_of(tmp_path / "node", tmp_path / "custody")
    assert record["clock"]["source"] == "system"
    assert record["is_trial"] is False
    assert record["privacy"]["methods"] == [
        "voices destroyed",
        "outside the carriageway masked",
        "bystanders covered",
    ]
    original = next(part for part in record["media"] if part["name"] == "original")["description"]
    assert original["samples"] == 480_000
    assert record["losses"]["samples"] == 0
