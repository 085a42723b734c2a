"""The static mask: outside the carriageway no pixel reaches an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Carriageway:
    """The polygon inside which pictures may be recorded, as shares of width and height from the top left.

    An empty polygon is no permission: :func:`apply` then blackens everything. ``WHOLE_PICTURE`` is what a
    trial node uses.
    """

    points: tuple[Point, ...]

    @property
    def is_set(self) -> bool:
        """Whether there is an area at all."""
        return len(self.points) >= 3


#: The whole picture counts as carriageway; trial nodes only (design section 11).
WHOLE_PICTURE = Carriageway(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))


def inside(points: Sequence[Point], *, width: int, height: int) -> NDArray[np.bool_]:
    """Return which pixels have their centre inside the polygon (even-odd rule).

    Parameters
    ----------
    points : sequence of (x, y)
        Corners as shares of width and height.
    width, height : int
        Size of the picture in pixels.

    Returns
    -------
    ndarray, bool, shape (height, width)
        True inside. All False where the polygon has fewer than three corners.

    Examples
    --------
    >>> inside([(0, 0), (1, 0), (1, 0.5), (0, 0.5)], width=2, height=4)[:, 0].tolist()
    [True, True, False, False]
    """
    result = np.zeros((height, width), dtype=np.bool_)
    if len(points) < 3:
        return result
    x = (np.arange(width) + 0.5) / width
    y = ((np.arange(height) + 0.5) / height)[:, np.newaxis]
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        if y0 == y1:
            continue
        crosses_row = (y0 <= y) != (y1 <= y)
        crossing_x = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
        result ^= crosses_row & (x < crossing_x)
    return result


def encodable(points: Sequence[Point], *, width: int, height: int) -> NDArray[np.bool_]:
    """Return which pixels may reach an encoder: those whose colour holds nothing from outside the polygon.

    A camera's stream holds one colour for two by two pixels, and decoders mix neighbouring ones. So a pixel
    is kept only where its own two-by-two cell and all cells around it lie inside; at the edges of the picture
    there is nothing to mix with.

    Examples
    --------
    >>> encodable([(0, 0), (1, 0), (1, 0.5), (0, 0.5)], width=4, height=16)[:, 0].tolist().count(True)
    6
    >>> bool(encodable(WHOLE_PICTURE.points, width=5, height=7).all())
    True
    """
    cells: NDArray[np.bool_] = inside(points, width=width, height=height)
    cells = np.pad(cells, ((0, height % 2), (0, width % 2)), mode="edge")
    blocks = cells.reshape(cells.shape[0] // 2, 2, cells.shape[1] // 2, 2)
    cells = np.asarray(blocks.all(axis=(1, 3)), dtype=np.bool_)
    ring = np.pad(cells, 1, mode="edge")
    rows, columns = cells.shape
    kept: NDArray[np.bool_] = np.ones_like(cells)
    for down in range(3):
        for right in range(3):
            np.logical_and(kept, ring[down : down + rows, right : right + columns], out=kept)
    return np.asarray(kept.repeat(2, axis=0).repeat(2, axis=1)[:height, :width])


def apply(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the picture with everything outside the mask black.

    Parameters
    ----------
    picture : ndarray, uint8, shape (height, width, 3)
        Decoded picture.
    mask : ndarray, bool, shape (height, width)
        From :func:`inside`, for this size.

    Returns
    -------
    ndarray, uint8, shape (height, width, 3)
        A new picture; the input is left as it is.
    """
    if mask.all():
        return picture
    # ten times as fast as NumPy's choice between two arrays, and this runs for every picture of a clip; only
    # here, because a node that seals nothing has no use for OpenCV
    import cv2

    flat = np.ascontiguousarray(picture)
    return np.asarray(cv2.bitwise_and(flat, flat, mask=mask.view(np.uint8)), dtype=np.uint8)
