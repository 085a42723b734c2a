"""Which microphones and cameras this machine has, and what they can do. Nothing is recorded."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisewatch.capture.device import import_portaudio
from noisewatch.errors import UnavailableError

#: Rates that a microphone is asked about, in hertz.
RATES_HZ = (16_000, 44_100, 48_000, 96_000)
#: ioctl numbers and structures of linux/videodev2.h.
_QUERYCAP, _ENUM_FMT, _ENUM_FRAMESIZES = 0x80685600, 0xC0405602, 0xC02C564A
_CAPABILITY = struct.Struct("<16s32s32sII I12x")
_FORMAT = struct.Struct("<III32sII12x")
_SIZE = struct.Struct("<III6I8x")
_CAPTURES_PICTURES = 0x1
_HAS_DEVICE_CAPS = 0x80000000
_DISCRETE = 1
_MOST = 64


@dataclass(frozen=True, slots=True)
class Microphone:
    """An input: its name (what ``device:NAME`` takes), channels, and the rates that it accepts."""

    name: str
    host: str
    channels: int
    default_rate_hz: int
    rates_hz: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Camera:
    """A V4L2 camera: its path, its name, and what it sends, as "H264 1920x1080"."""

    path: str
    name: str
    modes: tuple[str, ...]


def microphones() -> tuple[Microphone, ...]:
    """Return all inputs that PortAudio knows; none where it is not installed.

    Which of :data:`RATES_HZ` an input accepts is asked of the input itself, with one channel.
    """
    try:
        sound = import_portaudio()
    except UnavailableError:
        return ()
    hosts = sound.query_hostapis()
    return tuple(
        Microphone(
            name=str(entry["name"]),
            host=str(hosts[entry["hostapi"]]["name"]),
            channels=int(entry["max_input_channels"]),
            default_rate_hz=round(entry["default_samplerate"]),
            rates_hz=tuple(rate for rate in RATES_HZ if _accepts(sound, int(entry["index"]), rate)),
        )
        for entry in sound.query_devices()
        if entry["max_input_channels"] > 0
    )


def _accepts(sound: Any, index: int, rate_hz: int) -> bool:
    try:
        sound.check_input_settings(device=index, channels=1, samplerate=rate_hz, dtype="float32")
    except (sound.PortAudioError, ValueError):
        return False
    return True


def cameras(folder: Path = Path("/dev")) -> tuple[Camera, ...]:
    """Return the V4L2 devices that capture pictures; one that may not be opened is named so."""
    found = []
    for path in sorted(folder.glob("video*")):
        camera = _camera(path)
        if camera is not None:
            found.append(camera)
    return tuple(found)


def _camera(path: Path) -> Camera | None:
    """Ask one device; None where it captures no pictures."""
    try:
        device = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Camera(str(path), f"cannot be opened ({error.strerror})", ())
    try:
        answer = bytearray(_CAPABILITY.size)
        fcntl.ioctl(device, _QUERYCAP, answer)
        name, takes_pictures = parse_capability(bytes(answer))
        return Camera(str(path), name, _modes(device)) if takes_pictures else None
    except OSError:
        return None  # a node that is no V4L2 device
    finally:
        os.close(device)


def _modes(device: int) -> tuple[str, ...]:
    modes: list[str] = []
    for index in range(_MOST):
        entry = bytearray(_FORMAT.pack(index, 1, 0, b"", 0, 0))
        try:
            fcntl.ioctl(device, _ENUM_FMT, entry)
        except OSError:
            break
        code, _ = parse_format(bytes(entry))
        modes += [
            f"{code.to_bytes(4, 'little').decode('ascii', 'replace')} {s}" for s in _sizes(device, code)
        ]
    return tuple(modes)


def _sizes(device: int, code: int) -> list[str]:
    sizes: list[str] = []
    for index in range(_MOST):
        entry = bytearray(_SIZE.pack(index, code, 0, 0, 0, 0, 0, 0, 0))
        try:
            fcntl.ioctl(device, _ENUM_FRAMESIZES, entry)
        except OSError:
            break
        sizes.append(parse_size(bytes(entry)))
        if struct.unpack_from("<I", entry, 8)[0] != _DISCRETE:
            break
    return sizes


def parse_capability(data: bytes) -> tuple[str, bool]:
    """Read ``struct v4l2_capability``: the card's name, and whether this node captures pictures.

    Examples
    --------
    >>> data = _CAPABILITY.pack(b"uvcvideo", b"USB Camera", b"usb-1", 0x60100, 0x84A00001, 0x04200001)
    >>> parse_capability(data)
    ('USB Camera', True)
    """
    _, card, _, _, capabilities, of_this_node = _CAPABILITY.unpack(data)
    named = of_this_node if capabilities & _HAS_DEVICE_CAPS else capabilities
    return card.split(b"\0")[0].decode("utf-8", "replace"), bool(named & _CAPTURES_PICTURES)


def parse_format(data: bytes) -> tuple[int, str]:
    """Read ``struct v4l2_fmtdesc``: the pixel format's code, and what the driver calls it.

    Examples
    --------
    >>> parse_format(_FORMAT.pack(0, 1, 1, b"H.264", 0x34363248, 0))
    (875967048, 'H.264')
    """
    _, _, _, words, code, _ = _FORMAT.unpack(data)
    return code, words.split(b"\0")[0].decode("utf-8", "replace")


def parse_size(data: bytes) -> str:
    """Read ``struct v4l2_frmsizeenum`` as text.

    Examples
    --------
    >>> parse_size(_SIZE.pack(0, 0, 1, 1920, 1080, 0, 0, 0, 0))
    '1920x1080'
    >>> parse_size(_SIZE.pack(0, 0, 3, 32, 2592, 16, 32, 1944, 8))
    '32x32 to 2592x1944'
    """
    _, _, kind, a, b, _, c, d, _ = _SIZE.unpack(data)
    return f"{a}x{b}" if kind == _DISCRETE else f"{a}x{c} to {b}x{d}"
