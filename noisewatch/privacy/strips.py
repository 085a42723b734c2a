"""Seek faces strip by strip, so that the network's memory stays small on a large picture. Pure.

The strips overlap by more than a face that fills a tenth of the picture, and are searched at the scale at
which the whole picture would be; what two strips both see counts once.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from noisewatch.privacy.faces import FaceBox, overlap, search_scale

Image = NDArray[np.uint8]
FindFaces = Callable[[Image], list[FaceBox]]

#: Up to this many pixels a picture is searched at once.
MOST_PX = 640 * 480
STRIPS = 3
#: Of the picture's width; two neighbouring strips share this much.
SHARED = 0.125
_SAME_FACE_IOU = 0.3


def in_strips(find: FindFaces) -> FindFaces:
    """Return a finder that gives another one no more than a part of a large picture at a time.

    Examples
    --------
    >>> sizes = []
    >>> search = in_strips(lambda picture: sizes.append(picture.shape[:2]) or [])
    >>> search(np.zeros((720, 1280, 3), np.uint8)), sizes
    ([], [(630, 467), (630, 467), (630, 467)])
    """

    def search(picture: Image) -> list[FaceBox]:
        height, width = picture.shape[:2]
        scale = min(1.0, search_scale(width, height))
        if scale * width * scale * height <= MOST_PX:
            return find(picture)
        size = (round(width * scale), round(height * scale))
        small = picture if scale == 1.0 else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        found: list[FaceBox] = []
        for left, right in spans(size[0]):
            strip = np.ascontiguousarray(small[:, left:right], dtype=np.uint8)
            found += [FaceBox(f.x + left, f.y, f.width, f.height, f.score) for f in find(strip)]
        return [
            FaceBox(f.x / scale, f.y / scale, f.width / scale, f.height / scale, f.score)
            for f in _each_once(found)
        ]

    return search


def spans(width: int) -> list[tuple[int, int]]:
    """Return the first and last column of each strip.

    Examples
    --------
    >>> spans(1280)
    [(0, 534), (373, 907), (746, 1280)]
    """
    shared = round(SHARED * width)
    wide = -(-(width + (STRIPS - 1) * shared) // STRIPS)
    starts = [round(number * (width - wide) / (STRIPS - 1)) for number in range(STRIPS)]
    return [(start, start + wide) for start in starts]


def _each_once(found: list[FaceBox]) -> list[FaceBox]:
    kept: list[FaceBox] = []
    # of equally sure boxes the larger one is whole, the other was cut at a strip's edge
    for face in sorted(found, key=lambda face: (-face.score, -face.width * face.height)):
        if all(overlap(face, other) < _SAME_FACE_IOU for other in kept):
            kept.append(face)
    return kept
