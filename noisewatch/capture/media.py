"""The two copies of a clip, made in memory: nothing here touches a disk.

The original holds H.264 and FLAC in MP4: decoding gives exactly the window's samples at 48 kHz and 24 bits.
The viewing copy holds H.264 and AAC for any player. Every frame was decoded, masked and is encoded again.
Given the same input and the same versions of the libraries, the bytes are the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.container
import numpy as np
from numpy.typing import NDArray

from noisewatch.capture.picture import PLANAR, Mask, Picture, Plan, TimedPackets, pictures, plan_pictures
from noisewatch.records import ClipWindow

CLIP_RATE_HZ = 48_000
#: Pascal of full scale that the original uses unless a sound is louder: a peak of 120 dB.
FULL_SCALE_PA = 20.0
#: The quietest full scale of a viewing copy, so that silence stays silence: a peak of 74 dB.
QUIETEST_FULL_SCALE_PA = 0.1
VIEWING_HEADROOM = 0.9
TICKS = 90_000
FULL_24_BIT = 2**23 - 1
_BLOCK = 4_800
_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_EXACT = {
    "movie_timescale": str(TICKS),
    "video_track_timescale": str(TICKS),
    "fflags": "+bitexact",
}


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy in the clear, still in memory, and what it is."""

    data: bytes
    description: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clip:
    """Two copies in the clear, still in memory, and what each of them is."""

    original: bytes
    viewing: bytes
    description_original: dict[str, Any]
    description_viewing: dict[str, Any]


#: What happens to a picture of the viewing copy: (seconds after the window's start, BGR) to BGR.
Cover = Callable[[float, NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Material:
    """What both copies of a clip are made of.

    Parameters
    ----------
    window : ClipWindow
        What to cut; `samples` are exactly its samples.
    samples : ndarray, float32, shape (channels, n)
        Sound pressure in pascal, 1 to 8 channels, at the window's rate; zero where sound is missing. Another
        rate than 48 kHz is resampled for the clip (soxr, very high quality).
    packets : sequence of (street_s, VideoPacket)
        In decoding order from a keyframe, as `VideoRing.read` gives them; empty for a clip without picture.
    mask : callable, optional
        RGB (height, width, 3) to RGB; None keeps the whole picture.
    missing_samples : int
        How many of the window's samples are missing, for the description.

    Raises
    ------
    ValueError
        When samples and window do not belong together.
    """

    window: ClipWindow
    samples: NDArray[np.float32]
    packets: TimedPackets = ()
    mask: Mask | None = None
    missing_samples: int = 0

    def __post_init__(self) -> None:
        length = self.window.end_sample - self.window.start_sample
        if self.samples.ndim != 2 or self.samples.shape[1] != length:
            raise ValueError(
                f"samples of shape {self.samples.shape} do not fill a window of {length} samples"
            )

    @property
    def plan(self) -> Plan:
        """What the packets promise of the window."""
        window = self.window
        return plan_pictures(self.packets, start_s=window.start_s, end_s=window.end_sample / window.rate_hz)

    def pictures(self) -> Iterator[Picture]:
        """Decode and mask the window's pictures, one by one; each call decodes anew."""
        return pictures(self.packets, plan=self.plan, start_s=self.window.start_s, mask=self.mask)

    def seen(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Yield seconds after the window's start and BGR of each masked picture."""
        for picture in self.pictures():
            yield picture.offset_s, as_bgr(picture.frame)

    def clip_samples(self) -> NDArray[np.float32]:
        """Return the samples at 48 kHz; exactly as many as the window lasts."""
        return _at_clip_rate(self.samples, self.window.rate_hz)


def make_original(
    material: Material,
    *,
    pascal_per_unit_out: float = FULL_SCALE_PA,
    watch: Callable[[Iterator[tuple[float, NDArray[np.uint8]]]], None] | None = None,
) -> Copy:
    """Cut, mask and encode the original: H.264 and FLAC of 24 bits.

    Parameters
    ----------
    material : Material
        What to make it of.
    pascal_per_unit_out : float
        Pascal of the original's full scale; doubled until nothing clips. The description states it.
    watch : callable, optional
        Is given the masked pictures, (seconds after the window's start, BGR), while they are encoded.
    """
    sound = material.clip_samples()
    duration = Fraction(sound.shape[1], CLIP_RATE_HZ)
    writer = _Writer(sound=_original_sound(sound, pascal_per_unit_out), duration=duration, crf=18)
    plan, offsets, is_whole = material.plan, list[float](), False

    def encoded() -> Iterator[Picture]:
        nonlocal is_whole
        for picture in material.pictures():
            offsets.append(picture.offset_s)
            writer.add(picture, plan)
            yield picture
        is_whole = True

    row = encoded()
    if watch is not None:
        watch((picture.offset_s, as_bgr(picture.frame)) for picture in row)
    for _ in row:
        pass
    if not is_whole:
        raise RuntimeError("the pictures broke off while they were watched")
    about = _about(material.window, plan, offsets, missing_samples=material.missing_samples)
    return Copy(writer.finish(), about | writer.description())


def make_viewing(material: Material, *, cover: Cover | None = None) -> Copy:
    """Cut, mask, cover and encode the viewing copy: H.264 and AAC for any player.

    Parameters
    ----------
    material : Material
        What to make it of.
    cover : callable, optional
        Covers bystanders; it must return the same shape.
    """
    sound = material.clip_samples()
    duration = Fraction(sound.shape[1], CLIP_RATE_HZ)
    writer = _Writer(sound=_viewing_sound(sound), duration=duration, crf=23)
    plan, offsets = material.plan, list[float]()
    for picture in material.pictures():
        offsets.append(picture.offset_s)
        writer.add(picture if cover is None else _covered(picture, cover), plan)
    about = _about(material.window, plan, offsets, missing_samples=material.missing_samples)
    return Copy(writer.finish(), about | writer.description())


def make_clip(
    *,
    window: ClipWindow,
    samples: NDArray[np.float32],
    audio_rate_hz: int,
    packets: TimedPackets = (),
    mask: Mask | None = None,
    pascal_per_unit_out: float = FULL_SCALE_PA,
    missing_samples: int = 0,
) -> Clip:
    """Make both copies in a row; parameters and errors are those of `Material` and `make_original`."""
    if audio_rate_hz != window.rate_hz:
        raise ValueError(f"samples at {audio_rate_hz} Hz do not fill a window at {window.rate_hz} Hz")
    material = Material(window, samples, packets, mask, missing_samples)
    original = make_original(material, pascal_per_unit_out=pascal_per_unit_out)
    viewing = make_viewing(material)
    return Clip(original.data, viewing.data, original.description, viewing.description)


def as_bgr(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return a picture as BGR, uint8, shape (height, width, 3)."""
    return frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)


def _covered(picture: Picture, cover: Cover) -> Picture:
    clear = as_bgr(picture.frame)
    covered = cover(picture.offset_s, clear)
    if covered.shape != clear.shape or covered.dtype != np.uint8:
        raise ValueError(f"the cover made {covered.dtype} {covered.shape} of uint8 {clear.shape}")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(covered), format="bgr24")
    return Picture(picture.offset_s, frame.reformat(format=PLANAR))


def _about(window: ClipWindow, plan: Plan, offsets: list[float], *, missing_samples: int) -> dict[str, Any]:
    """Describe what both copies share."""
    missing = plan.hole_frames + max(0, plan.promised_frames - len(offsets))
    about: dict[str, Any] = {
        "duration_s": round(window.duration_s, 6),
        "frames": len(offsets),
        "expected_frames": plan.expected_frames,
        "missing_frames": missing,
        "missing_samples": missing_samples,
        "first_frame_offset_s": round(offsets[0], 6) + 0.0 if offsets else None,
        "why": window.why,
    }
    if not offsets:
        about["note"] = "no picture, not evidence"
    return about


def _at_clip_rate(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Return samples at 48 kHz; exactly as many as the window lasts."""
    if rate_hz == CLIP_RATE_HZ:
        return samples
    import soxr

    count = round(Fraction(samples.shape[1], rate_hz) * CLIP_RATE_HZ)
    resampled = soxr.resample(np.ascontiguousarray(samples.T), rate_hz, CLIP_RATE_HZ, quality="VHQ")
    out = np.zeros((samples.shape[0], count), dtype=np.float32)
    kept = min(count, len(resampled))
    out[:, :kept] = resampled[:kept].T
    return out


@dataclass(frozen=True, slots=True)
class _Sound:
    """Sound ready for an encoder: interleaved (n, channels), its scale, codec and sample format."""

    data: NDArray[Any]
    pascal_per_unit: float
    codec: str
    sample_format: str
    note: str


def _original_sound(sound: NDArray[np.float32], pascal_per_unit: float) -> _Sound:
    """Scale to 24 bits; full scale doubles until the loudest sample fits."""
    peak_pa = float(np.max(np.abs(sound), initial=0.0))
    while peak_pa > pascal_per_unit * (FULL_24_BIT / 2**23):
        pascal_per_unit *= 2.0
    units = np.rint(sound.T.astype(np.float64) * (2**23 / pascal_per_unit)).astype(np.int32)
    return _Sound(np.ascontiguousarray(units << 8), pascal_per_unit, "flac", "s32", "24 bits")


def _viewing_sound(sound: NDArray[np.float32]) -> _Sound:
    """Take what two ears can use, made as loud as it goes."""
    channels = sound.shape[0]
    heard = sound if channels <= 2 else sound[:1]
    note = "all channels" if channels <= 2 else f"channel 1 of {channels}"
    peak_pa = float(np.max(np.abs(heard), initial=0.0))
    pascal_per_unit = max(peak_pa / VIEWING_HEADROOM, QUIETEST_FULL_SCALE_PA)
    units = (heard / np.float32(pascal_per_unit)).T
    return _Sound(np.ascontiguousarray(units, dtype=np.float32), pascal_per_unit, "aac", "flt", note)


class _Writer:
    """One MP4 in memory: frames go in one by one, the sound at the end of the header."""

    def __init__(self, *, sound: _Sound, duration: Fraction, crf: int) -> None:
        self._sound = sound
        self._duration = duration
        self._ticks = round(duration * TICKS)
        self._crf = crf
        self._buffer = io.BytesIO()
        self._container: av.container.OutputContainer = av.open(
            self._buffer, "w", format="mp4", container_options=dict(_EXACT)
        )
        self._video: av.VideoStream | None = None
        self._audio: av.AudioStream | None = None
        self._waiting: av.Packet[Any] | None = None
        self._last_pts = -1
        self._frames = 0

    def add(self, picture: Picture, plan: Plan) -> None:
        """Encode one picture; its offset below zero is shown from zero on."""
        if self._video is None:
            self._video = self._add_video(picture.frame, plan)
            self._start_sound()
        frame = picture.frame
        pts = max(0, round(picture.offset_s * TICKS), self._last_pts + 1)
        self._last_pts = pts
        frame.pts = pts
        frame.time_base = Fraction(1, TICKS)
        self._frames += 1
        self._mux_pictures(self._video.encode(frame))

    def finish(self) -> bytes:
        """Write what is left and return the file."""
        if self._video is not None:
            self._mux_pictures(self._video.encode(None))
            if self._waiting is not None and self._waiting.pts is not None:
                self._mux_waiting(until=self._ticks)
        else:
            self._start_sound()
        self._container.close()
        return self._buffer.getvalue()

    def description(self) -> dict[str, Any]:
        """Describe this copy: its streams, its scale, its libraries."""
        channels = self._sound.data.shape[1]
        codec = {"audio": self._sound.codec}
        encoder = {"ffmpeg": av.ffmpeg_version_info, "pyav": av.__version__}
        about: dict[str, Any] = {
            "samples": int(self._sound.data.shape[0]),
            "rate_hz": CLIP_RATE_HZ,
            "channels": int(channels),
            "sound": self._sound.note,
            "pascal_per_unit": self._sound.pascal_per_unit,
            "width": 0 if self._video is None else self._video.width,
            "height": 0 if self._video is None else self._video.height,
        }
        if self._video is not None:
            codec["video"] = "h264"
            encoder["h264"] = f"libx264 veryfast crf {self._crf}"
        return about | {"codec": codec, "encoder": encoder}

    def _add_video(self, frame: av.VideoFrame, plan: Plan) -> av.VideoStream:
        rate = Fraction(1 / max(plan.step_s, 1e-3)).limit_denominator(1001)
        stream = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, PLANAR
        codec = stream.codec_context
        codec.time_base = Fraction(1, TICKS)
        codec.gop_size = max(1, round(2 / plan.step_s))
        codec.max_b_frames = 0
        codec.thread_count = 1
        codec.options = {
            "preset": "veryfast",
            "crf": str(self._crf),
            # captions of the source would be copied; frames are fresh, this is the second lock
            "a53cc": "0",
            # two frames of look-ahead instead of ten: 57 MiB less at 720p, and smaller files here
            "x264-params": "rc-lookahead=2:sync-lookahead=0",
        }
        return stream

    def _mux_pictures(self, packets: list[av.Packet[Any]]) -> None:
        """Hold one packet back: how long it is shown is known when the next one comes."""
        for packet in packets:
            if self._waiting is not None and packet.pts is not None:
                self._mux_waiting(until=packet.pts)
            self._waiting = packet

    def _mux_waiting(self, *, until: int) -> None:
        packet, self._waiting = self._waiting, None
        if packet is None or packet.pts is None:
            return
        packet.time_base = Fraction(1, TICKS)
        packet.duration = until - packet.pts
        self._container.mux(packet)

    def _start_sound(self) -> None:
        """Add the sound's stream and all of its packets; the muxer interleaves."""
        sound = self._sound
        layout = _LAYOUTS[sound.data.shape[1] - 1]
        if sound.codec == "aac":
            stream = self._container.add_stream("aac", rate=CLIP_RATE_HZ, layout=layout)
            stream.codec_context.bit_rate = 96_000 * sound.data.shape[1]
        else:
            stream = self._container.add_stream("flac", rate=CLIP_RATE_HZ, layout=layout)
            stream.codec_context.format = av.AudioFormat(sound.sample_format)
        stream.codec_context.thread_count = 1
        for packet in self._encoded_sound(stream, layout):
            self._container.mux(packet)

    def _encoded_sound(self, stream: av.AudioStream, layout: str) -> Iterator[av.Packet[Any]]:
        sound = self._sound
        for first in range(0, len(sound.data), _BLOCK):
            part = np.ascontiguousarray(sound.data[first : first + _BLOCK]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format=sound.sample_format, layout=layout)
            frame.sample_rate = CLIP_RATE_HZ
            frame.pts = first
            frame.time_base = Fraction(1, CLIP_RATE_HZ)
            yield from stream.encode(frame)
        yield from stream.encode(None)
