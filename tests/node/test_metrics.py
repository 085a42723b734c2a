"""Figures of operation: served on loopback, written for node_exporter, and never a sound level."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from broker import free_port
from prometheus_client.parser import text_string_to_metric_families

from noisewatch.errors import ConfigurationError
from noisewatch.node.metrics import Metrics, exposition
from noisewatch.node.section import MetricsSection

TOLD = {
    "events": 4,
    "state": "deaf",
    "sound": {"xruns": 2, "drift_ppm": None, "laeq_db": 61.2},
    "picture": {"is_connected": False},
    "laf_db": 70.1,
}


def read(text: str) -> dict[str, float]:
    return {
        sample.name + (f"[{sample.labels['state']}]" if "state" in sample.labels else ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_own_parser_reads_what_is_told() -> None:
    found = read(exposition(TOLD).decode())
    assert found["noisewatch_events_total"] == 4.0
    assert found["noisewatch_xruns_total"] == 2.0
    assert found["noisewatch_camera_connected"] == 0.0
    assert found["noisewatch_state[deaf]"] == 1.0
    assert found["noisewatch_state[healthy]"] == 0.0
    assert "noisewatch_sound_drift_ppm" not in found


def test_no_level_leaves_by_this_way() -> None:
    text = exposition(TOLD).decode()
    assert "61.2" not in text
    assert "70.1" not in text
    assert "_db" not in text


def test_the_figures_are_served_on_loopback_only_and_end_with_the_run() -> None:
    port = free_port()
    with Metrics(MetricsSection(port=port), told=lambda: TOLD, folder=Path()) as served:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert read(answer.read().decode())["noisewatch_events_total"] == 4.0
        assert served._server.server_address[0] == "127.0.0.1"
        with pytest.raises(ConfigurationError, match=f"metrics.port {port}"):
            Metrics(MetricsSection(port=port), told=lambda: TOLD, folder=Path()).__enter__()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)


def test_the_file_for_node_exporter_is_whole_and_goes_with_the_run(tmp_path: Path) -> None:
    file = tmp_path / "noisewatch.prom"
    with Metrics(MetricsSection(textfile=file.name), told=lambda: TOLD, folder=tmp_path):
        deadline = time.monotonic() + 5
        while not file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert read(file.read_text())["noisewatch_events_total"] == 4.0
    assert not file.exists()
    with pytest.raises(ConfigurationError, match=r"\.prom"):
        Metrics(MetricsSection(textfile="figures.txt"), told=lambda: TOLD, folder=tmp_path)
