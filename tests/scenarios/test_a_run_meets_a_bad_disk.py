"""A run whose disk is full or read-only, or that is killed: nothing is half-written, nothing is forgotten."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Result, noisewatch

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for a node but not for a clip; .ci/run is root, so it can be mounted there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=768k,mode=0700", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"only root can mount a small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def make_node(folder: Path, custody: Path) -> Path:
    assert noisewatch("custody", "init", custody, "--trial").code == 0
    made = noisewatch("init", folder, "--custody", custody)
    assert made.code == 0, made.err
    return folder / "node.toml"


def run(config: Path) -> Result:
    sources = ["--audio", SAMPLES / "street.flac", "--video", SAMPLES / "street.mp4"]
    return noisewatch(
        "run", "--config", config, *sources, "--pace", "fast", "--pascal-per-unit", 20, "--json"
    )


def test_a_full_disk_loses_the_clip_but_not_the_measurement(small_disk: Path, tmp_path: Path) -> None:
    config = make_node(small_disk / "node", tmp_path / "custody")
    result = run(config)
    assert result.code == 74
    assert "no space left" in result.error_line
    *events, summary = result.documents
    assert [event["sealed"] for event in events] == [False]
    assert "could not be stored" in events[0]["why"]
    assert (summary["events"], summary["sealed"], summary["duration_s"]) == (1, 0, 24.0)
    left = [path.name for path in (small_disk / "node" / "store").rglob("*") if path.is_file()]
    assert not [name for name in left if name.endswith((".age", ".tmp")) and name != "event.age"]
    assert noisewatch("audit", "verify", "--node", small_disk / "node").code == 0


def test_a_read_only_store_is_refused_before_anything_is_measured(small_disk: Path, tmp_path: Path) -> None:
    config = make_node(small_disk / "node", tmp_path / "custody")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    result = run(config)
    assert result.code == 74
    assert "read-only" in result.error_line
    assert result.out == ""


def test_a_run_that_is_killed_while_sealing_says_media_lost_at_the_next_start(tmp_path: Path) -> None:
    config = make_node(tmp_path / "node", tmp_path / "custody")
    command = [sys.executable, "-m", "noisewatch.cli.main", "run", "--config", str(config), "--pace", "fast"]
    command += ["--audio", str(SAMPLES / "street.flac"), "--video", str(SAMPLES / "street.mp4")]
    command += ["--pascal-per-unit", "20", "--json"]
    clips, log = tmp_path / "node" / "store" / "clips", tmp_path / "node" / "log" / "node.jsonl"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        # the signed record is durable before the first frame is encoded
        while b'"state":"pending"' not in log.read_bytes() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert {path.name for path in clips.rglob("*.age")} == {"event.age"}
    again = run(config)
    assert again.code == 0, again.err
    listed = noisewatch(
        "clips", "list", "--node", tmp_path / "node", "--custody", tmp_path / "custody", "--all", "--json"
    )
    assert listed.code == 0, listed.err
    assert len(listed.documents) == 2
    assert "media lost" in log.read_text()
