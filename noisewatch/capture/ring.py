"""What the node remembers: the last seconds of sound and of encoded picture, in memory only.

`AudioRing` is indexed by sample and allocated once. `VideoRing` is indexed by time, begins at a keyframe and
is bounded in seconds and in bytes. A read returns what is there and names what is missing; nothing is ever
closed up. Both may be written by one thread and read by another.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from noisewatch.records import AudioBlock, VideoPacket

#: What one packet costs beside its payload, so that a stream of empty packets is bounded too.
PACKET_OVERHEAD_BYTES = 512
#: A step between frames longer than this many usual steps is a hole in the picture.
HOLE_STEPS = 1.5

Ranges = tuple[tuple[int, int], ...]


class AudioRing:
    """The last seconds of sound, by sample index.

    Parameters
    ----------
    rate_hz, channels : int
        What every block must have.
    seconds : float
        How much is remembered; the memory is allocated here, once.

    Examples
    --------
    >>> ring = AudioRing(rate_hz=8, channels=1, seconds=1.0)
    >>> block = np.arange(4, dtype=np.float32)[None]
    >>> ring.push(AudioBlock(start_sample=2, samples=block, rate_hz=8, monotonic_ns=0, lost_before=2))
    >>> samples, missing = ring.read(0, 6)
    >>> samples.tolist(), missing
    ([[0.0, 0.0, 0.0, 1.0, 2.0, 3.0]], ((0, 2),))
    """

    def __init__(self, *, rate_hz: int, channels: int, seconds: float) -> None:
        self.rate_hz = rate_hz
        self.channels = channels
        self.capacity = max(1, math.ceil(seconds * rate_hz))
        self.lost_samples = 0
        self._store = np.zeros((channels, self.capacity), dtype=np.float32)
        self._holes: deque[tuple[int, int]] = deque()
        self._begin = 0
        self._end = 0
        self._is_started = False
        self._lock = threading.Lock()

    @property
    def first_sample(self) -> int:
        """Index of the oldest sample that can still be read."""
        return max(self._begin, self._end - self.capacity)

    @property
    def end_sample(self) -> int:
        """Index one past the newest sample."""
        return self._end

    @property
    def size_bytes(self) -> int:
        """Bytes held; they never change."""
        return self._store.nbytes

    def push(self, block: AudioBlock) -> None:
        """Add a block. A start beyond the ring's end leaves a named hole.

        Raises
        ------
        ValueError
            When rate or channels differ, or the block begins before the ring's end.
        """
        if block.rate_hz != self.rate_hz or block.samples.shape[0] != self.channels:
            raise ValueError(
                f"block of {block.samples.shape[0]} channels at {block.rate_hz} Hz does not fit a ring of "
                f"{self.channels} at {self.rate_hz} Hz"
            )
        with self._lock:
            if not self._is_started:
                self._begin = self._end = block.start_sample - block.lost_before
                self._is_started = True
            if block.start_sample < self._end:
                raise ValueError(f"sample {block.start_sample} came after sample {self._end - 1}")
            if block.start_sample > self._end:
                self._skip_to(block.start_sample)
            self._write(block)
            self._forget_old_holes()

    def read(self, start: int, end: int) -> tuple[NDArray[np.float32], Ranges]:
        """Return samples [start, end) and the ranges of them that are missing.

        Parameters
        ----------
        start, end : int
            Sample indices; any, also outside what the ring holds.

        Returns
        -------
        samples : ndarray, float32, shape (channels, end - start)
            A copy in pascal; zero where missing.
        missing : tuple of (start, end)
            Sorted, disjoint ranges of indices: lost, forgotten or not arrived yet.
        """
        if end < start:
            raise ValueError(f"a read ends at {end}, before its start {start}")
        out = np.zeros((self.channels, end - start), dtype=np.float32)
        with self._lock:
            held_start = min(max(start, self.first_sample), end)
            held_end = max(min(end, self._end), held_start)
            self._copy(out, at=held_start - start, start=held_start, end=held_end)
            missing = [(start, held_start)] if held_start > start else []
            for hole_start, hole_end in self._holes:
                clipped = (max(hole_start, held_start), min(hole_end, held_end))
                if clipped[0] < clipped[1]:
                    missing.append(clipped)
            if held_end < end:
                missing.append((held_end, end))
        return out, _joined(missing)

    def _skip_to(self, start: int) -> None:
        """Name the hole and silence its part of the memory, so that a read never returns older sound."""
        self.lost_samples += start - self._end
        self._holes.append((self._end, start))
        kept = max(self._end, start - self.capacity)
        for first, last in _wrapped(kept, start, self.capacity):
            self._store[:, first:last] = 0.0
        self._end = start

    def _write(self, block: AudioBlock) -> None:
        end = block.end_sample
        kept = max(block.start_sample, end - self.capacity)
        position = kept - block.start_sample
        for first, last in _wrapped(kept, end, self.capacity):
            self._store[:, first:last] = block.samples[:, position : position + last - first]
            position += last - first
        self._end = end

    def _copy(self, out: NDArray[np.float32], *, at: int, start: int, end: int) -> None:
        for first, last in _wrapped(start, end, self.capacity):
            out[:, at : at + last - first] = self._store[:, first:last]
            at += last - first

    def _forget_old_holes(self) -> None:
        while self._holes and self._holes[0][1] <= self.first_sample:
            self._holes.popleft()


def _wrapped(start: int, end: int, capacity: int) -> list[tuple[int, int]]:
    """Split sample indices [start, end), at most `capacity` of them, into slices of the memory."""
    if end <= start:
        return []
    first = start % capacity
    until_wrap = min(end - start, capacity - first)
    parts = [(first, first + until_wrap)]
    if until_wrap < end - start:
        parts.append((0, end - start - until_wrap))
    return parts


def _joined(ranges: list[tuple[int, int]]) -> Ranges:
    """Join ranges that touch; they come sorted."""
    joined: list[tuple[int, int]] = []
    for start, end in ranges:
        if joined and joined[-1][1] >= start:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class VideoSlice:
    """What a video ring holds of a window.

    Parameters
    ----------
    packets : tuple of (street_s, VideoPacket)
        In decoding order, from the keyframe at or before the start to the last packet needed. The first ones
        may lie before the window: they are there to be decoded, not to be stored.
    missing : tuple of (start_s, end_s)
        Parts of the window without a picture, in seconds on the street's clock.
    """

    packets: tuple[tuple[float, VideoPacket], ...]
    missing: tuple[tuple[float, float], ...]

    @property
    def frame_times_s(self) -> tuple[float, ...]:
        """Presentation times in seconds on the street's clock, sorted."""
        return tuple(sorted(time_s for time_s, _ in self.packets))


class VideoRing:
    """The last seconds of encoded picture, whole groups of pictures only, bounded in seconds and bytes.

    Parameters
    ----------
    seconds : float
        At least this much is kept while it fits into `max_bytes`.
    max_bytes : int
        Payload and overhead together. When one group of pictures alone is larger it is dropped and the ring
        waits for the next keyframe; `dropped_packets` counts.
    """

    def __init__(self, *, seconds: float, max_bytes: int) -> None:
        self.seconds = seconds
        self.max_bytes = max_bytes
        self.dropped_packets = 0
        self._packets: deque[tuple[float, VideoPacket]] = deque()
        self._groups: deque[int] = deque()  # how many packets each group of pictures holds
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Bytes held now, overhead included."""
        return self._bytes

    @property
    def span_s(self) -> tuple[float, float] | None:
        """Earliest and latest presentation time held, or None."""
        with self._lock:
            if not self._packets:
                return None
            times = [time_s for time_s, _ in self._packets]
        return min(times), max(times)

    def newest_keyframe(self) -> VideoPacket | None:
        """Return the newest packet that can be decoded by itself; None where nothing is held."""
        with self._lock:
            if not self._groups:
                return None
            return self._packets[len(self._packets) - self._groups[-1]][1]

    def push(self, street_s: float, packet: VideoPacket) -> None:
        """Add a packet with its presentation time on the street's clock.

        Packets before the first keyframe, and those with a time that is no number, are counted as dropped.
        """
        with self._lock:
            if not math.isfinite(street_s) or (not self._packets and not packet.is_keyframe):
                self.dropped_packets += 1
                return
            self._packets.append((street_s, packet))
            self._bytes += _cost(packet)
            if packet.is_keyframe:
                self._groups.append(1)
            else:
                self._groups[-1] += 1
            self._forget(street_s - self.seconds)

    def read(self, start_s: float, end_s: float) -> VideoSlice:
        """Return the packets that a decoder needs to show [start_s, end_s), and what is missing of it."""
        with self._lock:
            packets = list(self._packets)
        first = 0
        last = -1
        for index, (time_s, packet) in enumerate(packets):
            if packet.is_keyframe and time_s <= start_s:
                first = index
            if time_s < end_s:
                last = index
        needed = tuple(packets[first : last + 1])
        if not any(start_s <= time_s for time_s, _ in needed):
            # a single old frame is no picture of this window
            needed = needed if _is_near(needed, start_s) else ()
        return VideoSlice(packets=needed, missing=missing_ranges([t for t, _ in needed], start_s, end_s))

    def _forget(self, oldest_needed_s: float) -> None:
        """Drop leading groups that are too old, or that do not fit."""
        while len(self._groups) > 1:
            next_key_s = self._packets[self._groups[0]][0]
            if next_key_s > oldest_needed_s and self._bytes <= self.max_bytes:
                return
            too_old = next_key_s <= oldest_needed_s
            self._drop_group(count=not too_old)
        if self._bytes > self.max_bytes:
            self._drop_group(count=True)

    def _drop_group(self, *, count: bool) -> None:
        size = self._groups.popleft()
        for _ in range(size):
            _, packet = self._packets.popleft()
            self._bytes -= _cost(packet)
        if count:
            self.dropped_packets += size


def _cost(packet: VideoPacket) -> int:
    return len(packet.data) + PACKET_OVERHEAD_BYTES


def _is_near(packets: tuple[tuple[float, VideoPacket], ...], start_s: float) -> bool:
    times = [time_s for time_s, _ in packets]
    return bool(times) and start_s - max(times) <= HOLE_STEPS * usual_step_s(times)


def usual_step_s(times_s: list[float]) -> float:
    """Return the median step between frames in seconds; 0.04 where there are fewer than two.

    Examples
    --------
    >>> usual_step_s([0.0, 0.5, 0.25, 2.0, 0.75])
    0.25
    """
    ordered = sorted(times_s)
    steps = [b - a for a, b in pairwise(ordered) if b > a]
    return median(steps) if steps else 0.04


def missing_ranges(times_s: list[float], start_s: float, end_s: float) -> tuple[tuple[float, float], ...]:
    """Return the parts of [start_s, end_s) that no frame covers.

    A frame covers the time up to the next frame, but no more than one and a half usual steps.

    Parameters
    ----------
    times_s : list of float
        Presentation times in seconds, in any order.
    start_s, end_s : float
        The window.

    Returns
    -------
    tuple of (start_s, end_s)
        Sorted and disjoint.

    Examples
    --------
    >>> missing_ranges([0.0, 1.0, 2.0, 5.0, 6.0], 0.0, 8.0)
    ((3.0, 5.0), (7.0, 8.0))
    """
    step_s = usual_step_s(times_s)
    slack_s = (HOLE_STEPS - 1) * step_s
    missing: list[tuple[float, float]] = []
    covered_until_s = start_s
    for time_s in sorted(times_s):
        if time_s >= end_s:
            break
        if time_s > covered_until_s + slack_s:
            missing.append((covered_until_s, time_s))
        covered_until_s = max(covered_until_s, time_s + step_s)
    if end_s > covered_until_s + slack_s:
        missing.append((covered_until_s, end_s))
    return tuple(missing)
