"""`site show` and `site move`: what an installer types who takes the box to another street."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from command import noisewatch

from noisewatch.node.box import read_calibration, read_identity
from noisewatch.node.carriageway import Mask, append, newest
from noisewatch.node.status import StatusWriter

MOVE = ("site", "move", "--installer", "An", "--lane", "9.8", "--lane", "6.5")


@pytest.fixture
def node(tmp_path: Path) -> Path:
    assert noisewatch("custody", "init", tmp_path / "custody", "--trial").code == 0
    assert noisewatch("init", tmp_path / "node", "--custody", tmp_path / "custody").code == 0
    return tmp_path / "node"


def test_a_move_ends_the_old_place_and_what_was_found_out_there(node: Path) -> None:
    first = noisewatch(*MOVE, "--name", "Stalenstraat", "--node", node, "--json")
    assert first.code == 0, first.err
    identity = read_identity(node / "node.toml")
    corners = ((0.0, 0.2), (1.0, 0.2), (1.0, 1.0))
    drawn = Mask(1, corners, datetime.now(UTC).replace(microsecond=0), "An", date(2099, 1, 1))
    append(node, drawn, signer=identity.signer)
    assert newest(node, since=identity.site_since) is not None
    time.sleep(1.1)
    moved = noisewatch(*MOVE, "--name", "Weg naar As", "--position", "50.97,5.51", "--node", node, "--json")
    assert moved.code == 0, moved.err
    assert "noisewatch calibrate mask" in json.loads(moved.out)["to_do"]
    identity = read_identity(node / "node.toml")
    assert identity.config.site.name == "Weg naar As"
    assert identity.config.site.lane_distance_m == 6.5
    assert newest(node, since=identity.site_since) is None
    assert read_calibration(identity).state.name == "missing"
    shown = json.loads(noisewatch("site", "show", "--node", node, "--json").out)
    assert [one["name"] for one in shown["records"]] == ["Stalenstraat", "Weg naar As"]
    assert shown["records"][0]["until"] == shown["records"][1]["since"]
    assert shown["records"][1]["until"] is None
    assert "carriageway" in noisewatch("check", "--node", node).out
    log = (node / "log" / "node.jsonl").read_text()
    assert log.count("the box was moved to place") == 2


def test_a_box_whose_run_goes_on_is_not_moved(node: Path) -> None:
    with StatusWriter(node, dict, every_s=0.05):
        deadline = time.monotonic() + 5
        while not (node / "status.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        refused = noisewatch(*MOVE, "--name", "Elsewhere", "--node", node)
    assert refused.code == 75
    assert "a run goes on" in refused.err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--position", "here", "50.9,5.5"), ("--lane", "-3", "lane_distance_m"), ("--name", " ", "name")],
)
def test_a_place_that_cannot_be_is_refused_in_one_line(
    node: Path, option: str, value: str, said: str
) -> None:
    words = ["site", "move", "--installer", "An", "--name", "Stalenstraat", "--node", str(node)]
    if option == "--name":
        words[words.index("Stalenstraat")] = value
    else:
        words += [option, value]
    refused = noisewatch(*words)
    assert refused.code == 2
    assert said in refused.err
    assert not (node / "site").exists()
