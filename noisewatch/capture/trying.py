"""Listen and look for a few seconds, and say in figures what came. Nothing of it is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisewatch.acoustics.levels import LEVEL_FLOOR_DB
from noisewatch.acoustics.meter import Meter
from noisewatch.acoustics.weighting import carrier_rate
from noisewatch.capture.camera import VideoSource
from noisewatch.capture.clapping import decoded
from noisewatch.capture.microphone import AudioSource
from noisewatch.records import AudioBlock, VideoPacket

#: Pictures are judged at this width: sharpness then means the same for every camera.
JUDGED_WIDTH = 640
#: At most so many pictures a second are looked at.
_LOOKS_PER_S = 5.0
_OPENING_S = 8.0


@dataclass(frozen=True, slots=True)
class SoundSeen:
    """What a microphone gave. Levels in dB, A-weighted, channel 0; full scale is a sample value of 1.0."""

    seconds: float
    rate_hz: int
    channels: int
    samples: int
    lost_samples: int
    laeq_db: float
    floor_db: float
    peak_share: float
    dc_share: float
    rms_share: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PictureSeen:
    """What a camera gave. Brightness 0 to 255; sharpness is the variance of the Laplacian at 640 pixels.

    ``change`` is the largest mean difference between two pictures (0 to 255), ``clocked`` the share of
    packets that carry the camera's own time.
    """

    seconds: float
    frames: int
    frames_per_s: float
    width: int
    height: int
    codec: str
    brightness: float
    sharpness: float
    change: float
    clocked: float


def try_sound(audio: AudioSource, *, seconds: float, pascal_per_unit: float) -> SoundSeen | None:
    """Listen; None where nothing came. The source is closed.

    Raises
    ------
    NoisewatchError
        A file that cannot be read.
    """
    blocks: list[AudioBlock] = []
    deadline = time.monotonic() + seconds + _OPENING_S
    ender = _closing_after(audio.close, seconds + _OPENING_S)
    heard_s = 0.0
    for block in audio.blocks():
        blocks.append(block)
        heard_s += block.samples.shape[1] / block.rate_hz
        if heard_s >= seconds or time.monotonic() > deadline:
            break
    ender.cancel()
    audio.close()
    return summarise_sound(blocks, pascal_per_unit=pascal_per_unit)


def summarise_sound(blocks: list[AudioBlock], *, pascal_per_unit: float) -> SoundSeen | None:
    """Return the figures of some blocks; pure, None for none."""
    if not blocks:
        return None
    samples: NDArray[np.float64] = np.concatenate([b.samples for b in blocks], axis=1).astype(np.float64)
    rate_hz = blocks[0].rate_hz
    units = samples / pascal_per_unit
    levels = _levels(samples[0], rate_hz)
    return SoundSeen(
        seconds=samples.shape[1] / rate_hz,
        rate_hz=rate_hz,
        channels=samples.shape[0],
        samples=samples.shape[1],
        lost_samples=sum(block.lost_before for block in blocks),
        laeq_db=float(10 * np.log10(np.mean(10 ** (levels / 10)))) if len(levels) else LEVEL_FLOOR_DB,
        floor_db=float(np.percentile(levels, 10)) if len(levels) else LEVEL_FLOOR_DB,
        peak_share=float(np.abs(units).max()),
        dc_share=float(np.abs(units.mean(axis=1)).max()),
        rms_share=tuple(float(rms) for rms in units.std(axis=1)),
    )


def _levels(samples: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """Return LAeq of each 125 ms; empty where the rate has no weighting."""
    if carrier_rate(rate_hz) != rate_hz:
        return np.zeros(0)
    frames = Meter(rate_hz=rate_hz).push(samples.astype(np.float32))
    # the filters settle in the first frames
    return np.array([frame.laeq_db for frame in frames[4:]])


def try_picture(video: VideoSource, *, seconds: float) -> PictureSeen | None:
    """Look; None where no picture came in time. The source is closed."""
    packets: list[VideoPacket] = []
    ender = _closing_after(video.close, seconds + _OPENING_S)
    for packet in video.packets():
        packets.append(packet)
        if packet.stream_s - packets[0].stream_s >= seconds or len(packets) > 500 * seconds:
            break
        if video.is_live and packet.monotonic_ns - packets[0].monotonic_ns > 2e9 * seconds:
            break
    ender.cancel()
    video.close()
    return summarise_picture(packets)


def summarise_picture(packets: list[VideoPacket]) -> PictureSeen | None:
    """Return the figures of some packets; None where none of them can be decoded."""
    # a running node takes only a constant from here, and needs no 30 MB of OpenCV for that
    import cv2

    if not packets:
        return None
    pictures: list[NDArray[np.float64]] = []
    sharp: list[float] = []
    seen = 0
    looked_s = -np.inf
    for packet, frame in decoded(packets):
        seen += 1
        if abs(packet.stream_s - looked_s) < 1.0 / _LOOKS_PER_S:
            continue
        looked_s = packet.stream_s
        height = max(2, round(frame.height * JUDGED_WIDTH / frame.width))
        grey = frame.reformat(width=JUDGED_WIDTH, height=height, format="gray").to_ndarray()
        sharp.append(float(cv2.Laplacian(grey, cv2.CV_64F).var()))
        pictures.append(grey.astype(np.float64))
    if not pictures:
        return None
    times_s = sorted(packet.stream_s for packet in packets)
    steps_s = np.diff(times_s)
    step_s = float(np.median(steps_s)) if len(steps_s) else 0.0
    last = packets[-1].format
    same = [p for p in pictures if p.shape == pictures[0].shape]
    return PictureSeen(
        seconds=times_s[-1] - times_s[0] + step_s,
        frames=seen,
        frames_per_s=1.0 / step_s if step_s > 0 else 0.0,
        width=last.width,
        height=last.height,
        codec=last.codec,
        brightness=float(np.median([p.mean() for p in pictures])),
        sharpness=float(np.median(sharp)),
        change=max((float(np.abs(p - same[0]).mean()) for p in same[1:]), default=0.0),
        clocked=sum(packet.captured_ns is not None for packet in packets) / len(packets),
    )


def _closing_after(close: Callable[[], None], seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, close)
    timer.daemon = True
    timer.start()
    return timer
