"""From claps to the exported file: sound and picture of a live node, measured on what a court would get.

Lamp and bangs go off at the same instants, by Unix time. `calibrate sync` measures the chain, the node runs
on it, seals an event, officer and supervisor export the original, and its error is read from the file: the
picture by the capture time that the camera painted into every frame, the sound by its bangs, whose moments
(in cells of 10 ms) are what is left of them after voices were destroyed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyrage
import pytest
from command import noisewatch
from opening import record_of

from noisewatch.acoustics.claps import find_claps

#: The whole chain takes a minute and a half: `pytest -m slow tests/live/test_live_sync_node.py`.
pytestmark = [pytest.mark.live, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
#: No multiple of a frame: each flash falls elsewhere in its frame, as a person's claps do.
PERIOD_S = 1.513
REASON = ("--reason", "the court asks for the original", "--case", "PV 2026/77")


def make_real_node(folder: Path) -> Path:
    """A custody that is no trial with two people's keys here, and a node that opens on any loud sound."""
    secret = folder / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text("a long enough passphrase")
    custody = folder / "custody"
    assert noisewatch("custody", "init", custody, "--passphrase-file", secret).code == 0
    for name, role in (("an-officer", "officer"), ("a-supervisor", "supervisor")):
        key = folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        identity = pyrage.x25519.Identity.generate()
        age = Path(f"{key}.age")
        age.touch(mode=0o600)
        age.write_text(f"{identity}\n")
        done = noisewatch(
            *("custody", "add", name, "--role", role, "--ssh-public", f"{key}.pub"),
            *("--age-recipient", identity.to_public(), "--appointed-by", "the council", "--custody", custody),
        )
        assert done.code == 0, done.err
    done = noisewatch("init", folder / "node", "--custody", custody, "--passphrase-file", secret)
    assert done.code == 0, done.err
    write_settings(folder)
    return folder / "node"


def write_settings(folder: Path) -> None:
    signature = Path(shutil.copytree(ROOT / "signatures" / "exhaust", folder / "anything"))
    toml = signature / "signature.toml"
    text = toml.read_text().partition("[[vetoes]]")[0]
    for key in ("threshold", "opening"):
        text, count = re.subn(rf"(?m)^{key} = [0-9.]+", f"{key} = 0.0001", text)
        assert count == 1
    toml.write_text(text)
    config = folder / "node" / "node.toml"
    text = config.read_text()
    for key, value in (
        ("# lane_distance_m =", "lane_distance_m = 7.5"),
        ("carriageway = []", "carriageway = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]"),
        ('signatures = ["exhaust"]', f"signatures = [{json.dumps(str(signature))}]"),
        ("# gate_db =", "gate_db = 54.0"),
        ("cooldown_s = 2.0", "cooldown_s = 600.0"),
        ("longest_event_s = 30.0", "longest_event_s = 8.0"),
        ("allow_uncalibrated = false", "allow_uncalibrated = true"),
        ("allow_plain_swap = false", "allow_plain_swap = true"),
    ):
        assert key in text, key
        text = text.replace(key, value)
    config.write_text(text)


class Speaker:
    """A loudspeaker that bangs together with the camera's lamp, while it is on."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = os.environ | environment
        self.process: subprocess.Popen[bytes] | None = None

    def on(self) -> None:
        rig = [sys.executable, str(Path(__file__).parent / "rigs" / "beep.py"), "--noise"]
        self.process = subprocess.Popen(
            [*rig, "--seconds", "300", "--period", str(PERIOD_S)], env=self.environment
        )

    def off(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


@pytest.fixture
def chain(
    sound_server: Callable[[int], Any], camera_server: Callable[..., Any]
) -> Iterator[tuple[Speaker, tuple[str, ...]]]:
    """Lamp and loudspeaker, and what a node needs to see and hear them."""
    server = sound_server(1)
    camera = camera_server("--size", "800x240", "--period", str(PERIOD_S), "--gop", "25")
    speaker = Speaker(server.environment)
    yield speaker, ("--audio", "device:road", "--video", camera.url)
    speaker.off()


def run_until_sealed(
    node: Path, speaker: Speaker, sources: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the node until an event is sealed; return it and what `status` said meanwhile."""
    command = [
        sys.executable,
        "-m",
        "noisewatch.cli.main",
        "run",
        "--config",
        str(node / "node.toml"),
        "--json",
    ]
    process = subprocess.Popen(
        [*command, *sources], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert "listening" in process.stderr.readline()
        # the camera joins within seconds; what comes then is seen as well as heard
        time.sleep(9.0)
        speaker.on()
        event = json.loads(process.stdout.readline() or "{}")
        status = noisewatch("status", "--node", node, "--json")
    finally:
        process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=240)
    assert event.get("sealed") is True, f"{event} {out} {err}"
    assert status.code == 0, status.err
    return event, status.document


def export_original(folder: Path, event_id: str) -> Path:
    places = ("--node", folder / "node", "--custody", folder / "custody")
    approved = noisewatch("clips", "approve", event_id, *places, "--as", folder / "a-supervisor", *REASON)
    assert approved.code == 0, approved.err
    done = noisewatch(
        *("clips", "export", event_id, *places, "--as", folder / "an-officer", *REASON),
        *("--original", "--out", folder / "out", "--json"),
    )
    assert done.code == 0, done.err
    package = Path(done.document["package"])
    return next(path for path in package.rglob("*.mp4"))


def test_on_the_exported_file_sound_and_picture_are_within_twenty_milliseconds(
    chain: tuple[Speaker, tuple[str, ...]], tmp_path: Path
) -> None:
    speaker, sources = chain
    node = make_real_node(tmp_path)
    speaker.on()
    done = noisewatch(
        *("calibrate", "sync", "--node", node, *sources, "--who", "An", "--seconds", "25"),
        *("--distance-m", "0", "--json"),
    )
    assert done.code == 0, done.err
    speaker.off()
    event, status = run_until_sealed(node, speaker, sources)
    late_s = sound_late_s(export_original(tmp_path, event["id"]))
    print(f"sound is late by {late_s * 1e3:.1f} ms on the exported file; offsets {done.document['offsets']}")
    assert abs(late_s) <= 0.020
    record = record_of(node, tmp_path / "custody")
    said = record["statements"]
    assert said["sync"]["name"] == "valid"
    assert said["range_correction"]["delay_s"] == pytest.approx(0.022, abs=0.001)
    assert record["clock"]["source"] == "system"
    assert not any("sound against picture" in why for why in record["not_evidence_because"])
    assert status["running"] is True
    assert status["picture"]["placed_by"] == "camera"
    assert status["sound"]["lost_samples"] == 0


def capture_time_s(frame: av.VideoFrame) -> float:
    """The Unix time that the camera painted into a frame's top row."""
    luma = frame.to_ndarray(format="gray")
    bits = luma[8, 8 : 48 * 16 : 16] > 128
    return int("".join("1" if bit else "0" for bit in bits), 2) / 1e3


def sound_late_s(path: Path) -> float:
    """By how much a file's sound comes later than its picture; bangs are due at multiples of the period."""
    with av.open(str(path)) as clip:
        shown_s = [frame.time - capture_time_s(frame) for frame in clip.decode(video=0)]
    assert len(shown_s) > 100
    with av.open(str(path)) as clip:
        rate_hz = clip.streams.audio[0].rate
        samples = np.concatenate([frame.to_ndarray()[0] for frame in clip.decode(audio=0)])
    heard = samples.astype(np.float32) / float(np.abs(samples).max())
    onsets_s = np.array(find_claps(heard, rate_hz=rate_hz))
    assert len(onsets_s) >= 3
    late_s = (onsets_s - np.median(shown_s) + PERIOD_S / 2) % PERIOD_S - PERIOD_S / 2
    print(f"single bangs: {np.round(late_s * 1e3, 1)} ms")
    return float(np.median(late_s))
