"""From encoded packets to the pictures of a window: decoded one by one, masked, never all in memory.

Every picture leaves here as fresh planes: nothing but pixels goes on to an encoder, no side data of the
camera's stream (captions, maker's notes) and no pixel outside the mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from noisewatch.capture.ring import HOLE_STEPS, missing_ranges, usual_step_s
from noisewatch.records import VideoPacket

Mask = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
TimedPackets = Sequence[tuple[float, VideoPacket]]

#: Pictures are encoded as 4:2:0, which needs even sides.
PLANAR = "yuv420p"
OPAQUE = "rgb24"


@dataclass(frozen=True, slots=True)
class Picture:
    """One masked picture and its time in seconds after the window's start (below zero: shown from zero)."""

    offset_s: float
    frame: av.VideoFrame


@dataclass(frozen=True, slots=True)
class Plan:
    """What the packets promise of a window, before anything is decoded.

    `expected_frames` is what the usual step between frames would give, `hole_frames` how many of them no
    packet covers, `promised_frames` how many pictures the packets give when all of them can be decoded.
    """

    duration_s: float
    step_s: float
    expected_frames: int
    hole_frames: int
    promised_frames: int

    @property
    def last_offset_s(self) -> float:
        """A frame that begins at or after this would be seen for less than half a step: it is left out."""
        return self.duration_s - self.step_s / 2

    @property
    def stale_offset_s(self) -> float:
        """A frame from before this is too old to be shown at the window's start."""
        return -HOLE_STEPS * self.step_s


def plan_pictures(packets: TimedPackets, *, start_s: float, end_s: float) -> Plan:
    """Count what a window should show, from the packets' times alone; pure.

    Examples
    --------
    >>> plan_pictures((), start_s=0.0, end_s=10.0).expected_frames
    0
    """
    times = sorted({time_s for time_s, _ in packets})
    step_s = usual_step_s(times)
    plan = Plan(
        duration_s=end_s - start_s, step_s=step_s, expected_frames=0, hole_frames=0, promised_frames=0
    )
    if not times:
        return plan
    missing_s = sum(end - start for start, end in missing_ranges(times, start_s, end_s))
    expected = round(plan.duration_s / step_s)
    offsets = [time_s - start_s for time_s in times]
    has_first = any(plan.stale_offset_s < offset_s <= 0.0 for offset_s in offsets)
    return replace(
        plan,
        expected_frames=expected,
        hole_frames=min(expected, round(missing_s / step_s)),
        promised_frames=has_first + sum(0.0 < offset_s < plan.last_offset_s for offset_s in offsets),
    )


def pictures(packets: TimedPackets, *, plan: Plan, start_s: float, mask: Mask | None) -> Iterator[Picture]:
    """Yield the window's pictures in order of presentation, masked.

    The first one is the last frame at or before the window's start, shown from the start on, unless that
    frame is so old that it is no picture of this window. Frames of another size than the first one's are
    left out: the mask was not drawn for them.

    Parameters
    ----------
    packets : sequence of (street_s, VideoPacket)
        In decoding order, beginning at a keyframe.
    plan : Plan
        Of the same packets.
    start_s : float
        The window's start on the street's clock.
    mask : callable, optional
        From RGB of shape (height, width, 3), uint8, to the same shape; None where the whole picture may
        be kept.
    """
    held: tuple[float, av.VideoFrame] | None = None
    size: tuple[int, int] | None = None
    shown_s = -1.0
    for time_s, frame in _decoded(packets):
        offset_s = time_s - start_s
        if offset_s <= 0.0:
            held = (offset_s, frame)
            continue
        if held is not None:
            if held[0] > plan.stale_offset_s:
                size = (held[1].width, held[1].height)
                yield Picture(held[0], _clean(held[1], mask))
            held = None
        if offset_s >= plan.last_offset_s:
            return
        size = size or (frame.width, frame.height)
        if (frame.width, frame.height) != size or offset_s <= shown_s:
            continue
        shown_s = offset_s
        yield Picture(offset_s, _clean(frame, mask))
    if held is not None and held[0] > plan.stale_offset_s:
        yield Picture(held[0], _clean(held[1], mask))


def _decoded(packets: TimedPackets) -> Iterator[tuple[float, av.VideoFrame]]:
    """Decode; the packet's place in the row serves as its time stamp, so no stream's stamps are trusted."""
    decoder: av.VideoCodecContext | None = None
    current = None
    for index, (_, packet) in enumerate(packets):
        if decoder is None or packet.format != current:
            if decoder is not None:
                yield from _timed(decoder, None, packets)
            decoder = _open_decoder(packet)
            current = packet.format
        encoded = av.Packet(packet.data)
        encoded.pts = index
        encoded.is_keyframe = packet.is_keyframe
        yield from _timed(decoder, encoded, packets)
    if decoder is not None:
        yield from _timed(decoder, None, packets)


def _open_decoder(packet: VideoPacket) -> av.VideoCodecContext:
    decoder = av.CodecContext.create(packet.format.codec, "r")
    if not isinstance(decoder, av.VideoCodecContext):
        raise TypeError(f"'{packet.format.codec}' is no codec of pictures")
    decoder.extradata = packet.format.extradata or None
    decoder.width = packet.format.width
    decoder.height = packet.format.height
    decoder.thread_count = 1
    return decoder


def _timed(
    decoder: av.VideoCodecContext, encoded: av.Packet[Any] | None, packets: TimedPackets
) -> Iterator[tuple[float, av.VideoFrame]]:
    try:
        frames = decoder.decode(encoded)
    except av.FFmpegError:
        return  # a packet that cannot be decoded is a missing frame, and is counted as one
    for frame in frames:
        if frame.pts is not None and 0 <= frame.pts < len(packets):
            yield packets[frame.pts][0], frame


def _clean(frame: av.VideoFrame, mask: Mask | None) -> av.VideoFrame:
    """Return a fresh even-sided 4:2:0 frame with the mask applied and nothing of the old one but pixels."""
    width, height = frame.width - frame.width % 2, frame.height - frame.height % 2
    if mask is None and frame.format.name == PLANAR and (width, height) == (frame.width, frame.height):
        return av.VideoFrame.from_ndarray(frame.to_ndarray(), format=PLANAR)
    picture = frame.to_ndarray(format=OPAQUE).astype(np.uint8, copy=False)
    if mask is not None:
        masked = mask(picture)
        if masked.shape != picture.shape or masked.dtype != np.uint8:
            raise ValueError(f"the mask made {masked.dtype} {masked.shape} of uint8 {picture.shape}")
        picture = masked
    even: NDArray[np.uint8] = np.ascontiguousarray(picture[:height, :width])
    # copied into padded lines: the converter reads beyond a line's end, and a view has old memory there
    return av.VideoFrame.from_ndarray(even, format=OPAQUE).reformat(format=PLANAR)
