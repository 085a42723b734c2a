"""One picture of a camera or a file, for an installer's eyes: in memory, kept nowhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noisewatch.capture.camera import VideoSource
from noisewatch.capture.picture import pictures, plan_pictures
from noisewatch.errors import InputError
from noisewatch.records import VideoPacket

Image = NDArray[np.uint8]

#: Packets held while waiting for a picture; a keyframe comes at least this often.
_MOST_PACKETS = 600


def take_still(source: VideoSource, *, at_s: float = 0.0) -> Image:
    """Return the picture that a source shows `at_s` seconds after its first packet.

    Parameters
    ----------
    source : VideoSource
        Open; the caller closes it.
    at_s : float
        Seconds after the first packet; the last picture before it is taken, at least the first one.

    Returns
    -------
    ndarray, uint8, shape (height, width, 3)
        BGR, not masked.

    Raises
    ------
    InputError
        No picture can be decoded.
    """
    held: list[tuple[float, VideoPacket]] = []
    first_s: float | None = None
    for packet in source.packets():
        if packet.is_keyframe and (not held or held[-1][0] < at_s):
            held = []
        if not held and not packet.is_keyframe:
            continue
        time_s = packet.monotonic_ns / 1e9
        first_s = time_s if first_s is None else first_s
        held.append((time_s - first_s, packet))
        if (time_s - first_s > at_s and len(held) > 1) or len(held) >= _MOST_PACKETS:
            break
    if not held:
        raise InputError("gave no picture", where=source.description)
    start_s, end_s = held[0][0], held[-1][0] + 1.0
    shown: Image | None = None
    for picture in pictures(
        held, plan=plan_pictures(held, start_s=start_s, end_s=end_s), start_s=start_s, mask=None
    ):
        if shown is None or start_s + picture.offset_s <= at_s:
            shown = picture.frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    if shown is None:
        raise InputError("gave no picture that can be decoded", where=source.description)
    return shown
