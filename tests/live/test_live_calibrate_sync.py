"""`calibrate sync` on a live chain: lamp and beeper through RTSP and PulseAudio, a signed record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import noisewatch

from noisewatch.evidence import custody, enrol
from noisewatch.node.config import parse_config, render_config

pytestmark = pytest.mark.live
#: No multiple of a frame: each flash falls elsewhere in its frame, as a person's claps do.
PERIOD_S = "1.513"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    custody.init(tmp_path / "custody", trial=True)
    enrol.prepare_node(tmp_path / "node", tmp_path / "custody", name="node-1")
    (tmp_path / "node" / "node.toml").write_text(render_config(parse_config(b"", where=Path("node.toml"))))
    return tmp_path / "node"


def test_claps_on_a_live_chain_give_a_signed_offset_that_is_near_the_true_one(
    sound_server: Callable[[int], Any], camera_server: Callable[..., Any], node: Path
) -> None:
    server = sound_server(1)
    camera = camera_server("--size", "640x360", "--period", PERIOD_S, "--gop", "25")
    rig = [sys.executable, str(Path(__file__).parent / "rigs" / "beep.py")]
    beeper = subprocess.Popen(
        [*rig, "--seconds", "90", "--period", PERIOD_S], env=os.environ | server.environment
    )
    try:
        done = noisewatch(
            *("calibrate", "sync", "--node", node, "--audio", "device:road", "--video", camera.url),
            *("--who", "An", "--seconds", "25", "--distance-m", "0", "--json"),
        )
    finally:
        beeper.terminate()
        beeper.wait()
    assert done.code == 0, done.err
    document = done.document
    print(json.dumps(document["verdicts"], indent=1))
    arrival, own = document["offsets"]["arrival"], document["offsets"]["camera"]
    assert 0.0 < arrival["offset_s"] < 0.3
    # the rig's sender reports map to the moment of capture
    assert abs(own["offset_s"]) < 0.035
    assert max(arrival["bound_s"], own["bound_s"]) <= 0.015
    assert (node / "calibration" / "sync" / Path(document["file"]).name).is_file()
