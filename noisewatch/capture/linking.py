"""From blobs per frame to tracks: who is who from one frame to the next. Pure, no picture in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]

LONGEST_GAP_S = 0.45
LONGEST_HIDDEN_S = 1.5

_FAR = 1e6
_SPEED_OF = 8
_CRAWL = 0.25


@dataclass(frozen=True, slots=True)
class Blob:
    """Connected foreground of one frame, in pixels; `sign` says which way along the road it moves."""

    sign: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One moving thing: `time_s` of shape (n,), `boxes` (n, 4): left, top, width, height as shares."""

    sign: int
    time_s: Floats
    boxes: Floats

    @property
    def duration_s(self) -> float:
        """Seconds from first to last sight."""
        return float(self.time_s[-1] - self.time_s[0])


@dataclass(slots=True, eq=False)
class _Trail:
    """A track that still grows; pixels."""

    sign: int
    time_s: list[float] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(self, time_s: float, blob: Blob) -> None:
        self.time_s.append(time_s)
        self.boxes.append((blob.left, blob.top, blob.width, blob.height))

    def predicted(self, time_s: float) -> tuple[float, float, float, float]:
        """Return the box expected at a time, at the speed of the last quarter second."""
        recent = self.boxes[-7:]
        last = recent[-1]
        if len(recent) < 3:
            return last
        span = self.time_s[-1] - self.time_s[-len(recent)]
        ahead = (time_s - self.time_s[-1]) / max(span, 1e-6)
        # the edge that moves less is the one that is not being cut off or revealed
        shift_x = _smaller(last[0] - recent[0][0], last[0] + last[2] - recent[0][0] - recent[0][2])
        shift_y = last[1] + last[3] / 2 - recent[0][1] - recent[0][3] / 2
        return last[0] + ahead * shift_x, last[1] + ahead * shift_y, last[2], last[3]


def _smaller(one: float, other: float) -> float:
    return (one + other) / 2 if one * other > 0 else (one if abs(one) > abs(other) else other)


def follow(time_s: Floats, sights: Sequence[Sequence[Blob]], *, width: int, height: int) -> tuple[Track, ...]:
    """Link the blobs of all frames to tracks.

    Parameters
    ----------
    time_s : ndarray, shape (n,)
        Times of the frames.
    sights : sequence of sequences of Blob
        What was seen in each frame, pixels.
    width, height : int
        The picture's size in pixels.
    """
    done: list[_Trail] = []
    open_trails: list[_Trail] = []
    for now_s, blobs in zip(time_s.tolist(), sights, strict=True):
        still = [trail for trail in open_trails if now_s - trail.time_s[-1] <= LONGEST_GAP_S]
        done += [trail for trail in open_trails if trail not in still]
        taken = _assign(still, blobs, now_s)
        for index, blob in enumerate(blobs):
            trail = taken.get(index)
            if trail is None:
                trail = _Trail(blob.sign)
                still.append(trail)
            trail.add(now_s, blob)
        open_trails = still
    done += open_trails
    scale = np.array([width, height, width, height], dtype=np.float64)
    tracks = [
        _while_it_drives(Track(trail.sign, np.asarray(trail.time_s), np.asarray(trail.boxes) / scale))
        for trail in done
        if len(trail.time_s) >= 3
    ]
    joined = _without_parts(_joined(_without_parts(sorted(tracks, key=lambda track: track.time_s[0]))))
    return tuple(joined)


def _assign(trails: list[_Trail], blobs: Sequence[Blob], now_s: float) -> dict[int, _Trail]:
    """Give blobs to trails, each to one at most."""
    if not trails or not blobs:
        return {}
    cost = np.full((len(trails), len(blobs)), _FAR)
    for row, trail in enumerate(trails):
        left, top, width, height = trail.predicted(now_s)
        for column, blob in enumerate(blobs):
            if blob.sign != trail.sign:
                continue
            gap_x = _apart(left, width, blob.left, blob.width)
            gap_y = _apart(top, height, blob.top, blob.height)
            if gap_x > 0.35 * max(width, 12.0) or gap_y > 0.3 * max(height, 10.0):
                continue
            away = abs(left + width / 2 - blob.left - blob.width / 2) / max(width, blob.width)
            size = abs(np.log(blob.width * blob.height / (width * height)))
            cost[row, column] = (
                away + 0.3 * size + 0.3 * gap_y / max(height, 1.0) - 0.02 * min(len(trail.time_s), 25)
            )
    rows, columns = linear_sum_assignment(cost)
    return {
        int(column): trails[int(row)]
        for row, column in zip(rows, columns, strict=True)
        if cost[row, column] < _FAR
    }


def _while_it_drives(track: Track) -> Track:
    """Cut a track at both ends where it crawls: somebody who walks there had its name before, or took it."""
    until = _until_it_slows(track)
    back = _until_it_slows(Track(until.sign, -until.time_s[::-1], until.boxes[::-1]))
    return Track(back.sign, -back.time_s[::-1], back.boxes[::-1])


def _until_it_slows(track: Track) -> Track:
    """Cut a track where it suddenly crawls: the vehicle left, and somebody who walks there took its name."""
    count = len(track.time_s)
    if count < 3 * _SPEED_OF:
        return track
    centre = _centre(track)
    step = (centre[_SPEED_OF:] - centre[:-_SPEED_OF]) / (track.time_s[_SPEED_OF:] - track.time_s[:-_SPEED_OF])
    speed = np.abs(step)
    usual = np.maximum.accumulate(np.minimum(speed, np.roll(speed, 1)))
    slow = speed < _CRAWL * usual
    run = np.convolve(slow, np.ones(_SPEED_OF), mode="valid") >= _SPEED_OF
    if not run.any():
        return track
    # the speed at index i is that of the sights from i on
    end = max(int(np.argmax(run)) + _SPEED_OF // 2, 3)
    return Track(track.sign, track.time_s[:end], track.boxes[:end])


def _apart(start: float, length: float, other: float, other_length: float) -> float:
    """Return the gap between two spans, 0 where they overlap."""
    return max(0.0, max(start, other) - min(start + length, other + other_length))


def _joined(tracks: list[Track]) -> list[Track]:
    """Join tracks that were cut while something hid the vehicle."""
    left = list(tracks)
    done: list[Track] = []
    while left:
        track = left.pop(0)
        fitting = [later for later in left if _continues(track, later)]
        if len(fitting) == 1:
            later = fitting[0]
            left.remove(later)
            time_s = np.concatenate([track.time_s, later.time_s])
            left.insert(0, Track(track.sign, time_s, np.concatenate([track.boxes, later.boxes])))
        else:
            done.append(track)
    return sorted(done, key=lambda track: float(track.time_s[0]))


def _continues(track: Track, later: Track) -> bool:
    hidden_s = float(later.time_s[0] - track.time_s[-1])
    if track.sign != later.sign or not 0.0 < hidden_s <= LONGEST_HIDDEN_S:
        return False
    if len(track.time_s) < 6 or len(later.time_s) < 6:
        return False
    speed, later_speed = _speed(track, slice(-12, None)), _speed(later, slice(None, 12))
    middle = (speed + later_speed) / 2
    if not 0.5 < abs(speed) / max(abs(later_speed), 1e-6) < 2.0 or speed * later_speed <= 0:
        return False
    expected = _centre(track)[-1] + middle * hidden_s
    reach = 0.3 * max(float(track.boxes[-1, 2]), float(later.boxes[0, 2])) + 0.25 * abs(middle) * hidden_s
    drop = _apart(track.boxes[-1, 1], track.boxes[-1, 3], later.boxes[0, 1], later.boxes[0, 3])
    return bool(abs(expected - _centre(later)[0]) < reach + 0.02 and drop < 0.05)


def _centre(track: Track) -> Floats:
    return np.asarray(track.boxes[:, 0] + track.boxes[:, 2] / 2)


def _speed(track: Track, part: slice) -> float:
    time_s, centre = track.time_s[part], _centre(track)[part]
    return float(np.polyfit(time_s - time_s[0], centre, 1)[0])


def _without_parts(tracks: list[Track]) -> list[Track]:
    """Put tracks together that are parts of one vehicle: side by side, touching, at one speed."""
    kept = list(tracks)
    merged = True
    while merged:
        merged = False
        for first in kept:
            for second in kept:
                if first is second or len(first.time_s) < len(second.time_s):
                    continue
                if _is_part(first, second):
                    kept.remove(first)
                    kept.remove(second)
                    kept.append(_union(first, second))
                    merged = True
                    break
            if merged:
                break
    return sorted(kept, key=lambda track: float(track.time_s[0]))


def _is_part(whole: Track, part: Track) -> bool:
    if whole.sign != part.sign:
        return False
    common, mine, theirs = np.intersect1d(whole.time_s, part.time_s, return_indices=True)
    if len(common) < max(3, 0.6 * len(part.time_s)):
        return False
    boxes, others = whole.boxes[mine], part.boxes[theirs]
    gap_x = np.maximum(boxes[:, 0], others[:, 0]) - np.minimum(
        boxes[:, 0] + boxes[:, 2], others[:, 0] + others[:, 2]
    )
    gap_y = np.maximum(boxes[:, 1], others[:, 1]) - np.minimum(
        boxes[:, 1] + boxes[:, 3], others[:, 1] + others[:, 3]
    )
    wide = np.maximum(boxes[:, 2], others[:, 2])
    tall = np.maximum(boxes[:, 3], others[:, 3])
    near = (gap_x < 0.2 * wide) & (gap_y < 0.25 * tall)
    return bool(np.mean(near) > 0.8)


def _union(whole: Track, part: Track) -> Track:
    time_s = np.union1d(whole.time_s, part.time_s)
    boxes = np.zeros((len(time_s), 4))
    for index, now_s in enumerate(time_s):
        here = [
            track.boxes[np.searchsorted(track.time_s, now_s)]
            for track in (whole, part)
            if now_s in track.time_s
        ]
        left, top = min(box[0] for box in here), min(box[1] for box in here)
        right = max(box[0] + box[2] for box in here)
        bottom = max(box[1] + box[3] for box in here)
        boxes[index] = left, top, right - left, bottom - top
    return Track(whole.sign, time_s, boxes)
