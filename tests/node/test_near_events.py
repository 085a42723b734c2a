"""Two events closer than ten seconds: each gets its own exact clip, never a longer one."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noisewatch.capture.camera import open_video
from noisewatch.capture.clip import clip_window, snap_to_frame
from noisewatch.capture.media import FULL_SCALE_PA, Material, make_original, make_viewing
from noisewatch.capture.ring import AudioRing, VideoRing
from noisewatch.records import AudioBlock

RATE_HZ = 48_000
SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
#: A ramp of 24-bit steps: each sample tells its own index, modulo 2**22.
STEP_PA = FULL_SCALE_PA / 2**23


def ramp(start: int, end: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return ((np.arange(start, end) % 2**22) * STEP_PA).astype(np.float32)[None]


@pytest.fixture(scope="module")
def street() -> tuple[AudioRing, VideoRing]:
    """The sample's 24 seconds of picture beside sound whose samples are their own index."""
    sound, picture = (
        AudioRing(rate_hz=RATE_HZ, channels=1, seconds=60),
        VideoRing(seconds=60, max_bytes=10**9),
    )
    for start in range(0, 24 * RATE_HZ, 4800):
        sound.push(AudioBlock(start, ramp(start, start + 4800), RATE_HZ, 0))
    for packet in open_video(str(SAMPLES / "street.mp4")).packets():
        picture.push(packet.monotonic_ns / 1e9, packet)
    return sound, picture


def clip_at(peak_sample: int, street: tuple[AudioRing, VideoRing]) -> Material:
    sound, picture = street
    window = clip_window(peak_sample=peak_sample, rate_hz=RATE_HZ, end_of_stream=sound.end_sample)
    near = picture.read(window.start_s - 0.25, window.start_s + 0.25)
    window = snap_to_frame(window, frame_times_s=near.frame_times_s, end_of_stream=sound.end_sample)
    samples, missing = sound.read(window.start_sample, window.end_sample)
    assert missing == ()
    held = picture.read(window.start_s, window.end_sample / RATE_HZ)
    return Material(window, samples, held.packets)


def sound_of(data: bytes) -> np.ndarray[Any, np.dtype[np.int32]]:
    with av.open(io.BytesIO(data)) as container:
        return np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)]) >> 8


@settings(deadline=None, max_examples=25)
@given(st.integers(7 * RATE_HZ, 12 * RATE_HZ), st.integers(1, 10 * RATE_HZ - 1))
def test_two_windows_overlap_and_each_is_exact(first: int, apart: int) -> None:
    sound = AudioRing(rate_hz=RATE_HZ, channels=1, seconds=40)
    sound.push(AudioBlock(0, ramp(0, 30 * RATE_HZ), RATE_HZ, 0))
    for peak in (first, first + apart):
        window = clip_window(peak_sample=peak, rate_hz=RATE_HZ, end_of_stream=sound.end_sample)
        samples, missing = sound.read(window.start_sample, window.end_sample)
        assert missing == ()
        assert samples.shape == (1, 480_000)
        assert np.array_equal(samples, ramp(window.start_sample, window.end_sample))


def test_two_events_five_seconds_apart_share_nothing_but_the_street(
    street: tuple[AudioRing, VideoRing],
) -> None:
    shown: list[list[float]] = []
    for peak in (8 * RATE_HZ, 13 * RATE_HZ):
        material = clip_at(peak, street)
        times: list[float] = []

        def note(pictures: Any, times: list[float] = times) -> None:
            times.extend(offset_s for offset_s, _ in pictures)

        copy = make_original(material, watch=note)
        decoded = sound_of(copy.data)
        start = material.window.start_sample
        assert decoded.size == 480_000
        assert np.array_equal(decoded, np.arange(start, start + 480_000) % 2**22)
        assert copy.description["frames"] == len(times) == 250
        assert all(after > before for before, after in pairwise(times))
        shown.append([round(material.window.start_s + offset_s, 3) for offset_s in times])
    both = set(shown[0]) & set(shown[1])
    assert len(both) == 125, "five of ten seconds are in both"


def test_a_copy_is_the_same_bytes_given_the_same_treated_sound_and_cover(
    street: tuple[AudioRing, VideoRing],
) -> None:
    def cover(offset_s: float, picture: Any) -> Any:
        covered = picture.copy()
        covered[:, : picture.shape[1] // 2] = 90
        return covered

    makers: list[Callable[[Material], bytes]] = [
        lambda material: make_original(material).data,
        lambda material: make_viewing(material, cover=cover).data,
    ]
    for make in makers:
        material = clip_at(8 * RATE_HZ, street)
        assert make(material) == make(clip_at(8 * RATE_HZ, street))


def test_a_watcher_that_stops_early_or_breaks_never_shortens_an_original(
    street: tuple[AudioRing, VideoRing],
) -> None:
    material = clip_at(8 * RATE_HZ, street)
    whole = make_original(material)
    assert make_original(material, watch=lambda pictures: next(pictures)).data == whole.data

    def broken(pictures: Any) -> None:
        next(pictures)
        raise ValueError("the watcher broke")

    with pytest.raises(ValueError, match="the watcher broke"):
        make_original(material, watch=broken)
