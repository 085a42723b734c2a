"""Read a clip back from memory: its facts, its sound and the picture at one moment. Nothing is written."""

from __future__ import annotations

import io
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from noisewatch.errors import InputError


@dataclass(frozen=True, slots=True)
class Film:
    """What a clip holds.

    ``sound`` is channel 0, float32 of shape (n,), full scale 1.0; ``still`` is RGB uint8 of shape
    (height, width, 3) or None where there is no picture.
    """

    sound: NDArray[np.float32]
    rate_hz: int
    still: NDArray[np.uint8] | None


def read_film(data: bytes, *, still_at_s: float) -> Film:
    """Decode a clip's sound, and the last picture shown at or before a moment.

    Raises
    ------
    InputError
        It is not a film that can be read.
    """
    try:
        sound, rate_hz = _read_sound(data)
        return Film(sound=sound, rate_hz=rate_hz, still=_read_still(data, still_at_s))
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"cannot be read as a film ({error})", where="clip") from error


def read_still(data: bytes, *, still_at_s: float) -> NDArray[np.uint8] | None:
    """Return the last picture shown at or before a moment, RGB; None where there is none. Raises as above."""
    try:
        return _read_still(data, still_at_s)
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"cannot be read as a film ({error})", where="clip") from error


def _read_sound(data: bytes) -> tuple[NDArray[np.float32], int]:
    with av.open(io.BytesIO(data), mode="r") as container:
        if not container.streams.audio:
            return np.zeros(0, np.float32), 48_000
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", rate=stream.rate)
        blocks = [
            part.to_ndarray()[0] for frame in container.decode(stream) for part in resampler.resample(frame)
        ]
        sound = np.concatenate(blocks) if blocks else np.zeros(0)
        return sound.astype(np.float32, copy=False), stream.rate


def _read_still(data: bytes, at_s: float) -> NDArray[np.uint8] | None:
    with av.open(io.BytesIO(data), mode="r") as container:
        if not container.streams.video:
            return None
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if stream.time_base is not None:
            container.seek(max(0, int(at_s / stream.time_base)), stream=stream)
        kept: av.VideoFrame | None = None
        for frame in container.decode(stream):
            if kept is not None and frame.time is not None and frame.time > at_s + 1e-6:
                break
            kept = frame
        if kept is None:
            return None
        picture: NDArray[np.uint8] = kept.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
        return picture


def probe(data: bytes, *, duration: str) -> list[str]:
    """Return what is wrong with a clip as a film of this length with picture and sound."""
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            kinds = {stream.type for stream in container.streams}
            duration_s = (container.duration or 0) / 1e6
    except (av.FFmpegError, ValueError) as error:
        return [f"cannot be read as a film ({error})"]
    wrong = [] if "video" in kinds else ["has no picture"]
    wrong += [] if "audio" in kinds else ["has no sound"]
    if f"{duration_s:.3f}" != duration:
        wrong.append(f"lasts {duration_s:.3f} s, not {duration} s")
    return wrong
