"""Watch and hear a row of claps on the real chain, in memory; nothing of it is kept.

The same clock that places pictures in a run places them here, uncorrected: what the claps then show is the
offset that a run must take off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from noisewatch.acoustics.claps import SyncVerdict, find_claps, find_flashes, offset_of
from noisewatch.acoustics.range import ASSUMED_TEMPERATURE_C, speed_of_sound_mps
from noisewatch.acoustics.sync import BASES, Basis
from noisewatch.capture.camera import VideoSource
from noisewatch.capture.clock import StreetClock
from noisewatch.capture.microphone import AudioSource
from noisewatch.errors import InputError, NoisewatchError
from noisewatch.records import AudioBlock, VideoPacket

#: Cells that a picture's brightness is averaged in.
COLUMNS, ROWS = 32, 18
#: The clocks settle in the first seconds; what happened there is not judged.
SETTLE_S = 3.0
LONGEST_S = 300.0


@dataclass(slots=True)
class Watched:
    """What came in: sound blocks, and per picture its packet (without the picture itself) and brightness."""

    rate_hz: int
    is_live: bool
    blocks: list[AudioBlock] = field(default_factory=list)
    pictures: list[tuple[VideoPacket, NDArray[np.float64]]] = field(default_factory=list)


def watch(
    audio: AudioSource,
    video: VideoSource,
    *,
    seconds: float,
    wait: Callable[[float], None] = time.sleep,
) -> Watched:
    """Watch live sources for some seconds, or files to their end.

    Raises
    ------
    InputError
        No sound or no picture came.
    NoisewatchError
        A source broke off.
    """
    watched = Watched(rate_hz=audio.rate_hz, is_live=video.is_live)
    errors: list[NoisewatchError] = []
    readers = [
        _reader(lambda: _take_sound(audio, watched), errors),
        _reader(lambda: _take_pictures(video, watched), errors),
    ]
    if audio.is_live or video.is_live:
        wait(min(seconds, LONGEST_S))
        audio.close()
        video.close()
    for reader in readers:
        reader.join(timeout=LONGEST_S)
    if errors:
        raise errors[0]
    for what, came, description in (
        ("sound", watched.blocks, audio.description),
        ("picture", watched.pictures, video.description),
    ):
        if not came:
            raise InputError(f"no {what} came within {seconds:g} s", where=description)
    return watched


def judge(watched: Watched, *, distance_m: float) -> dict[Basis, SyncVerdict]:
    """Return what the claps say of the offset, by the camera's clock where it has one, and by arrival.

    Parameters
    ----------
    watched : Watched
        From :func:`watch`.
    distance_m : float
        From the clap to the microphone: the sound's way is no part of the chain.
    """
    claps_s = find_claps(_sound_of(watched), rate_hz=watched.rate_hz)
    delay_s = distance_m / speed_of_sound_mps(ASSUMED_TEMPERATURE_C)
    verdicts: dict[Basis, SyncVerdict] = {}
    for basis in BASES:
        placed = place(watched, basis)
        if len(placed) < 0.5 * len(watched.pictures):
            continue
        times_s = [time_s for time_s, _ in placed]
        flashes = find_flashes(times_s, np.stack([cells for _, cells in placed]))
        verdicts[basis] = offset_of(flashes, claps_s, delay_s=delay_s)
    return verdicts


def place(watched: Watched, basis: Basis) -> list[tuple[float, NDArray[np.float64]]]:
    """Return the pictures on the street's clock by one basis, in order, without the seconds of settling."""
    wanted_offset_s = 0.0 if basis == "camera" else None
    clock = StreetClock(rate_hz=watched.rate_hz, is_live=watched.is_live, camera_offset_s=wanted_offset_s)
    placed: list[tuple[float, NDArray[np.float64]]] = []
    blocks = iter(watched.blocks)
    upcoming = next(blocks, None)
    first_ns = watched.pictures[0][0].monotonic_ns
    # in order of arrival, as a run sees it
    for packet, cells in sorted(watched.pictures, key=lambda item: item[0].monotonic_ns):
        while watched.is_live and upcoming is not None and upcoming.monotonic_ns <= packet.monotonic_ns:
            clock.observe(upcoming)
            upcoming = next(blocks, None)
        street_s = clock.street_s(packet)
        is_settled = not watched.is_live or (packet.monotonic_ns - first_ns) / 1e9 > SETTLE_S
        if street_s is not None and is_settled and (not watched.is_live or clock.basis == basis):
            placed.append((street_s, cells))
    return sorted(placed, key=lambda item: item[0])


def _sound_of(watched: Watched) -> NDArray[np.float32]:
    """Return channel 0 by sample index; what was lost is silence."""
    sound = np.zeros(watched.blocks[-1].end_sample, np.float32)
    for block in watched.blocks:
        sound[block.start_sample : block.end_sample] = block.samples[0]
    return sound


def _reader(work: Callable[[], None], errors: list[NoisewatchError]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        except NoisewatchError as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def _take_sound(audio: AudioSource, watched: Watched) -> None:
    for block in audio.blocks():
        watched.blocks.append(replace(block, samples=block.samples[:1]))
        if block.end_sample > LONGEST_S * block.rate_hz:
            return


def _take_pictures(video: VideoSource, watched: Watched) -> None:
    watched.pictures.extend(brightness(video.packets()))


def brightness(packets: Iterable[VideoPacket]) -> Iterator[tuple[VideoPacket, NDArray[np.float64]]]:
    """Decode packets one by one and yield each, emptied of its picture, with the brightness of its cells."""
    for packet, frame in decoded(packets):
        yield packet, _cells(frame)


def decoded(packets: Iterable[VideoPacket]) -> Iterator[tuple[VideoPacket, av.VideoFrame]]:
    """Decode packets one by one and yield each, emptied of its data, with its picture.

    A packet that cannot be decoded is left out.
    """
    decoder: av.VideoCodecContext | None = None
    current = None
    waiting: dict[int, VideoPacket] = {}
    for number, packet in enumerate(packets):
        if decoder is None or packet.format != current:
            decoder, current, waiting = _decoder(packet), packet.format, {}
        waiting[number] = replace(packet, data=b"")
        encoded = av.Packet(packet.data)
        encoded.pts = number
        encoded.is_keyframe = packet.is_keyframe
        for frame in _frames(decoder, encoded):
            shown = waiting.pop(frame.pts, None) if frame.pts is not None else None
            if shown is not None:
                yield shown, frame
        # what waits for longer than any reordering will not come
        while len(waiting) > 32:
            waiting.pop(next(iter(waiting)))
    for frame in [] if decoder is None else _frames(decoder, None):
        shown = waiting.pop(frame.pts, None) if frame.pts is not None else None
        if shown is not None:
            yield shown, frame


def _decoder(packet: VideoPacket) -> av.VideoCodecContext:
    decoder = av.CodecContext.create(packet.format.codec, "r")
    if not isinstance(decoder, av.VideoCodecContext):
        raise InputError(f"'{packet.format.codec}' is no codec of pictures", where="camera")
    decoder.extradata = packet.format.extradata or None
    decoder.width, decoder.height = packet.format.width, packet.format.height
    decoder.thread_count = 1
    return decoder


def _frames(decoder: av.VideoCodecContext, encoded: av.Packet[Any] | None) -> list[av.VideoFrame]:
    try:
        return list(decoder.decode(encoded))
    except av.FFmpegError:
        return []


def _cells(frame: av.VideoFrame) -> NDArray[np.float64]:
    small = frame.reformat(width=COLUMNS, height=ROWS, format="gray", interpolation="AREA")
    return small.to_ndarray().astype(np.float64).ravel()
