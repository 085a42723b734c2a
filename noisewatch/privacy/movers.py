"""What moves in a clip, and what of it is no vehicle by its size and speed. Pure, on small grey pictures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from noisewatch.privacy.following import Sighting, Track, follow, places

Image = NDArray[np.uint8]

#: Width of the pictures in which movement is sought.
SMALL_WIDTH_PX = 320
#: The difference of brightness that is movement lies between these, five times the picture's own noise.
_LEAST_DIFFERENCE, _MOST_DIFFERENCE = 14.0, 24.0
_SMALLEST_AREA_PX = 10
#: With more than this moving, the camera itself moves: nothing can be told apart.
_MOST_MOVING = 0.6
_BACKGROUND_PICTURES = 41


@dataclass(frozen=True, slots=True)
class Movement:
    """What moved: tracks in pixels of the small picture, and the times when everything did."""

    vehicles: tuple[Track, ...]
    others: tuple[Track, ...]
    everything_at_s: tuple[float, ...]


def shrink(picture: Image) -> Image:
    """Return a grey picture of `SMALL_WIDTH_PX` or less in width."""
    height, width = picture.shape[:2]
    small_width = min(width, SMALL_WIDTH_PX)
    size = (small_width, max(1, round(height * small_width / width)))
    grey = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    return np.asarray(grey, dtype=np.uint8)


def find_movement(times_s: Sequence[float], pictures: Sequence[Image]) -> Movement:
    """Find what moves against what stays over the whole clip, and sort it.

    Parameters
    ----------
    times_s : sequence of float
        Time of each picture.
    pictures : sequence of ndarray, uint8, shape (rows, columns)
        From :func:`shrink`, all of one size.
    """
    if not pictures:
        return Movement((), (), ())
    background = _background(pictures)
    rows: list[list[Sighting]] = []
    everything: list[float] = []
    for time_s, picture in zip(times_s, pictures, strict=True):
        moving = _moving(picture, background)
        if np.count_nonzero(moving) > _MOST_MOVING * moving.size:
            everything.append(time_s)
            rows.append([])
        else:
            rows.append(_regions(moving, time_s))
    width, height = pictures[0].shape[1], pictures[0].shape[0]
    tracks = follow(rows)
    vehicles = [track for track in tracks if is_vehicle(track, width=width, height=height)]
    others = [t for t in tracks if not any(t is v for v in vehicles) and not _is_part(t, vehicles)]
    return Movement(tuple(vehicles), tuple(others), tuple(everything))


def is_vehicle(track: Track, *, width: int, height: int) -> bool:
    """Tell whether a moving region is a vehicle by size and speed; what is not sure is none.

    Speeds are in heights of the region a second: a person of 1.75 m who runs at 3 m/s makes 1.7 heights, a
    car of 1.5 m at 30 km/h makes 5.5, a motorcycle with its rider of 1.6 m at 20 km/h makes 3.5. Vehicles
    that come towards the camera grow faster than a person on foot can, and are wider than one.

    Parameters
    ----------
    track : Track
        In pixels.
    width, height : int
        Size of the picture.
    """
    row = [s for s in track.sightings if s.x > 1 and s.x + s.width < width - 1]
    if len(row) < 4 or row[-1].time_s - row[0].time_s < 0.12:
        row = list(track.sightings)
    if len(row) < 4 or row[-1].time_s - row[0].time_s < 0.12:
        return False
    tall = statistics.median(s.height for s in row)
    shape = statistics.median(s.width / s.height for s in row)
    if tall < 0.035 * height:
        return False
    vx, vy = Track(tuple(row)).speed()
    speed = float(np.hypot(vx, vy)) / tall
    if shape >= 1.4:
        return speed >= 1.6 or _growth(row) >= 0.25
    return shape >= 0.75 and (speed >= 3.0 or (_growth(row) >= 0.3 and shape >= 0.9))


def scaled(track: Track, scale: float) -> Track:
    """Return a track in pixels of a picture that is `scale` times as large."""
    return Track(
        tuple(
            Sighting(s.time_s, s.x * scale, s.y * scale, s.width * scale, s.height * scale, s.score)
            for s in track.sightings
        )
    )


def _background(pictures: Sequence[Image]) -> NDArray[np.float32]:
    step = max(1, len(pictures) // _BACKGROUND_PICTURES)
    return np.asarray(np.median(np.stack(pictures[::step]), axis=0), dtype=np.float32)


def _moving(picture: Image, background: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which pixels differ from the background, after the camera's own gain is taken out."""
    now = picture.astype(np.float32)
    bright = background > 8.0
    gain = float(np.median(now[bright] / background[bright])) if bright.any() else 1.0
    difference = np.abs(now - background * np.clip(gain, 0.5, 2.0))
    noise = 1.4826 * float(np.median(difference))
    wide = np.asarray(difference > np.clip(5.0 * noise, _LEAST_DIFFERENCE, _MOST_DIFFERENCE), dtype=np.uint8)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return np.asarray(opened, dtype=np.bool_)


def _regions(moving: NDArray[np.bool_], time_s: float) -> list[Sighting]:
    count, _, stats, _ = cv2.connectedComponentsWithStats(moving.astype(np.uint8), connectivity=8)
    return [
        Sighting(time_s, float(x), float(y), float(w), float(h))
        for x, y, w, h, area in stats[1:count]
        if area >= _SMALLEST_AREA_PX
    ]


def _growth(row: Sequence[Sighting]) -> float:
    """Return by what share of itself a region's size changes in a second, either way."""
    times = np.array([s.time_s for s in row])
    sizes = np.log([max(1.0, s.height) for s in row])
    return float(abs(np.polyfit(times - times.mean(), sizes, 1)[0]))


def _is_part(track: Track, vehicles: Sequence[Track]) -> bool:
    """Tell whether a region is a piece of a vehicle: mostly inside its box, and moving with it."""
    for vehicle in vehicles:
        first_s, last_s = vehicle.sightings[0].time_s, vehicle.sightings[-1].time_s
        shared = [s for s in track.sightings if first_s <= s.time_s <= last_s]
        if len(shared) < 0.8 * len(track.sightings):
            continue
        inside = sum(_holds(places(vehicle, s.time_s, lead_s=0.0), s) for s in shared)
        (vx, vy), (ux, uy) = vehicle.speed(), track.speed()
        apart = float(np.hypot(vx - ux, vy - uy))
        if inside >= 0.8 * len(shared) and apart <= 0.5 * float(np.hypot(vx, vy)):
            return True
    return False


def _holds(boxes: Sequence[Sighting], inner: Sighting) -> bool:
    x, y = inner.centre
    return any(
        b.x <= x <= b.x + b.width and b.y <= y <= b.y + b.height for b in (b.grown(0.1) for b in boxes)
    )
