"""A run whose microphone goes away: it says deaf to whoever watches, tells the broker, and heals."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from broker import Broker, Listener, free_port
from real_node import make_real_node

from noisewatch.node.journal import Journal
from noisewatch.node.live import watch

pytestmark = pytest.mark.live


def settings(port: int, broker: Broker) -> dict[str, str]:
    return {
        'host = ""': 'host = "localhost"',
        "port = 8883": f"port = {broker.port}",
        'authority_file = ""': f'authority_file = "{broker.authority}"',
        'topic = "noisewatch"': 'topic = "noisewatch/node-01"',
        "heartbeat_s = 60.0": "heartbeat_s = 5.0",
        "# position_deg =": "position_deg = [50.9653, 5.5005]",
        "port = 0\n": f"port = {port}\n",
    }


class Watcher:
    """Follows the live view in a thread of its own."""

    def __init__(self, node: Path) -> None:
        self.seen: list[dict[str, Any]] = []
        self._node = node
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        for told in watch(self._node):
            self.seen.append(told)

    def wait(self, condition: Callable[[dict[str, Any]], bool], *, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.seen and condition(self.seen[-1]):
                return self.seen[-1]
            time.sleep(0.05)
        pytest.fail(f"not seen within {seconds} s; last: {self.seen[-1:]}")


def test_a_run_without_its_microphone_is_deaf_tells_it_and_heals(
    sound_server: Callable[[int], Any], tmp_path: Path
) -> None:
    config = make_real_node(tmp_path)
    broker = Broker(tmp_path / "broker").start()
    login, port = tmp_path / "node" / "login", free_port()
    login.write_text("node-01:pw-node\n")
    login.chmod(0o600)
    text = config.read_text().replace('credentials_file = ""', 'credentials_file = "login"')
    for before, after in settings(port, broker).items():
        assert before in text, before
        text = text.replace(before, after, 1)
    config.write_text(text)
    server = sound_server(1)
    fleet = Listener(broker)
    command = [sys.executable, "-m", "noisewatch.cli.main", "run", "--config", str(config), "--quiet"]
    process = subprocess.Popen(
        [*command, "--audio", "device:road"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert "listening" in process.stderr.readline()
        view = Watcher(tmp_path / "node")
        told = view.wait(lambda told: told["level"] is not None, seconds=20)
        assert told["sound"]["source"] == "microphone 'road'"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert "noisewatch_blocks_total" in answer.read().decode()
        assert fleet.wait("health", 1)[0]["state"] in ("recovering", "healthy", "degraded")
        server.kill()
        told = view.wait(lambda told: told["state"] == "deaf", seconds=30)
        assert "no sound" in told["reasons"][0]
        server.start()
        view.wait(lambda told: told["state"] == "recovering", seconds=40)
        end = time.monotonic() + 15
        while "deaf" not in [notice["state"] for notice in fleet.under("health")] and time.monotonic() < end:
            time.sleep(0.1)
        assert "deaf" in [notice["state"] for notice in fleet.under("health")]
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        fleet.close()
        broker.kill()
    assert process.returncode == 0, err
    assert out.count("dB") == 0
    kinds = [entry["kind"] for entry in Journal(tmp_path / "node").entries()]
    assert kinds[0] == "start"
    assert kinds.index("deaf") < kinds.index("recovering")
    assert kinds[-1] == "end"
    assert not (tmp_path / "node" / "live.sock").exists()
    assert (tmp_path / "node" / "journal.jsonl").stat().st_mode & 0o077 == 0
