"""The nightly self-check: one minute, in memory, and only its figure is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from fractions import Fraction

import av
import numpy as np
import pytest

from noisewatch.acoustics.claps import SyncVerdict
from noisewatch.node.selfcheck import CHECK_S, MAXIMUM_BYTES, Held, NightlyCheck, WatchedClock, is_due
from noisewatch.records import AudioBlock, VideoFormat, VideoPacket

RATE_HZ = 8_000
FPS = 25
FLASHES_S = [5.013 + 4.531 * n for n in range(12)]


def test_it_is_due_once_a_night_in_its_hour() -> None:
    night = datetime(2026, 10, 25, 3, 5)  # noqa: DTZ001 - the street's own time, whatever zone that is
    assert is_due(night, hour=3, last=None)
    assert is_due(night, hour=3, last=date(2026, 10, 24))
    assert not is_due(night, hour=3, last=date(2026, 10, 25))
    assert not is_due(night, hour=4, last=None)
    assert not is_due(night, hour=None, last=None)


def pictures(late_s: float) -> Iterator[VideoPacket]:
    """Real H.264 of a lamp; each picture arrives `late_s` after it was taken."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "25"}
    video_format = VideoFormat("h264", b"", 64, 48, 1, FPS)
    for number in range(round((CHECK_S + 2) * FPS)):
        taken_s = number / FPS
        is_lit = any(0.0 <= taken_s - flash_s < 0.12 for flash_s in FLASHES_S)
        frame = av.VideoFrame.from_ndarray(
            np.full((48, 64, 3), 220 if is_lit else 40, np.uint8), format="rgb24"
        )
        frame.pts = number
        for packet in encoder.encode(frame.reformat(format="yuv420p")):
            yield VideoPacket(
                bytes(packet),
                number,
                number,
                1,
                round((100.0 + taken_s + late_s) * 1e9),
                packet.is_keyframe,
                video_format,
            )


def blocks() -> Iterator[AudioBlock]:
    rng = np.random.default_rng(1)
    sound = rng.normal(0.0, 1e-3, round((CHECK_S + 2) * RATE_HZ)).astype(np.float32)
    for flash_s in FLASHES_S:
        start = round(flash_s * RATE_HZ)
        sound[start : start + 800] += rng.normal(0.0, 0.3, 800).astype(np.float32)
    for start in range(0, len(sound), RATE_HZ // 10):
        part = sound[np.newaxis, start : start + RATE_HZ // 10]
        end_s = (start + part.shape[1]) / RATE_HZ
        yield AudioBlock(start, part, RATE_HZ, round((100.0 + end_s) * 1e9))


def run_through(check: NightlyCheck, clock: WatchedClock, *, late_s: float, hour: int) -> None:
    items: list[AudioBlock | VideoPacket] = sorted(
        [*blocks(), *pictures(late_s)], key=lambda item: item.monotonic_ns
    )
    for item in items:
        check.look(datetime(2026, 5, 10, hour, 30, tzinfo=UTC))
        if isinstance(item, AudioBlock):
            clock.observe(item)
        else:
            clock.street_s(item)
    if check.thread is not None:
        check.thread.join(timeout=60)


@pytest.mark.parametrize(("late_s", "left_s"), [(0.08, 0.0), (0.12, 0.04)])
def test_what_is_left_after_correction_is_found(late_s: float, left_s: float) -> None:
    clock = WatchedClock(rate_hz=RATE_HZ, is_live=True, picture_offset_s=0.08)
    found: list[SyncVerdict] = []
    check = NightlyCheck(clock, hour=3, distance_m=0.0, found=found.append)
    run_through(check, clock, late_s=late_s, hour=3)
    (verdict,) = found
    assert verdict.accepted, verdict.why
    assert verdict.offset_s == pytest.approx(left_s, abs=verdict.bound_s)
    assert clock.held is None


def test_outside_its_hour_nothing_is_held() -> None:
    clock = WatchedClock(rate_hz=RATE_HZ, is_live=True)
    check = NightlyCheck(clock, hour=4, distance_m=0.0, found=lambda verdict: pytest.fail(verdict.why))
    run_through(check, clock, late_s=0.08, hour=3)
    assert clock.held is None
    assert check.thread is None


def test_what_is_held_is_bounded() -> None:
    held = Held(rate_hz=RATE_HZ)
    video_format = VideoFormat("h264", b"", 64, 48, 1, FPS)
    for number in range(100):
        data = bytes(MAXIMUM_BYTES // 10)
        held.take_picture(number / FPS, VideoPacket(data, number, number, 1, number, True, video_format))
    assert held.size_bytes <= MAXIMUM_BYTES
    assert len(held.pictures) == 10
    assert held.seconds == 0.0
