"""`devices`, `status`, `calibrate sync` and the sources of `check`, as an installer types them."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command import noisewatch

from noisewatch.node.status import NAME, StatusWriter

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def set_keys(trial: Path, *pairs: tuple[str, str]) -> None:
    config = trial / "node" / "node.toml"
    text = config.read_text()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    config.write_text(text)


def test_devices_lists_what_is_there_and_probes_without_telling_a_login() -> None:
    url = f"rtsp://admin:hunter2@127.0.0.1:{closed_port()}/cam"
    result = noisewatch("devices", "--probe", url, "--json")
    assert result.code == 0, result.err
    assert set(result.document) == {"microphones", "cameras", "probed"}
    (answer,) = result.document["probed"]
    assert answer["sends"] is None
    assert "Connection refused" in answer["why"]
    assert "hunter2" not in result.out + result.err
    words = noisewatch("devices", "--probe", url)
    assert "cannot be used: cannot be reached" in words.out
    assert "hunter2" not in words.out


def test_devices_probes_the_camera_of_a_node_with_its_login_from_a_file(trial: Path) -> None:
    login = trial / "node" / "camera.login"
    login.touch(mode=0o600)
    login.write_text("admin:hunter2\n")
    camera = f"rtsp://127.0.0.1:{closed_port()}/cam"
    config = trial / "node" / "node.toml"
    before, section, after = config.read_text().partition("[video]")
    after = after.replace('source = ""', f'source = "{camera}"', 1)
    config.write_text(before + section + after.replace('file = ""', 'file = "camera.login"', 1))
    result = noisewatch("devices", "--node", trial / "node", "--json")
    assert result.code == 0, result.err
    (answer,) = result.document["probed"]
    assert "Connection refused" in answer["why"]
    assert "hunter2" not in result.out + result.err


def test_status_of_a_node_that_never_ran_says_how_to_start_it(trial: Path) -> None:
    result = noisewatch("status", "--node", trial / "node")
    assert result.code == 66
    assert "noisewatch run" in result.error_line


def test_status_says_no_when_the_run_has_ended(trial: Path) -> None:
    told = {"sound": {"source": "x", "rate_hz": 48_000, "channels": 1}, "picture": None, "clock": {}}
    with StatusWriter(trial / "node", lambda: told):
        pass
    result = noisewatch("status", "--node", trial / "node", "--json")
    assert result.code == 1
    assert result.document["running"] is False
    assert "NOT running" in noisewatch("status", "--node", trial / "node").out
    assert (trial / "node" / NAME).stat().st_size < 2_000


def test_check_tries_the_sources_and_shows_how_wide_a_plate_is(trial: Path) -> None:
    set_keys(
        trial, ("# lane_distance_m =", "lane_distance_m = 7.5"), ("# lens_angle_deg =", "lens_angle_deg = 60")
    )
    result = noisewatch(
        *("check", "--node", trial / "node", "--seconds", 3, "--json"),
        *("--audio", SAMPLES / "street.flac", "--video", "lavfi:testsrc2=s=1920x1080:r=25"),
    )
    items = {item["name"]: item for item in result.document["items"]}
    assert items["plate width"]["value"] == "115 pixels"
    assert items["plate width"]["ok"] is True
    assert {"microphone", "microphone channels", "microphone peak", "noise floor"} <= set(items)
    assert {"camera", "camera light", "camera sharp", "camera moves"} <= set(items)
    assert "h264 1920x1080, 25.0 frames/s" in items["camera"]["value"]
    assert result.document["fit"] is all(item["ok"] for item in items.values())


def test_check_is_red_for_a_dead_channel_a_dark_picture_and_a_plate_too_small(
    trial: Path, tmp_path: Path
) -> None:
    set_keys(trial, ("# picture_width_m =", "picture_width_m = 12.0"))
    soundfile.write(str(tmp_path / "dead.wav"), np.zeros((3 * 48_000, 1), np.float32), 48_000)
    result = noisewatch(
        *("check", "--node", trial / "node", "--seconds", 2),
        *("--audio", tmp_path / "dead.wav", "--video", "lavfi:color=black:s=640x360:r=25"),
    )
    assert result.code == 1
    for line in ("BAD  microphone channels", "BAD  camera light", "BAD  camera moves", "BAD  plate width"):
        assert line in result.out
    assert "-> a longer lens" in result.out
    assert "NOT fit to measure" in result.out


def test_check_names_a_camera_that_cannot_be_reached_without_its_login(trial: Path) -> None:
    url = f"rtsp://admin:hunter2@127.0.0.1:{closed_port()}/cam"
    result = noisewatch("check", "--node", trial / "node", "--seconds", 2, "--video", url, "--json")
    assert result.code == 1
    items = {item["name"]: item for item in result.document["items"]}
    assert items["camera"]["ok"] is False
    assert "login" in items["camera"]["remedy"]
    assert "hunter2" not in result.out + result.err


def test_a_login_that_others_can_read_makes_the_box_unfit(trial: Path) -> None:
    login = trial / "node" / "camera.login"
    login.write_text("admin:hunter2\n")
    login.chmod(0o644)
    set_keys(trial, ('credentials_file = ""', 'credentials_file = "camera.login"'))
    result = noisewatch(
        *("check", "--node", trial / "node", "--seconds", 2, "--json"),
        *("--video", f"rtsp://127.0.0.1:{closed_port()}/cam"),
    )
    (camera,) = [item for item in result.document["items"] if item["name"] == "camera"]
    assert "can be used by others" in camera["value"]
    assert "chmod 600" in camera["remedy"]
    assert "hunter2" not in result.out + result.err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ((), 2, "--who is needed"),
        (("--who", "An"), 2, "names no source"),
        (("--who", "An", "--seconds", "3"), 2, "10 to 300 s"),
        (("--who", "An", "--distance-m", "90"), 2, "0 to 50 m"),
    ],
)
def test_calibrate_sync_asks_for_what_it_needs(
    trial: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    result = noisewatch("calibrate", "sync", "--node", trial / "node", *options)
    assert result.code == code
    assert words in result.error_line


def test_calibrate_sync_refuses_a_street_on_which_nobody_clapped(trial: Path) -> None:
    street = SAMPLES / "street.mp4"
    result = noisewatch(
        *("calibrate", "sync", "--node", trial / "node", "--who", "An"),
        *("--audio", street, "--video", street),
    )
    assert result.code == 1
    assert "no offset was written" in result.error_line
    assert not (trial / "node" / "calibration" / "sync").exists()
