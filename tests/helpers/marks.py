"""Recognises a street again: its sound and picture are the marks that are searched in what was written.

Sound is known in the forms in which a program would write it (float32, float64, int16, int24, int32, either
byte order for int16, and base64 of the commonest); pictures as the camera's packets and as decoded planes and
BGR. Sixteen bytes are one mark, taken at every eighth place, so that a run of 24 items always holds one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from noisewatch.capture.microphone import open_audio

#: A mark with fewer different bytes than this may stand anywhere (silence, padding, a flat wall).
DIFFERENT_BYTES = 8
STEP = 8
TABLE_BITS = 26
#: How files of sound and picture begin; what is written outside an event holds none of these.
MAGICS = {
    "JPEG": re.compile(rb"\xff\xd8\xff[\xe0\xe1\xdb\xee]\x00"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "FLAC": re.compile(rb"fLaC[\x00\x80]\x00\x00\x22"),
    "MP4": re.compile(rb"....ftyp(isom|mp4|avc1|iso)", re.DOTALL),
    "Ogg": re.compile(rb"OggS\x00\x02"),
    "WAV": re.compile(rb"RIFF....WAVE", re.DOTALL),
    "H.264": re.compile(
        rb"\x00\x00\x00\x01[\x67\x27][\x42\x4d\x58\x64].[\x0a-\x34].{4,80}?\x00\x00\x01[\x68\x28]", re.DOTALL
    ),
    "NumPy": re.compile(rb"\x93NUMPY"),
}


@dataclass(frozen=True)
class Marks:
    """Marks by the name of their form, each sorted."""

    forms: dict[str, NDArray[np.uint64]]
    seen: NDArray[np.bool_]

    @classmethod
    def of_forms(cls, forms: dict[str, NDArray[np.uint64]]) -> Marks:
        """Return the marks with a table of their first bits, by which most bytes are seen to be none."""
        seen = np.zeros(1 << TABLE_BITS, dtype=np.bool_)
        for marks in forms.values():
            seen[marks >> np.uint64(64 - TABLE_BITS)] = True
        return cls(forms, seen)

    def found_in(self, data: bytes) -> set[str]:
        """Return the forms of which at least one mark stands in some bytes, at any place."""
        found: set[str] = set()
        for phase in range(8):
            usable = (len(data) - phase) // 8
            if usable <= 0:
                break
            words = np.frombuffer(data, dtype="<u8", count=usable, offset=phase)
            pairs = _joined(words[:-1], words[1:])[(words[:-1] != 0) | (words[1:] != 0)]
            pairs = pairs[self.seen[pairs >> np.uint64(64 - TABLE_BITS)]]
            for name, marks in self.forms.items():
                if name not in found and pairs.size and marks.size:
                    places = np.minimum(np.searchsorted(marks, pairs), marks.size - 1)
                    if bool(np.any(marks[places] == pairs)):
                        found.add(name)
        return found


def _joined(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One number for sixteen bytes; two odd factors, so that no byte is without weight."""
    joined: NDArray[np.uint64] = first * np.uint64(0x9E3779B97F4A7C15) ^ second * np.uint64(
        0xC2B2AE3D27D4EB4F
    )
    return joined


def media_in(data: bytes) -> set[str]:
    """Return which kinds of files of sound and picture begin in some bytes."""
    return {name for name, magic in MAGICS.items() if magic.search(data)}


def of_bytes(data: bytes, *, item_bytes: int) -> NDArray[np.uint64]:
    """Return the marks of a run of items, at every eighth item."""
    raw = np.frombuffer(data, dtype=np.uint8)
    starts = np.arange(0, max(0, raw.size - 16 + 1), STEP * item_bytes)
    windows = raw[starts[:, None] + np.arange(16)]
    ordered = np.sort(windows, axis=1)
    different = 1 + np.count_nonzero(np.diff(ordered.astype(np.int16), axis=1), axis=1)
    kept = np.ascontiguousarray(windows[different >= DIFFERENT_BYTES]).view("<u8").reshape(-1, 2)
    return np.unique(_joined(kept[:, 0], kept[:, 1]))


def of_sound(path: Path, *, pascal_per_unit: float) -> dict[str, NDArray[np.uint64]]:
    """Return the marks of a sound file, as it is and as the node scales it."""
    units, _ = soundfile.read(str(path), dtype="float32", always_2d=True)
    source = open_audio(str(path), pascal_per_unit=pascal_per_unit)
    pascal = np.concatenate([block.samples for block in source.blocks()], axis=1)
    integers = np.round(units.astype(np.float64) * 2**31).clip(-(2**31), 2**31 - 1).astype("<i4")
    wide = integers.view(np.uint8).reshape(-1, 4)
    writers: dict[str, tuple[Callable[[], bytes], int]] = {
        "int16": (lambda: (integers >> 16).astype("<i2").tobytes(), 2),
        "int16 of one channel": (lambda: (integers[:, 0] >> 16).astype("<i2").tobytes(), 2),
        "int16 big-endian": (lambda: (integers >> 16).astype(">i2").tobytes(), 2),
        "int24": (lambda: np.ascontiguousarray(wide[:, 1:]).tobytes(), 3),
        "int32": (integers.tobytes, 4),
        "float32": (units.tobytes, 4),
        "float32 pascal": (pascal.tobytes, 4),
        "float32 pascal, interleaved": (np.ascontiguousarray(pascal.T).tobytes, 4),
        "float64 pascal": (pascal.astype(np.float64).tobytes, 8),
    }
    found = {name: of_bytes(write(), item_bytes=size) for name, (write, size) in writers.items()}
    encoded = base64.b64encode(np.ascontiguousarray(pascal).tobytes())
    found["base64 of float32 pascal"] = of_bytes(encoded, item_bytes=4)
    return found


def of_picture(path: Path, *, pictures: int = 12) -> dict[str, NDArray[np.uint64]]:
    """Return the marks of a film: all packets of its picture, and some pictures decoded."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
    planes: list[bytes] = []
    colours: list[bytes] = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 50 == 0 and len(planes) < pictures:
                planes.append(frame.to_ndarray(format="yuv420p").tobytes())
                colours.append(frame.to_ndarray(format="bgr24").tobytes())
    return {
        "packet of the camera": np.unique(np.concatenate([of_bytes(p, item_bytes=1) for p in packets])),
        "decoded picture": np.unique(np.concatenate([of_bytes(p, item_bytes=1) for p in planes])),
        "decoded picture in BGR": np.unique(np.concatenate([of_bytes(p, item_bytes=1) for p in colours])),
    }


def of_street(sound: Path, film: Path, *, pascal_per_unit: float) -> Marks:
    """Return the marks of a street."""
    return Marks.of_forms({**of_sound(sound, pascal_per_unit=pascal_per_unit), **of_picture(film)})


def files_below(folder: Path) -> Iterable[Path]:
    """Return all plain files below a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
