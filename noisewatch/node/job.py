"""What the node asks of a sealing child, and what it gets back; both travel as framed messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from noisewatch.capture.picture import TimedPackets
from noisewatch.evidence.seal import DayKey
from noisewatch.node import framing
from noisewatch.records import ClipWindow, Media, VideoFormat, VideoPacket

Kind = Literal["original", "viewing"]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Job:
    """One copy of one clip to make and to seal.

    Parameters
    ----------
    kind : str
        "original": the sound is still untouched, and the child destroys the voices in it. "viewing": the
        sound has been treated before.
    window : ClipWindow
        What to cut.
    samples : ndarray, float32, shape (channels, n)
        Pascal at the window's rate.
    packets : sequence of (street_s, VideoPacket)
        Encoded pictures in decoding order.
    carriageway : sequence of (x, y)
        Outside this polygon nothing is encoded.
    key : DayKey
        To whom to seal.
    lost_samples : int
        How many of the samples are missing.
    heard : mapping
        What the sound says of the vehicle, for "original".
    recognised : sequence of (start_s, end_s)
        Where the event's signature matched, in seconds after the window's start, for "original".
    vehicle : sequence of (time_s, x, y, width, height)
        Boxes of the vehicle that caused the event, for "viewing": seconds after the window's start, shares
        of the picture.
    face_model : str
        File of the face finder, for "viewing"; empty where there is none.
    """

    kind: Kind
    window: ClipWindow
    samples: NDArray[np.float32]
    packets: TimedPackets
    carriageway: tuple[Point, ...]
    key: DayKey
    lost_samples: int = 0
    heard: Mapping[str, Any] = field(default_factory=dict)
    recognised: Sequence[tuple[float, float]] = ()
    vehicle: Sequence[Sequence[float]] = ()
    face_model: str = ""

    def to_message(self) -> bytes:
        """Return the job as one framed message."""
        formats: list[VideoFormat] = []
        rows: list[list[Any]] = []
        for street_s, packet in self.packets:
            if packet.format not in formats:
                formats.append(packet.format)
            rows.append([street_s, len(packet.data), packet.is_keyframe, formats.index(packet.format)])
        samples = np.ascontiguousarray(self.samples, dtype="<f4")
        header = {
            "kind": self.kind,
            "window": asdict(self.window),
            "channels": samples.shape[0],
            "packets": rows,
            "formats": [{**asdict(each), "extradata": each.extradata.hex()} for each in formats],
            "carriageway": [list(point) for point in self.carriageway],
            "key": {**asdict(self.key), "day": self.key.day.isoformat()},
            "lost_samples": self.lost_samples,
            "heard": dict(self.heard),
            "recognised": [list(span) for span in self.recognised],
            "vehicle": [list(box) for box in self.vehicle],
            "face_model": self.face_model,
        }
        pictures = b"".join(packet.data for _, packet in self.packets)
        return framing.pack(header, {"samples": samples.data.cast("B"), "pictures": pictures})

    @classmethod
    def from_message(cls, header: Mapping[str, Any], parts: Mapping[str, bytes]) -> Job:
        """Return the job of a message; ``FramingError`` where it is none."""
        try:
            return cls(
                kind="original" if header["kind"] == "original" else "viewing",
                window=ClipWindow(**header["window"]),
                samples=np.frombuffer(parts["samples"], dtype="<f4").reshape(int(header["channels"]), -1),
                packets=_packets(header, parts["pictures"]),
                carriageway=tuple((float(x), float(y)) for x, y in header["carriageway"]),
                key=DayKey(
                    day=date.fromisoformat(header["key"]["day"]),
                    officer=str(header["key"]["officer"]),
                    supervisor=str(header["key"]["supervisor"]),
                    records=str(header["key"]["records"]),
                ),
                lost_samples=int(header["lost_samples"]),
                heard=header["heard"],
                recognised=tuple((float(start_s), float(end_s)) for start_s, end_s in header["recognised"]),
                vehicle=tuple(tuple(float(v) for v in box) for box in header["vehicle"]),
                face_model=str(header["face_model"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise framing.FramingError(f"the message is no job ({error})") from error


@dataclass(frozen=True, slots=True)
class Spent:
    """What a child used: CPU and wall seconds, and the most memory that it held, in MiB."""

    cpu_s: float
    wall_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Made:
    """What a child made of a job.

    Parameters
    ----------
    media : Media or None
        The copy: its name, the hash of its clear bytes, its description. None where the copy may not be made;
        ``why`` says why.
    sealed : bytes
        Its ciphertext.
    why : str
        Why there is no copy.
    said : mapping
        What was done and found: "voices", "bystanders", "attribution".
    treated : bytes
        Sound without voices, float32, for the viewing copy.
    spent : Spent
        What it took.
    """

    media: Media | None
    sealed: bytes
    why: str
    said: Mapping[str, Any]
    treated: bytes
    spent: Spent

    def to_message(self) -> bytes:
        """Return the answer as one framed message."""
        header = {
            "ok": True,
            "media": None if self.media is None else asdict(self.media),
            "why": self.why,
            "said": dict(self.said),
            "spent": asdict(self.spent),
        }
        return framing.pack(header, {"sealed": self.sealed, "treated": self.treated})


def refusal_message(step: str, why: str) -> bytes:
    """Return the answer of a child that could not do a step."""
    return framing.pack({"ok": False, "step": step, "why": why[:300]}, {})


class JobRefusedError(Exception):
    """The child could not do a step of its job, and says which and why."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(f"{step}: {why}")
        self.step = step
        self.why = why


def answer_of(message: bytes) -> Made:
    """Return what a child made.

    Raises
    ------
    FramingError
        The answer is not whole.
    JobRefusedError
        The child says that it could not.
    """
    header, parts = framing.unpack(message)
    try:
        if not header["ok"]:
            raise JobRefusedError(str(header["step"]), str(header["why"]))
        media = header["media"]
        return Made(
            media=None if media is None else Media(**media),
            sealed=parts["sealed"],
            why=str(header["why"]),
            said=header["said"],
            treated=parts["treated"],
            spent=Spent(**header["spent"]),
        )
    except (KeyError, TypeError) as error:
        raise framing.FramingError("the message is no answer") from error


def _packets(header: Mapping[str, Any], pictures: bytes) -> TimedPackets:
    formats = [
        VideoFormat(**{**each, "extradata": bytes.fromhex(each["extradata"])}) for each in header["formats"]
    ]
    packets: list[tuple[float, VideoPacket]] = []
    first = 0
    for street_s, size, is_keyframe, number in header["packets"]:
        packet = VideoPacket(
            data=pictures[first : first + size],
            pts=len(packets),
            dts=len(packets),
            duration=0,
            monotonic_ns=0,
            is_keyframe=bool(is_keyframe),
            format=formats[number],
        )
        packets.append((float(street_s), packet))
        first += size
    if first != len(pictures):
        raise ValueError("the packets do not fill the pictures")
    return tuple(packets)
