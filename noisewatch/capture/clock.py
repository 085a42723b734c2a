"""The clocks: UTC with its state, and the map from arrival times to seconds on the street.

The street's clock is the sample index of the sound. Everything else is brought to it: a live camera's
stream time through the monotonic clock of arrival, UTC once per clip.
"""

from __future__ import annotations

import ctypes
import math
from bisect import bisect_left, insort
from collections import deque
from datetime import UTC, datetime

from noisewatch.records import AudioBlock, ClockState, VideoPacket

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_STA_UNSYNC = 0x0040


class _Timeval(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))


class _Timex(ctypes.Structure):
    """``struct timex`` of adjtimex(2) on 64-bit Linux."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )


def utc_now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def system_clock_state() -> ClockState:
    """Ask the kernel whether the system clock is synchronised, and how far it can be off.

    Returns
    -------
    ClockState
        `bound_s` is the kernel's maximum error in seconds (adjtimex(2), ``maxerror``), or None where the
        clock is not synchronised or the kernel does not say.
    """
    timex = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "adjtimex"):
        return ClockState(source="system", synchronised=False, bound_s=None)
    state = int(libc.adjtimex(ctypes.byref(timex)))
    return clock_state_from_kernel(state=state, status=timex.status, maxerror_us=timex.maxerror)


def clock_state_from_kernel(*, state: int, status: int, maxerror_us: int) -> ClockState:
    """Read adjtimex(2)'s answer; pure.

    Examples
    --------
    >>> clock_state_from_kernel(state=0, status=0x2001, maxerror_us=1500).bound_s
    0.0015
    >>> clock_state_from_kernel(state=5, status=0x40, maxerror_us=16000000).synchronised
    False
    """
    is_synchronised = state not in (-1, _TIME_ERROR) and not status & _STA_UNSYNC
    bound_s = maxerror_us / 1e6 if is_synchronised else None
    return ClockState(source="system", synchronised=is_synchronised, bound_s=bound_s)


def file_clock_state() -> ClockState:
    """Return what is known of a recording's UTC: it came with the file, and nobody can bound it."""
    return ClockState(source="file", synchronised=False, bound_s=None)


class OffsetEstimator:
    """A robust estimate of `arrival - stream time`, so that jitter of arrival does not move a picture.

    Network and operating system only ever delay, by amounts that scatter; over a window of observations a
    quantile of the differences is steady to far less than one of them. A stream whose time jumps is followed
    after a few agreeing observations; until then its times are bounded by their arrival.

    Parameters
    ----------
    window : int
        How many observations count; 250 are ten seconds at 25 frames a second.
    quantile : float
        Which of them is the estimate: 0.5 the median, smaller ones the least delayed.
    reset_s : float
        A difference farther than this from the estimate is an outlier.

    Examples
    --------
    >>> estimator = OffsetEstimator(window=5)
    >>> for stream_s, arrival_s in [(0.0, 7.0), (1.0, 8.0), (2.0, 9.75), (3.0, 10.0)]:
    ...     mapped_s = estimator.map(stream_s, arrival_s)
    >>> mapped_s, estimator.offset_s
    (10.0, 7.0)
    """

    agreeing_outliers = 5

    def __init__(self, *, window: int = 250, quantile: float = 0.5, reset_s: float = 1.0) -> None:
        if window < 1 or not 0.0 <= quantile <= 1.0 or reset_s <= 0:
            raise ValueError("window and reset_s must be positive and quantile between 0 and 1")
        self.window = window
        self.quantile = quantile
        self.reset_s = reset_s
        self.outliers = 0
        self.resets = 0
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self._suspects: list[float] = []

    @property
    def offset_s(self) -> float | None:
        """The estimate in seconds, or None before the first observation."""
        if not self._sorted:
            return None
        return self._sorted[int(self.quantile * (len(self._sorted) - 1))]

    @property
    def bound_s(self) -> float | None:
        """How far nine tenths of the observations lie from the estimate at most, in seconds."""
        offset_s = self.offset_s
        if offset_s is None:
            return None
        last = len(self._sorted) - 1
        low, high = self._sorted[int(0.05 * last)], self._sorted[math.ceil(0.95 * last)]
        return max(offset_s - low, high - offset_s)

    def map(self, stream_s: float, arrival_s: float) -> float:
        """Observe one arrival and return `stream_s` on the clock of arrivals.

        The result is never farther than `reset_s` from the arrival, whatever the stream claims.
        """
        difference_s = arrival_s - stream_s
        offset_s = self.offset_s
        if not math.isfinite(difference_s):
            self.outliers += 1
            return arrival_s
        if offset_s is not None and abs(difference_s - offset_s) > self.reset_s:
            self.outliers += 1
            return self._suspect(difference_s, stream_s, arrival_s)
        self._suspects.clear()
        self._add(difference_s)
        return self._bounded(stream_s, arrival_s)

    def _bounded(self, stream_s: float, arrival_s: float) -> float:
        mapped_s = stream_s + (self.offset_s or 0.0)
        return min(max(mapped_s, arrival_s - self.reset_s), arrival_s + self.reset_s)

    def _suspect(self, difference_s: float, stream_s: float, arrival_s: float) -> float:
        """Follow a jump only when several arrivals in a row agree on it."""
        if self._suspects and abs(difference_s - self._suspects[-1]) > self.reset_s:
            self._suspects.clear()
        self._suspects.append(difference_s)
        if len(self._suspects) < self.agreeing_outliers:
            return arrival_s
        self._recent.clear()
        self._sorted.clear()
        for suspect_s in self._suspects:
            self._add(suspect_s)
        self._suspects.clear()
        self.resets += 1
        return self._bounded(stream_s, arrival_s)

    def _add(self, difference_s: float) -> None:
        self._recent.append(difference_s)
        insort(self._sorted, difference_s)
        if len(self._recent) > self.window:
            oldest = self._recent.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]


class StreetClock:
    """Seconds on the street for live sources: sound by sample index, pictures through the monotonic clock.

    Feed it every audio block with `observe` and ask it for every live packet with `street_s`. For files
    (`is_live=False`) a packet's `monotonic_ns` is already its time on the street.

    Parameters
    ----------
    rate_hz : int
        Rate of the sound.
    is_live : bool
        Whether the picture's times of arrival mean anything.
    picture_offset_s : float
        Measured audio-video offset of this chain by arrival: how much later a picture arrives than the sound
        of the same instant; it is taken off.
    camera_offset_s : float, optional
        The same by the camera's own clock. Where it is given, and a packet tells when it was captured, that
        is believed; without it the camera's clock is left aside.
    """

    def __init__(
        self,
        *,
        rate_hz: int,
        is_live: bool,
        picture_offset_s: float = 0.0,
        camera_offset_s: float | None = None,
    ) -> None:
        self.rate_hz = rate_hz
        self.is_live = is_live
        self.picture_offset_s = picture_offset_s
        self.camera_offset_s = camera_offset_s
        #: What the last picture was placed by: "arrival", "camera", or "file".
        self.basis = "arrival" if is_live else "file"
        self.sound = OffsetEstimator(window=600, quantile=0.5)
        # networks only ever delay, so the least delayed tenth is nearest to the truth
        self.picture = OffsetEstimator(window=250, quantile=0.1)
        # sender reports err to both sides, by up to a frame
        self.camera = OffsetEstimator(window=250, quantile=0.5)

    @property
    def bound_s(self) -> float | None:
        """How far the last picture's place on the street can be off by what arrivals scatter; seconds."""
        return (self.camera if self.basis == "camera" else self.picture).bound_s

    def observe(self, block: AudioBlock, *, arrived_ns: int | None = None) -> None:
        """Note when a block of sound arrived.

        Parameters
        ----------
        block : AudioBlock
            From a live microphone.
        arrived_ns : int, optional
            Monotonic time of its arrival, where the block does not carry it: a file that is played at the
            pace of life beside a live camera.
        """
        arrival_ns = block.monotonic_ns if arrived_ns is None else arrived_ns
        self.sound.map(block.end_sample / self.rate_hz, arrival_ns / 1e9)

    def monotonic_s(self, sample: int) -> float | None:
        """Return when a sample arrived on the monotonic clock, in seconds; None before any sound came."""
        offset_s = self.sound.offset_s
        return None if offset_s is None else offset_s + sample / self.rate_hz

    def street_s(self, packet: VideoPacket) -> float | None:
        """Return the packet's presentation time in seconds on the street, or None before any sound came."""
        if not self.is_live:
            return packet.monotonic_ns / 1e9
        presented_s = self.picture.map(packet.stream_s, packet.monotonic_ns / 1e9)
        sound_s = self.sound.offset_s
        offset_s = self.picture_offset_s
        self.basis = "arrival"
        if packet.captured_ns is not None and self.camera_offset_s is not None:
            presented_s = self.camera.map(packet.stream_s, packet.captured_ns / 1e9)
            offset_s = self.camera_offset_s
            self.basis = "camera"
        return None if sound_s is None else presented_s - sound_s - offset_s


#: A camera's clock that says a picture is older than this, or from the future, is not believed.
OLDEST_PICTURE_S = 2.0
_FUTURE_S = 0.05


class CameraClock:
    """Brings a camera's UTC to the monotonic clock, and believes it only where that can be.

    The difference between UTC and the monotonic clock of this machine is held fast, so that setting the
    wall clock moves no picture; it is read again only where the held one leads to nonsense.

    Examples
    --------
    >>> clock = CameraClock()
    >>> clock.captured_ns(1_000_000_000, arrived_ns=5_060_000_000, utc_ahead_ns=-4_000_000_000)
    5000000000
    >>> clock.captured_ns(999_000_000_000, arrived_ns=5_100_000_000, utc_ahead_ns=-4_000_000_000) is None
    True
    """

    def __init__(self) -> None:
        self.disbelieved = 0
        self._utc_ahead_ns: int | None = None

    def captured_ns(self, camera_utc_ns: int, *, arrived_ns: int, utc_ahead_ns: int) -> int | None:
        """Return the monotonic time of capture, or None where the camera's clock cannot be right.

        Parameters
        ----------
        camera_utc_ns : int
            What the camera says, UTC.
        arrived_ns : int
            Monotonic time of arrival.
        utc_ahead_ns : int
            UTC less monotonic time of this machine, now.
        """
        for ahead_ns in (self._utc_ahead_ns, utc_ahead_ns):
            if ahead_ns is None:
                continue
            captured_ns = camera_utc_ns - ahead_ns
            if -_FUTURE_S <= (arrived_ns - captured_ns) / 1e9 <= OLDEST_PICTURE_S:
                self._utc_ahead_ns = ahead_ns
                return captured_ns
        self.disbelieved += 1
        return None
