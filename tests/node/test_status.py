"""The status of a run: written by itself, read by anybody, right whatever the clock does, mute of sound."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from noisewatch.errors import MissingInputError
from noisewatch.node.status import NAME, StatusWriter, in_words, is_running, read_status

TOLD: dict[str, Any] = {
    "sound": {
        "source": "microphone 'road'",
        "rate_hz": 48_000,
        "channels": 1,
        "measured_rate_hz": 48_001.2,
        "drift_ppm": 25.0,
        "xruns": 2,
        "queue_full": 0,
        "stalls": 1,
        "reconnects": 0,
        "lost_samples": 480,
    },
    "picture": {
        "source": "camera 192.0.2.1/1",
        "placed_by": "camera",
        "bound_s": 0.004,
        "packets": 250,
        "connections": 2,
        "failures": 1,
        "jumps": 0,
        "is_connected": True,
        "last_error": "the camera hung up",
    },
    "sync": {"state": "valid", "sentence": "audio-video offset measured 2026-05-10"},
    "clock": {
        "synchronised": True,
        "service": "chrony",
        "bound_s": 0.002,
        "steps": 1,
        "last_step_s": -3600.0,
    },
    "events": 3,
    "sealed": 2,
}


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_tells_how_it_is_doing_until_it_ends(tmp_path: Path) -> None:
    with StatusWriter(tmp_path, lambda: TOLD, every_s=0.05):
        wait_for(tmp_path / NAME)
        document = read_status(tmp_path)
        assert document["running"] is True
        assert document["pid"] == os.getpid()
        assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert read_status(tmp_path)["running"] is False
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_the_words_say_drift_xruns_camera_and_clock(tmp_path: Path) -> None:
    with StatusWriter(tmp_path, lambda: TOLD):
        wait_for(tmp_path / NAME)
        words = in_words(read_status(tmp_path))
    for word in (
        "running",
        "3, 2 of them sealed",
        "drift +25 ppm, 2 xruns, 1 stalls, 0 reconnects, 480 samples lost",
        "connected, placed by camera within 4 ms",
        "last error: the camera hung up",
        "synchronised by chrony, within 0.002 s, set 1 times (last -3600.000 s)",
        "valid: audio-video offset",
    ):
        assert word in words
    assert "db" not in json.dumps(TOLD).lower()


def test_a_run_without_a_picture_is_told_too(tmp_path: Path) -> None:
    told = {"sound": {"source": "x.wav", "rate_hz": 8000, "channels": 1}, "picture": None, "clock": {}}
    with StatusWriter(tmp_path, lambda: told):
        wait_for(tmp_path / NAME)
        words = in_words(read_status(tmp_path))
    assert "picture    none" in words
    assert "NOT synchronised" in words


@pytest.mark.parametrize(
    ("change", "now_s", "boot_id", "is_alive"),
    [
        ({"running": False}, 101.0, "a", True),
        ({}, 200.0, "a", True),
        ({}, 50.0, "a", True),
        ({}, 101.0, "b", True),
        ({}, 101.0, "a", False),
        ({"monotonic_s": "x"}, 101.0, "a", True),
    ],
)
def test_a_run_that_ended_hangs_or_was_before_the_boot_does_not_run(
    change: dict[str, object], now_s: float, boot_id: str, is_alive: bool
) -> None:
    written = {"running": True, "boot_id": "a", "monotonic_s": 100.0}
    assert is_running(written, now_s=101.0, boot_id="a", is_alive=True)
    assert not is_running(written | change, now_s=now_s, boot_id=boot_id, is_alive=is_alive)


def test_a_disk_that_takes_nothing_is_counted_and_ends_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with StatusWriter(folder, lambda: TOLD, every_s=0.01) as writer:
        deadline = time.monotonic() + 20
        while writer.failures < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    with pytest.raises(MissingInputError, match="no live run"):
        read_status(folder)
