"""Moving things in ten seconds of picture, each followed from frame to frame. Pure, on arrays.

Small grey pictures are held (320 pixels wide, some 14 MB for ten seconds), the large ones never. What differs
from the median of the ten seconds is foreground; the optical flow says which way it moves, so that vehicles
that cross each other stay two. Nothing is recognised here, neither persons nor plates: only size, shape and
speed say what may be a vehicle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from noisewatch.capture.linking import Blob, Track, follow

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]

WIDTH_PX = 320
SHORTEST_STEP_S = 1 / 31

_MEDIAN_OF = 31
_SHAKE_PX = 0.35
_SHAKE_LARGEST_PX = 12.0
_NOISE_TIMES = 5.0
_LEAST_CONTRAST = 11.0
_FLOW_PX = 0.2  # of a picture a quarter as large, per frame
_LEAST_AREA_PX = 36


@dataclass(frozen=True, slots=True)
class SmallFilm:
    """Small grey pictures: `pictures` uint8 of shape (n, height, width), `time_s` of shape (n,), rising."""

    time_s: Floats
    pictures: Grey


def shrink(pictures: Iterable[tuple[float, NDArray[np.uint8]]]) -> SmallFilm:
    """Take pictures one at a time and keep them small and grey.

    Parameters
    ----------
    pictures : iterable of (time_s, picture)
        BGR, uint8, shape (height, width, 3), or grey, shape (height, width); times in seconds. Pictures of
        another size than the first one's, out of order, or closer than 1/31 s to the last are left out.

    Examples
    --------
    >>> film = shrink((number / 25, np.zeros((720, 1280, 3), np.uint8)) for number in range(3))
    >>> film.pictures.shape
    (3, 180, 320)
    """
    times: list[float] = []
    kept: list[Grey] = []
    size: tuple[int, int] | None = None
    for time_s, picture in pictures:
        size = size or (picture.shape[0], picture.shape[1])
        if picture.shape[:2] != size or (times and time_s - times[-1] < SHORTEST_STEP_S):
            continue
        height = max(2, 2 * round(WIDTH_PX * size[0] / size[1] / 2))
        # grey after shrinking costs a sixteenth of grey before
        small = cv2.resize(picture, (WIDTH_PX, height), interpolation=cv2.INTER_AREA)
        grey = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        times.append(time_s)
        kept.append(np.asarray(grey, dtype=np.uint8))
    stack = np.stack(kept) if kept else np.zeros((0, 2, WIDTH_PX), np.uint8)
    return SmallFilm(np.asarray(times, dtype=np.float64), stack)


def moving_things(film: SmallFilm) -> tuple[Track, ...]:
    """Follow everything that crosses the picture.

    Returns
    -------
    tuple of Track
        Boxes as shares of the picture, in order of first sight.
    """
    if film.time_s.size < 5:
        return ()
    steady = _steadied(np.stack([cv2.GaussianBlur(picture, (3, 3), 0) for picture in film.pictures]))
    background, threshold = _background(steady)
    masks: list[Grey] = []
    flows: list[NDArray[np.float32]] = []
    previous: Grey | None = None
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    finder.setFinestScale(1)
    height, width = background.shape
    small_size = (width // 2, height // 2)
    for picture in steady:
        masks.append(_foreground(picture, background, threshold))
        half = np.asarray(cv2.resize(picture, small_size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        flow = (
            np.zeros((*half.shape, 2), np.float32)
            if previous is None or not masks[-1].any()
            else finder.calc(previous, half, None)  # type: ignore[call-overload]
        )
        coarse = cv2.resize(flow, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
        flows.append(np.asarray(coarse, dtype=np.float32) / np.float32(2.0))
        previous = half
    flows[0] = flows[1]
    axis = _road_axis(masks, flows)
    sights = [
        [blob for sign in (1, -1) for blob in _blobs(mask, flow @ axis, sign)]
        for mask, flow in zip(masks, flows, strict=True)
    ]
    return follow(film.time_s, sights, width=width, height=height)


def _steadied(pictures: Grey) -> Grey:
    """Shift each picture so that what stands still stays where it is; pixels, whole picture."""
    reference = _median(pictures).astype(np.float32)
    window = cv2.createHanningWindow((reference.shape[1], reference.shape[0]), cv2.CV_32F)
    shifts = np.zeros((len(pictures), 2))
    for index, picture in enumerate(pictures):
        (x, y), answer = cv2.phaseCorrelate(reference, picture.astype(np.float32), window)
        if answer > 0.08 and max(abs(x), abs(y)) <= _SHAKE_LARGEST_PX:
            shifts[index] = x, y
    if np.percentile(np.abs(shifts).max(axis=1), 90) < _SHAKE_PX:
        return pictures
    steady = np.empty_like(pictures)
    size = (pictures.shape[2], pictures.shape[1])
    for index, (x, y) in enumerate(shifts):
        matrix = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]])
        steady[index] = cv2.warpAffine(pictures[index], matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return steady


def _median(pictures: Grey) -> Grey:
    chosen = np.unique(np.linspace(0, len(pictures) - 1, _MEDIAN_OF).round().astype(int))
    return np.asarray(np.median(pictures[chosen], axis=0), dtype=np.uint8)


def _background(pictures: Grey) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the empty street, and how far a pixel may stray from it (leaves stray further than walls)."""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, _MEDIAN_OF).round().astype(int))
    middle = np.median(pictures[chosen], axis=0).astype(np.float32)
    stray = np.stack([np.abs(_levelled(picture, middle)) for picture in pictures[chosen]])
    spread = np.median(stray, axis=0).astype(np.float32) * np.float32(1.48)
    spread = np.asarray(cv2.GaussianBlur(spread, (0, 0), 2.0), dtype=np.float32)
    return middle, np.clip(_NOISE_TIMES * spread, _LEAST_CONTRAST, 60.0).astype(np.float32)


def _levelled(picture: Grey, background: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return picture minus background after a change of light was taken out of the picture."""
    coarse, behind = picture[::4, ::4].astype(np.float32), background[::4, ::4]
    usable = (coarse > 8) & (coarse < 247)
    gain = float(np.median(coarse[usable] / np.maximum(behind[usable], 8.0))) if usable.any() else 1.0
    return np.asarray(picture.astype(np.float32) / np.float32(np.clip(gain, 0.5, 2.0)) - background)


def _foreground(
    picture: Grey, background: NDArray[np.float32], threshold: NDArray[np.float32]
) -> NDArray[np.uint8]:
    difference = np.abs(_levelled(picture, background))
    mask = (difference > threshold).astype(np.uint8)
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), dtype=np.uint8)


def _road_axis(masks: list[NDArray[np.uint8]], flows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the unit vector along which most foreground moves; right is positive."""
    covariance = np.zeros((2, 2))
    for mask, flow in zip(masks, flows, strict=True):
        moved = flow[_quarter(mask, flow)]
        moved = moved[np.hypot(moved[:, 0], moved[:, 1]) > 2 * _FLOW_PX].astype(np.float64)
        covariance += moved.T @ moved
    axis = np.linalg.eigh(covariance)[1][:, -1] if covariance.any() else np.array([1.0, 0.0])
    return np.asarray(axis if axis[0] >= 0 else -axis, dtype=np.float32)


def _quarter(mask: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    size = (flow.shape[1], flow.shape[0])
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), dtype=np.bool_)


def _blobs(mask: NDArray[np.uint8], along: NDArray[np.float32], sign: int) -> list[Blob]:
    """Return connected foreground that moves one way."""
    if not mask.any():
        return []
    size = (mask.shape[1], mask.shape[0])
    moves = (np.asarray(sign * along) > _FLOW_PX).astype(np.uint8)
    inside = np.asarray(cv2.resize(moves, size, interpolation=cv2.INTER_NEAREST), dtype=np.uint8) & mask
    closed = cv2.morphologyEx(inside, cv2.MORPH_CLOSE, np.ones((7, 11), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    return [
        Blob(sign, float(left), float(top), float(width), float(height))
        for left, top, width, height, area in stats[1:count].tolist()
        if area >= _LEAST_AREA_PX and width >= 4 and height >= 4
    ]
