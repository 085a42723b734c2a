"""`devices` and `check` on a real microphone and a real camera."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from command import noisewatch

pytestmark = pytest.mark.live
RATE_HZ = 48_000


@pytest.fixture
def node(tmp_path: Path) -> Path:
    assert noisewatch("custody", "init", tmp_path / "custody", "--trial").code == 0
    assert noisewatch("init", tmp_path / "node", "--custody", tmp_path / "custody").code == 0
    config = tmp_path / "node" / "node.toml"
    config.write_text(config.read_text().replace("# picture_width_m =", "picture_width_m = 5.0"))
    return tmp_path / "node"


def ask(*arguments: object) -> tuple[int, dict[str, Any]]:
    """Run a command in a process of its own: PortAudio reads the list of devices once."""
    command = [sys.executable, "-m", "noisewatch.cli.main", *[str(one) for one in arguments], "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ, timeout=120)
    return done.returncode, json.loads(done.stdout)


def test_the_virtual_microphone_and_the_loopback_camera_are_listed_with_what_they_can_do(
    sound_server: Callable[[int], Any], camera_server: Callable[..., Any]
) -> None:
    sound_server(2)
    camera = camera_server("--size", "640x360")
    code, document = ask("devices", "--probe", camera.url)
    assert code == 0
    (road,) = [one for one in document["microphones"] if one["name"] == "road"]
    assert road["channels"] >= 2
    assert 48_000 in road["rates_hz"]
    assert document["probed"] == [
        {"camera": f"camera 127.0.0.1:{camera.port}/cam", "sends": "h264 640x360", "why": ""}
    ]


def test_check_tells_a_good_chain_from_a_silent_microphone(
    sound_server: Callable[[int], Any], camera_server: Callable[..., Any], node: Path, tmp_path: Path
) -> None:
    server = sound_server(1)
    camera = camera_server("--size", "1280x720", "--gop", "25")
    sources = ("--audio", "device:road", "--video", camera.url, "--seconds", "4")
    hiss = np.random.default_rng(1).normal(0.0, 0.01, 40 * RATE_HZ).astype(np.float32)
    soundfile.write(str(tmp_path / "hiss.wav"), hiss, RATE_HZ, subtype="FLOAT")
    player = server.play(tmp_path / "hiss.wav")
    try:
        _, document = ask("check", "--node", node, *sources)
    finally:
        player.terminate()
        player.wait()
    items = {item["name"]: item for item in document["items"]}
    print([f"{item['name']}: {item['value']}" for item in document["items"][-9:]])
    for name in ("microphone", "microphone channels", "camera", "camera light", "camera sharp"):
        assert items[name]["ok"], items[name]
    assert items["plate width"]["value"] == "133 pixels"
    assert "tells when it took a picture" in items["camera"]["value"]
    code, document = ask("check", "--node", node, *sources)
    assert code == 1
    red = [item for item in document["items"] if not item["ok"]]
    assert [item["name"] for item in red] == ["microphone channels"]
    assert "cable" in red[0]["remedy"]
