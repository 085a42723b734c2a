"""The figures of a few seconds of sound and picture, from real files and FFmpeg's own test pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from noisewatch.capture.camera import open_video
from noisewatch.capture.inventory import cameras, microphones
from noisewatch.capture.microphone import open_audio
from noisewatch.capture.trying import summarise_picture, summarise_sound, try_picture, try_sound

RATE_HZ = 48_000


def test_a_tone_beside_a_dead_channel_is_told_in_figures(tmp_path: Path) -> None:
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    tone = 0.05 * np.sqrt(2) * np.sin(2 * np.pi * 1000 * time_s)
    path = tmp_path / "tone.wav"
    soundfile.write(str(path), np.stack([tone, 0 * tone], axis=1), RATE_HZ, subtype="FLOAT")
    seen = try_sound(open_audio(str(path), pascal_per_unit=20.0), seconds=2.0, pascal_per_unit=20.0)
    assert seen is not None
    assert seen.laeq_db == pytest.approx(93.98, abs=0.05)
    assert seen.floor_db == pytest.approx(93.98, abs=0.05)
    assert seen.rms_share == pytest.approx((0.05, 0.0), abs=1e-4)
    assert seen.peak_share == pytest.approx(0.0707, abs=1e-3)
    assert (seen.channels, seen.lost_samples) == (2, 0)
    assert seen.seconds >= 2.0


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ("testsrc2=s=640x360:r=25", {"sharp": True, "moves": True, "light": True}),
        ("testsrc2=s=640x360:r=25,gblur=sigma=12", {"sharp": False, "moves": True, "light": True}),
        ("color=black:s=640x360:r=25", {"sharp": False, "moves": False, "light": False}),
        ("smptebars=s=640x360:r=25", {"sharp": True, "moves": False, "light": True}),
    ],
)
def test_dark_blurred_and_frozen_pictures_are_told_apart(graph: str, expected: dict[str, bool]) -> None:
    seen = try_picture(open_video(f"lavfi:{graph}"), seconds=2.0)
    assert seen is not None
    assert (seen.codec, seen.width, seen.height) == ("h264", 640, 360)
    assert seen.frames_per_s == pytest.approx(25.0, rel=0.01)
    assert (seen.sharpness >= 15.0) == expected["sharp"]
    assert (seen.change >= 0.01) == expected["moves"]
    assert (25.0 <= seen.brightness <= 235.0) == expected["light"]
    assert seen.clocked == 0.0


def test_nothing_gives_no_figures() -> None:
    assert summarise_sound([], pascal_per_unit=1.0) is None
    assert summarise_picture([]) is None


def test_this_machine_is_asked_what_it_has(tmp_path: Path) -> None:
    assert all(one.channels > 0 for one in microphones())
    (tmp_path / "video0").write_bytes(b"not a camera")
    assert cameras(tmp_path) == ()
    (tmp_path / "video1").symlink_to(tmp_path / "nothing")
    (gone,) = cameras(tmp_path)
    assert "cannot be opened" in gone.name
