"""Copy what PyAV demuxed into records, checked."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noisewatch.errors import InputError
from noisewatch.records import VideoFormat, VideoPacket

if TYPE_CHECKING:
    import av

MAXIMUM_SIDE = 8_192
_PRFT_BYTES = 8


def to_packet(
    packet: av.Packet[Any], video_format: VideoFormat, *, monotonic_ns: int, captured_ns: int | None = None
) -> VideoPacket:
    """Copy PyAV's packet, which must have a presentation time, into a record."""
    if packet.pts is None:
        raise ValueError("a packet without a presentation time")
    return VideoPacket(
        data=bytes(packet),
        pts=packet.pts,
        dts=packet.pts if packet.dts is None else packet.dts,
        duration=packet.duration or 0,
        monotonic_ns=monotonic_ns,
        is_keyframe=packet.is_keyframe,
        format=video_format,
        captured_ns=captured_ns,
    )


def camera_clock_ns(packet: av.Packet[Any]) -> int | None:
    """Return the UTC of capture that a packet's RTCP sender reports give (side data ``prft``), in ns.

    None where the stream gives none. Whether the camera's clock is right is not known here.
    """
    for side in packet.iter_sidedata():
        if side.data_type == "prft":
            data = bytes(side)
            # AVProducerReferenceTime: int64 microseconds, int flags
            return struct.unpack_from("<q", data)[0] * 1_000 if len(data) >= _PRFT_BYTES else None
    return None


def format_of(stream: av.VideoStream, *, where: Path | str) -> VideoFormat:
    """Return what a decoder must know of a stream.

    Raises
    ------
    InputError
        When the stream has no usable size or time base.
    """
    codec = stream.codec_context
    base = stream.time_base
    if not (0 < codec.width <= MAXIMUM_SIDE and 0 < codec.height <= MAXIMUM_SIDE):
        raise InputError(f"has a picture of {codec.width}x{codec.height} pixels", where=where)
    if base is None or base <= 0:
        raise InputError("has a picture without a time base", where=where)
    return VideoFormat(
        codec=codec.name,
        extradata=bytes(codec.extradata or b""),
        width=codec.width,
        height=codec.height,
        time_base_num=base.numerator,
        time_base_den=base.denominator,
    )
