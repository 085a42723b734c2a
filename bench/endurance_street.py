"""A street at a pace: its clock, its microphone, its camera; all faked, all in step, for one run of a node.

The street's time is what the microphone has played. A machine that is slower than the pace slows the street
down, clock and camera included, so that nothing ever runs ahead of anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

from noisewatch.capture.camera import open_video
from noisewatch.capture.livecamera import LiveVideo
from noisewatch.capture.packet import to_packet
from noisewatch.errors import InputOutputError
from noisewatch.records import AudioBlock, VideoPacket

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
RATE_HZ, BLOCK = 48_000, 24_000
#: So far the sound may be ahead of the picture, in seconds of street.
LEAD_S = 4.0
#: How long faults last, in wall seconds: what watches for them (five and ten seconds) is not faked.
STALL_S, CAMERA_AWAY_S = 10.0, 15.0
#: How long they last on the street: a look every ten minutes, four in a row that are the same.
FROZEN_S = 3600.0
GAP = 12_345


class Street:
    """The clock of the street: it stands wherever the microphone stands.

    Parameters
    ----------
    began : datetime
        UTC at second 0 of the whole endurance run.
    began_ns : int
        Monotonic time at that second.
    street_s : float
        Where this run begins.
    back_s : float
        By how much the wall clock stands back.
    pace : float
        Times real time, at most.
    """

    #: As in ``time``.
    CLOCK_BOOTTIME = time.CLOCK_BOOTTIME

    def __init__(
        self, *, began: datetime, began_ns: int, street_s: float, back_s: float, pace: float
    ) -> None:
        self.pace, self.street_s, self.back_s = pace, street_s, back_s
        self.shown_s = street_s
        self.is_shown = False
        self.camera_fault, self.camera_fault_until_s = "", 0.0
        self.changed = threading.Condition()
        self._began, self._began_ns = began, began_ns
        self._due_s = time.monotonic()

    def at_ns(self, street_s: float) -> int:
        """Return a moment of the street on its monotonic clock."""
        return self._began_ns + round(street_s * 1e9)

    def monotonic_ns(self) -> int:
        """As ``time.monotonic_ns``."""
        return self.at_ns(self.street_s)

    def monotonic(self) -> float:
        """As ``time.monotonic``."""
        return self.monotonic_ns() / 1e9

    def now(self) -> datetime:
        """Return what the wall clock shows."""
        return self._began + timedelta(seconds=self.street_s - self.back_s)

    def time_ns(self) -> int:
        """As ``time.time_ns``."""
        return round(self._began.timestamp() * 1e9) + round((self.street_s - self.back_s) * 1e9)

    def clock_gettime(self, _which: int) -> float:
        """As ``time.clock_gettime`` of the time since the boot."""
        return self.monotonic()

    def advance(self, seconds: float) -> None:
        """Let so much time pass, no faster than the pace; what was late is not caught up with."""
        self._due_s = max(self._due_s + seconds / self.pace, time.monotonic() - 0.2)
        wait_s = self._due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        with self.changed:
            self.street_s += seconds
            self.changed.notify_all()
            if self.is_shown:
                # a camera that hangs must not hold the street for ever
                self.changed.wait_for(self._is_picture_near, timeout=1.0)

    def _is_picture_near(self) -> bool:
        return not self.is_shown or self.shown_s >= self.street_s - LEAD_S

    def wait_until(self, street_s: float) -> bool:
        """Wait for a moment of the street, at most a moment; tell whether it has come."""
        with self.changed:
            return self.changed.wait_for(lambda: self.street_s >= street_s, timeout=0.2)

    def show(self, street_s: float, *, is_shown: bool = True) -> None:
        """Note how far the picture is."""
        with self.changed:
            self.shown_s, self.is_shown = street_s, is_shown
            self.changed.notify_all()


class FastMicrophone:
    """Plays the sample street for ever; on order it stalls, loses samples, or breaks.

    Parameters
    ----------
    street : Street
        Whose time it makes.
    orders : Path
        Folder in which a file named as a fault orders it.
    tell : callable
        Gets how far the street is, every second.
    """

    rate_hz, channels, is_live = RATE_HZ, 1, True
    description = "microphone 'fast'"

    def __init__(self, street: Street, orders: Path, *, tell: Callable[[], None]) -> None:
        sound, rate_hz = soundfile.read(str(SAMPLES / "street.flac"), dtype="float32")
        assert rate_hz == self.rate_hz
        once = sound[:, :1].T
        self._length = once.shape[1]
        self._sound = np.ascontiguousarray(np.concatenate([once, once[:, :BLOCK]], axis=1))
        self._street, self._orders, self._tell = street, orders, tell
        self._is_closed = False

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield blocks of half a second."""
        sample, told_s = 0, 0.0
        while not self._is_closed:
            lost = self._obey()
            sample += lost
            self._street.advance(BLOCK / RATE_HZ)
            start = sample % self._length
            yield AudioBlock(
                start_sample=sample,
                samples=self._sound[:, start : start + BLOCK],
                rate_hz=RATE_HZ,
                monotonic_ns=self._street.monotonic_ns(),
                lost_before=lost,
            )
            sample += BLOCK
            if time.monotonic() - told_s > 1.0:
                told_s = time.monotonic()
                self._tell()

    def close(self) -> None:
        """Stop."""
        self._is_closed = True

    def _obey(self) -> int:
        """Do what was ordered; return how many samples were lost."""
        lost, street = 0, self._street
        for order in list(self._orders.iterdir()):
            order.unlink(missing_ok=True)
            if order.name == "stall":
                # the street goes on, nobody hears it
                for _ in range(round(STALL_S / 0.1)):
                    piece = round(0.1 * street.pace * RATE_HZ)
                    street.advance(piece / RATE_HZ)
                    lost += piece
            elif order.name == "gap":
                street.advance(GAP / RATE_HZ)
                lost += GAP
            elif order.name == "device":
                raise InputOutputError("the device is gone", where=self.description)
            elif order.name == "clock":
                # somebody sets it back by an hour; the next time it is set right
                street.back_s = 0.0 if street.back_s else 3600.0
            else:
                lasts_s = CAMERA_AWAY_S * street.pace if order.name == "camera" else FROZEN_S
                street.camera_fault, street.camera_fault_until_s = order.name, street.street_s + lasts_s
        return lost


class _Line:
    """A connection to the fake camera."""

    def close(self) -> None:
        """Hang up."""


class FastCamera(LiveVideo):
    """Shows the sample street's own packets for ever; on order it hangs up, freezes, or is covered.

    Everything else (connecting again with growing pauses, counting) is the real live camera.
    """

    def __init__(self, street: Street) -> None:
        super().__init__("lavfi:fast")
        self.description = "camera fast"
        self._street = street
        self._loop = list(open_video(str(SAMPLES / "street.mp4")).packets())
        self._black = _black_packet()
        self._format = self._loop[0].format

    def _connect(self) -> Any:
        if self._fault() == "camera":
            self._note_failure("the connection was refused")
            return None
        self._connections += 1
        self._is_connected = True
        return _Line()

    def _fault(self) -> str:
        street = self._street
        return street.camera_fault if street.street_s < street.camera_fault_until_s else ""

    def _read(self, _container: Any) -> Iterator[VideoPacket]:
        """Yield packets in step with the street until a fault comes or goes."""
        street, fault = self._street, self._fault()
        tick_s = self._loop[0].format.time_base_num / self._loop[0].format.time_base_den
        step_s = self._loop[0].duration * tick_s
        shown_s, number = street.street_s, 0
        try:
            while not self._closing.is_set():
                if not street.wait_until(shown_s):
                    continue
                if self._fault() != fault:
                    self._note_failure("the camera hung up")
                    return
                packet = {"frozen": self._loop[0], "covered": self._black}.get(
                    fault, self._loop[number % len(self._loop)]
                )
                pts = round(shown_s / tick_s)
                self._packets += 1
                yield replace(packet, pts=pts, dts=pts, monotonic_ns=street.at_ns(shown_s))
                shown_s, number = shown_s + step_s, number + 1
                street.show(shown_s)
        finally:
            street.show(shown_s, is_shown=False)


def _black_packet() -> VideoPacket:
    """Return a keyframe of a lens with a bag over it, in the form of the sample street's packets."""
    like = next(open_video(str(SAMPLES / "street.mp4")).packets()).format
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = like.width, like.height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(like.time_base_num, like.time_base_den), Fraction(25)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    frame = av.VideoFrame.from_ndarray(np.full((like.height, like.width, 3), 4, np.uint8), format="rgb24")
    frame = frame.reformat(format="yuv420p")
    frame.pts, frame.time_base = 0, encoder.time_base
    packet = next(iter([*encoder.encode(frame), *encoder.encode(None)]))
    black = replace(like, extradata=b"")
    return to_packet(packet, black, monotonic_ns=0)
