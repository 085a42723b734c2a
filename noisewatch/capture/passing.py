"""When a tracked thing passes the microphone, and whether it may be a vehicle. Pure.

In a pinhole camera that looks across the road the column says the tangent of the bearing whatever the
distance, and that tangent rises evenly in time at even speed: x / d = v (t - t0) / d. So the moment of the
closest approach and the quotient of distance and speed follow without knowing either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from noisewatch.capture.linking import Track

Floats = NDArray[np.float64]

#: Horizontal angle of view where none is configured.
ASSUMED_VIEW_DEG = 80.0

_EDGE = 0.008
_LEAST_SIGHTS = 6
_LEAST_WAY = 0.12  # of the picture's width
# own heights a second; people walk 0.9 of theirs (children 1.5), vehicles drive 2 and more
_SLOW_TALL, _SLOW, _WALKS_NOT = 2.2, 0.7, 1.6
_TALL = 0.9
_PART = 0.8  # of a length: the middle of a part from the middle of the whole
# two of one way and lane cannot pass within this and most of a length; seen together this often they are two
_SAME_S, _LONGEST_S, _TOGETHER = 0.2, 0.6, 10
_LEAST_DENSITY = 0.33  # sights per frame
_LEAST_LENGTH = 0.1  # over the distance: a motorcycle on the far lane has 0.15
_WALKS_S, _WALKS_LENGTH = 3.0, 0.2
# seen less far on one side of the closest approach, or over less in all (tangents): it may be off by so much
_BOTH_SIDES, _WAY_SEEN = 0.4, 1.2
_ONE_SIDED_S, _BRIEF_S, _OUTSIDE = 0.25, 0.4, 0.25
# of its pace at the closest approach, at either end of its sight
_LEAST_PACE = 0.2
# a sight within either of these of the middle line (times the median stray, tangent) begins the fit
_STRAYS, _BENDS = 6.0, 0.5
# a sight further than this (tangent) from the way is of something else
_OFF_WAY = 0.1
_FEW_SIGHTS, _LOW, _SIDE, _SMALL_AREA = 4, 0.05, 1.4, 0.01


@dataclass(frozen=True, slots=True)
class Passing:
    """One tracked thing against the microphone.

    Parameters
    ----------
    track : Track
        Its boxes.
    closest_s : float
        When its middle is straight in front of the microphone; outside its sight it is extrapolated.
    scatter_s : float
        Standard deviation of that.
    width_s : float
        Distance over speed at that moment.
    own_length_s : float
        How long it takes to drive its own length.
    direction : int
        1 to the right, -1 to the left.
    curve : (float, float, float)
        Tangent of the bearing as a polynomial of the seconds after `closest_s`, highest power first.
    is_own : ndarray of bool, shape (n,)
        Which of the track's sights lie on this way; the others show something else.
    """

    track: Track
    closest_s: float
    scatter_s: float
    width_s: float
    own_length_s: float
    direction: int
    curve: tuple[float, float, float]
    is_own: NDArray[np.bool_]

    def tangent(self, time_s: Floats) -> Floats:
        """Return x / d at times on the pictures' clock; beyond its sight it drives on evenly."""
        bend, slope, _ = self.curve
        first, last = self.track.time_s[0] - self.closest_s, self.track.time_s[-1] - self.closest_s
        since = np.asarray(time_s - self.closest_s, dtype=np.float64)
        inside = np.clip(since, min(first, 0.0), max(last, 0.0))
        even = (2 * bend * inside + slope) * (since - inside)
        return np.asarray(bend * inside**2 + slope * inside + even)


def passings(
    tracks: tuple[Track, ...], *, aspect: float, view_deg: float | None, pan_deg: float
) -> tuple[Passing, ...]:
    """Return the passings of those tracks that may be vehicles.

    Parameters
    ----------
    tracks : tuple of Track
        All that moves.
    aspect : float
        The picture's width over its height.
    view_deg, pan_deg : float or None, float
        See `noisewatch.capture.hearing.Heard`.
    """
    step_s = min(
        (float(np.diff(track.time_s).min()) for track in tracks if len(track.time_s) > 1), default=0.0
    )
    steady = (track for track in tracks if track.duration_s * _LEAST_DENSITY <= len(track.time_s) * step_s)
    found = (_passing(track, aspect=aspect, view_deg=view_deg, pan_deg=pan_deg) for track in steady)
    known = [passing for passing in found if passing is not None]
    # the best seen first: what it explains is a part of it (a shadow, what a parked car left to see)
    known.sort(key=lambda passing: -abs(_way(passing.track)) * np.sqrt(len(passing.track.time_s)))
    kept: list[Passing] = []
    for passing in known:
        if not any(_explains(better, passing) for better in kept):
            kept.append(passing)
    return tuple(sorted(kept, key=lambda passing: passing.closest_s))


def unclear(
    tracks: tuple[Track, ...],
    seen: tuple[Passing, ...],
    *,
    aspect: float,
    view_deg: float | None,
    pan_deg: float,
) -> tuple[Track, ...]:
    """Return what drove but could not be followed well enough to say when it passed.

    Parameters
    ----------
    tracks, seen : tuple of Track, tuple of Passing
        All that moves, and what `passings` made of it: sights on the way of one of those are explained.
    aspect, view_deg, pan_deg : float, float or None, float
        As there.

    Returns
    -------
    tuple of Track
        Unexplained sights, of what moves as fast as a vehicle.
    """
    found = []
    for track in tracks:
        is_known = any(track is one.track for one in seen)
        if is_known or len(track.time_s) < _FEW_SIGHTS or track.duration_s > _WALKS_S:
            continue
        centre, _ = _centres(track)
        half = len(centre) // 2
        pace = np.median((centre[half:] - centre[:-half]) / (track.time_s[half:] - track.time_s[:-half]))
        if abs(float(pace)) * aspect < _WALKS_NOT * max(float(np.median(track.boxes[:, 3])), _LOW):
            continue
        known = track.boxes[:, 2] * track.boxes[:, 3] < _SMALL_AREA
        for one in seen:
            known |= _on_way(one, track, view_deg=view_deg, pan_deg=pan_deg)
        if np.count_nonzero(~known) >= _FEW_SIGHTS - 1:
            found.append(Track(track.sign, track.time_s[~known], track.boxes[~known]))
    return tuple(found)


def _on_way(passing: Passing, track: Track, *, view_deg: float | None, pan_deg: float) -> NDArray[np.bool_]:
    """Tell which sights of a track lie where a passing thing was."""
    centre, _ = _centres(track)
    focal = 0.5 / np.tan(np.deg2rad(view_deg or ASSUMED_VIEW_DEG) / 2)
    tangent = np.tan(np.clip(np.arctan((centre - 0.5) / focal) + np.deg2rad(pan_deg), -_SIDE, _SIDE))
    length = passing.own_length_s / passing.width_s
    reach = _PART * length * (1.0 + tangent**2) + _OFF_WAY
    return np.asarray(np.abs(passing.tangent(track.time_s) - tangent) < reach)


def _way(track: Track) -> float:
    return float(track.boxes[-1, 0] - track.boxes[0, 0] + (track.boxes[-1, 2] - track.boxes[0, 2]) / 2)


def _explains(better: Passing, other: Passing) -> bool:
    """Tell whether something seen is a part of a vehicle that is known: on the same way at the same time."""
    if better.direction != other.direction:
        return False
    longest_s = min(max(better.own_length_s, other.own_length_s), _LONGEST_S)
    together = np.intersect1d(better.track.time_s, other.track.time_s).size
    if abs(better.closest_s - other.closest_s) < _PART * longest_s + _SAME_S and together < _TOGETHER:
        return True
    length = better.own_length_s / better.width_s
    time_s = other.track.time_s
    theirs = other.tangent(time_s)
    # far to the side the tangent stretches what is one length
    reach = _PART * length * (1.0 + theirs**2) + 0.05
    return bool(np.mean(np.abs(better.tangent(time_s) - theirs) < reach) > 0.6)


def _passing(track: Track, *, aspect: float, view_deg: float | None, pan_deg: float) -> Passing | None:
    centre, good = _centres(track)
    if good.sum() < _LEAST_SIGHTS:
        return None
    time_s, centre = track.time_s[good], centre[good]
    seen_s = float(time_s[-1] - time_s[0])
    # the middle of what it does, so that one sight of something else at either end says nothing
    half = len(centre) // 2
    way = seen_s * float(np.median((centre[half:] - centre[:-half]) / (time_s[half:] - time_s[:-half])))
    if abs(way) < _LEAST_WAY or seen_s <= 0.15 or not _may_be_vehicle(track, way, seen_s, aspect):
        return None
    focal = 0.5 / np.tan(np.deg2rad(view_deg or ASSUMED_VIEW_DEG) / 2)
    bearing = np.arctan((centre - 0.5) / focal) + np.deg2rad(pan_deg)
    usable = np.abs(bearing) < np.deg2rad(80.0)
    if usable.sum() < _LEAST_SIGHTS:
        return None
    time_s, tangent = time_s[usable], np.tan(bearing[usable])
    fit = _fit(time_s, tangent)
    if fit is None:
        return None
    closest_s, (bend, slope), residual = fit
    length = float(np.median(track.boxes[:, 2])) / focal
    is_slow = abs(slope) * _WALKS_S < 1.0
    if length < (_WALKS_LENGTH if is_slow else _LEAST_LENGTH):
        return None
    found = Passing(
        track=track,
        closest_s=closest_s,
        scatter_s=0.04 + residual / abs(slope) / 2 + _unsure_s(track.time_s, closest_s, 1.0 / abs(slope)),
        width_s=1.0 / abs(slope),
        own_length_s=length / abs(slope),
        direction=1 if slope > 0 else -1,
        curve=(bend, slope, 0.0),
        is_own=np.ones(len(track.time_s), dtype=np.bool_),
    )
    return replace(found, is_own=_on_way(found, track, view_deg=view_deg, pan_deg=pan_deg))


def _unsure_s(time_s: Floats, closest_s: float, width_s: float) -> float:
    """Return what a closest approach is unsure by where it was not seen from both sides, or only briefly."""
    before_s, after_s = closest_s - float(time_s[0]), float(time_s[-1]) - closest_s
    least_s = min(before_s, after_s)
    side = np.clip((_BOTH_SIDES - least_s / width_s) / _BOTH_SIDES, 0.0, 2.0)
    brief = np.clip(_WAY_SEEN - (before_s + after_s) / width_s, 0.0, 1.0)
    return float(_ONE_SIDED_S * side + _BRIEF_S * brief + _OUTSIDE * max(-least_s, 0.0))


def _centres(track: Track) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the middle's column per sight; of what the edge cuts, half a length from the free end."""
    left, width = track.boxes[:, 0], track.boxes[:, 2]
    right = left + width
    at_left, at_right = left < _EDGE, right > 1.0 - _EDGE
    free = ~at_left & ~at_right
    full = float(np.percentile(width[free], 60)) if free.sum() >= 3 else float(np.max(width))
    centre = left + width / 2
    centre = np.where(at_left & ~at_right, right - np.maximum(full, width) / 2, centre)
    centre = np.where(at_right & ~at_left, left + np.maximum(full, width) / 2, centre)
    good = free.copy()
    if free.sum() < 8:
        good = ~(at_left & at_right)
    return np.asarray(centre), np.asarray(good)


def _may_be_vehicle(track: Track, way: float, seen_s: float, aspect: float) -> bool:
    """Tell what drives from what walks, by shape and by its own heights a second."""
    tall = float(np.median(track.boxes[:, 3]))
    wide = float(np.median(track.boxes[:, 2])) * aspect
    heights_per_s = abs(way) * aspect / seen_s / max(tall, 1e-6)
    return heights_per_s >= (_SLOW_TALL if tall > _TALL * wide else _SLOW)


def _fit(time_s: Floats, tangent: Floats) -> tuple[float, tuple[float, float], float] | None:
    """Fit x / d over time; return the crossing, the polynomial round it and the scatter."""
    middle = float(time_s.mean())
    since = time_s - middle
    degree = 2 if since[-1] - since[0] > 0.6 and len(since) >= 10 else 1
    # sights of something else would pull at a first fit: begin with what lies near the middle line
    half = len(since) // 2
    pace = float(np.median((tangent[half:] - tangent[:-half]) / (since[half:] - since[:-half])))
    off = np.abs(tangent - pace * since - np.median(tangent - pace * since))
    keep = off < max(_STRAYS * float(np.median(off)), _BENDS)
    if keep.sum() < _LEAST_SIGHTS:
        return None
    for _ in range(3):
        poly = np.polyfit(since[keep], tangent[keep], degree)
        away = np.abs(tangent - np.polyval(poly, since))
        spread = max(1.48 * float(np.median(away[keep])), 1e-3)
        keep = away < 3.0 * spread
        if keep.sum() < _LEAST_SIGHTS:
            return None
    slope_mean = (tangent[-1] - tangent[0]) / (since[-1] - since[0])
    straight = np.polyfit(since[keep], tangent[keep], 1)
    cross = -straight[1] / straight[0] if straight[0] else np.inf
    if degree == 2:
        roots = np.roots(poly)
        roots = roots[np.abs(roots.imag) < 1e-9].real
        good = [root for root in roots if (2 * poly[0] * root + poly[1]) * slope_mean > 0]
        near = [root for root in good if since[0] - 1.0 <= root <= since[-1] + 1.0]
        if near:
            cross = min(near, key=abs)
            slope = float(2 * poly[0] * cross + poly[1])
            ends = 2 * poly[0] * since[[0, -1]] + poly[1]
            # nobody turns round on the way: such a curve would come back where it is drawn on
            if 0.4 < slope / straight[0] < 2.5 and float(np.min(ends / slope)) > _LEAST_PACE:
                return middle + float(cross), (float(poly[0]), slope), spread
    if not np.isfinite(cross) or abs(cross) > 30.0:
        return None
    return middle + float(cross), (0.0, float(straight[0])), max(spread, float(np.std(away[keep])))
