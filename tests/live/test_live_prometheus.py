"""A real Prometheus reads the figures of operation."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from broker import free_port

from noisewatch.node.metrics import Metrics
from noisewatch.node.section import MetricsSection

# needs Debian's prometheus (100 MB): apt-get install prometheus; pytest -m slow tests/live
pytestmark = [pytest.mark.live, pytest.mark.slow]
TOLD = {"state": "healthy", "events": 4, "past_their_end": 0, "sound": {"xruns": 2}, "laf_db": 70.1}


def asked(port: int, query: str) -> list[dict[str, object]]:
    """Return what Prometheus answers; nothing where it is not up yet."""
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=5
        ) as answer:
            return list(json.loads(answer.read())["data"]["result"])
    except (urllib.error.URLError, ConnectionError):
        return []


def test_a_real_prometheus_scrapes_a_node(tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.fail("prometheus is missing: apt-get install prometheus")
    served, port = free_port(), free_port()
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: noisewatch, static_configs: [{{targets: ['127.0.0.1:{served}']}}]}}]\n"
    )
    command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with (
        Metrics(MetricsSection(port=served), told=lambda: TOLD, folder=tmp_path),
        subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as prometheus,
    ):
        try:
            end = time.monotonic() + 40
            while not (found := asked(port, "noisewatch_events_total")):
                assert time.monotonic() < end, "Prometheus read nothing"
                time.sleep(0.2)
            assert found[0]["value"][1] == "4"  # type: ignore[index]
            assert asked(port, "up")[0]["value"][1] == "1"  # type: ignore[index]
            assert asked(port, 'noisewatch_state{state="healthy"}')[0]["value"][1] == "1"  # type: ignore[index]
        finally:
            prometheus.terminate()
