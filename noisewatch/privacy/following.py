"""Boxes followed through time: sightings become tracks, tracks say where to cover between and around them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: A thing that is not seen for longer than this begins a new track.
LONGEST_GAP_S = 1.2
#: How far the centre may be from where it was expected, in sizes of the box.
REACH_SIZES = 1.0
#: Sizes of one thing differ at most by this factor from one sighting to the next.
_LARGEST_CHANGE = 2.2


@dataclass(frozen=True, slots=True)
class Sighting:
    """A box at a time: top left corner and size in pixels; `score` as the finder gives it."""

    time_s: float
    x: float
    y: float
    width: float
    height: float
    score: float = 1.0

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box."""
        return self.x + self.width / 2.0, self.y + self.height / 2.0

    @property
    def size(self) -> float:
        """Side of a square of the same area."""
        return math.sqrt(self.width * self.height)

    def grown(self, share: float) -> Sighting:
        """Return the box with a margin on every side, as a share of its width and height."""
        dx, dy = share * self.width, share * self.height
        return Sighting(
            self.time_s, self.x - dx, self.y - dy, self.width + 2 * dx, self.height + 2 * dy, self.score
        )


@dataclass(frozen=True, slots=True)
class Track:
    """One thing through time, sightings in order of time."""

    sightings: tuple[Sighting, ...]

    @property
    def score(self) -> float:
        """The surest sighting's score."""
        return max(s.score for s in self.sightings)

    def speed(self) -> tuple[float, float]:
        """Return the centre's speed in pixels a second, by least squares over all sightings."""
        return _speed(self.sightings)


def follow(sightings: Iterable[Sequence[Sighting]]) -> list[Track]:
    """Link the sightings of successive pictures into tracks; pure.

    Each picture's boxes are given to the tracks nearest to them, the nearest pair first; a track is expected
    where its speed would have brought it.

    Parameters
    ----------
    sightings : iterable of sequences
        One sequence for each picture, in order of time.

    Examples
    --------
    >>> row = [[Sighting(t / 5, 10.0 * t, 0.0, 20.0, 20.0)] for t in range(5)]
    >>> [len(track.sightings) for track in follow(row)]
    [5]
    """
    open_tracks: list[list[Sighting]] = []
    done: list[list[Sighting]] = []
    for seen in sightings:
        if not seen:
            continue
        now_s = seen[0].time_s
        ended = [t for t in open_tracks if now_s - t[-1].time_s > LONGEST_GAP_S]
        done += ended
        open_tracks = [t for t in open_tracks if now_s - t[-1].time_s <= LONGEST_GAP_S]
        pairs = sorted(
            (distance, i, j)
            for i, track in enumerate(open_tracks)
            for j, box in enumerate(seen)
            if (distance := _distance(track, box)) <= REACH_SIZES
        )
        used_tracks, used_boxes = set[int](), set[int]()
        for _, i, j in pairs:
            if i not in used_tracks and j not in used_boxes:
                used_tracks.add(i)
                used_boxes.add(j)
                open_tracks[i].append(seen[j])
        open_tracks += [[box] for j, box in enumerate(seen) if j not in used_boxes]
    return [Track(tuple(track)) for track in [*done, *open_tracks]]


def places(track: Track, time_s: float, *, lead_s: float) -> list[Sighting]:
    """Return where a track is at a time: between its sightings, and for `lead_s` before and after them.

    Between two sightings it is on the way from one to the other. Beyond the ends nobody knows whether it went
    on or stood still, so both places are returned.

    Examples
    --------
    >>> track = Track((Sighting(0.0, 0, 0, 10, 10), Sighting(1.0, 10, 0, 10, 10)))
    >>> [p.x for p in places(track, 0.5, lead_s=0.4)], [p.x for p in places(track, 1.2, lead_s=0.4)]
    ([5.0], [10, 12.0])
    """
    row = track.sightings
    if row[0].time_s <= time_s <= row[-1].time_s:
        for before, after in pairwise(row):
            if before.time_s <= time_s <= after.time_s:
                return [_between(before, after, time_s)]
        return [row[0]]
    end, inner = (row[0], row[1:4]) if time_s < row[0].time_s else (row[-1], row[-4:-1])
    away_s = time_s - end.time_s
    if abs(away_s) > lead_s:
        return []
    if not inner:
        return [end.grown(0.5 * abs(away_s) / lead_s)] if lead_s > 0 else [end]
    vx, vy = _speed(sorted([*inner, end], key=lambda s: s.time_s))
    gone = Sighting(time_s, end.x + vx * away_s, end.y + vy * away_s, end.width, end.height, end.score)
    return [end, gone]


def _between(before: Sighting, after: Sighting, time_s: float) -> Sighting:
    gap_s = after.time_s - before.time_s
    share = 0.0 if gap_s <= 0 else (time_s - before.time_s) / gap_s

    def mix(a: float, b: float) -> float:
        return a + share * (b - a)

    return Sighting(
        time_s,
        mix(before.x, after.x),
        mix(before.y, after.y),
        mix(before.width, after.width),
        mix(before.height, after.height),
        min(before.score, after.score),
    )


def _speed(row: Sequence[Sighting]) -> tuple[float, float]:
    if len(row) < 2:
        return 0.0, 0.0
    mean_s = sum(s.time_s for s in row) / len(row)
    spread = sum((s.time_s - mean_s) ** 2 for s in row)
    if spread <= 0.0:
        return 0.0, 0.0
    vx = sum((s.time_s - mean_s) * s.centre[0] for s in row) / spread
    vy = sum((s.time_s - mean_s) * s.centre[1] for s in row) / spread
    return vx, vy


def _distance(track: Sequence[Sighting], box: Sighting) -> float:
    """Return how far a box is from where the track is expected, in sizes; infinite where it cannot be it."""
    last = track[-1]
    change = max(last.width, 1.0) / max(box.width, 1.0)
    if not 1.0 / _LARGEST_CHANGE <= change <= _LARGEST_CHANGE:
        return math.inf
    gap_s = box.time_s - last.time_s
    if gap_s <= 0.0:
        return math.inf
    vx, vy = _speed(track[-4:])
    (x, y), (bx, by) = last.centre, box.centre
    expected = math.hypot(x + vx * gap_s - bx, y + vy * gap_s - by)
    stayed = math.hypot(x - bx, y - by)
    return min(expected, stayed) / max(1.0, (last.size + box.size) / 2.0)
