"""Pixelation that stays: coarse blocks on a fixed grid, held for a second, few colours. No blur.

Each picture's mosaic samples a moving face at another place, and many together tell more than one does. So
a clip holds one mosaic a second for every place: a face of three blocks across gives away about a hundred
coarse numbers in ten seconds. What an attacker who knows every shift makes of them: bench/bystanders.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

#: A mosaic is taken this often, and shown until the next one.
HOLD_S = 1.0
#: A face shows at most this many blocks across.
BLOCKS_PER_FACE = 3.0
#: Five bits a colour are kept.
_KEPT_BITS, _MIDDLE = 0xF8, 0x04
_LEVELS = 5


@dataclass(frozen=True, slots=True)
class Mosaic:
    """One picture in blocks of five sizes, each twice the one before.

    `levels[k]` has shape (rows, columns, 3); a block of it is ``base_px * 2**k`` pixels wide and high.
    """

    base_px: int
    levels: tuple[Image, ...]


def base_block_px(height_px: int) -> int:
    """Return the side of the smallest block for a picture's height.

    Examples
    --------
    >>> base_block_px(720), base_block_px(1080), base_block_px(240)
    (16, 24, 8)
    """
    return max(8, 8 * round(height_px / 45 / 8))


def take(picture: Image) -> Mosaic:
    """Return a picture's mosaic.

    Parameters
    ----------
    picture : ndarray, uint8, shape (height, width, 3)
        Any order of colours.
    """
    height, width = picture.shape[:2]
    base = base_block_px(height)
    largest = base * 2 ** (_LEVELS - 1)
    padded = cv2.copyMakeBorder(picture, 0, (-height) % largest, 0, (-width) % largest, cv2.BORDER_REPLICATE)
    size = (padded.shape[1] // base, padded.shape[0] // base)
    level = np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    levels: list[Image] = []
    for number in range(_LEVELS):
        if number:
            half = (level.shape[1] // 2, level.shape[0] // 2)
            level = np.asarray(cv2.resize(level, half, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        levels.append(np.asarray(level & _KEPT_BITS | _MIDDLE, dtype=np.uint8))
    return Mosaic(base, tuple(levels))


def level_for_face(width_px: float, base_px: int) -> int:
    """Return the finest level that shows no more than `BLOCKS_PER_FACE` blocks of a face.

    Examples
    --------
    >>> level_for_face(40.0, 16), level_for_face(100.0, 16), level_for_face(5000.0, 16)
    (0, 2, 4)
    """
    for level in range(_LEVELS):
        if base_px * 2**level * BLOCKS_PER_FACE >= width_px:
            return level
    return _LEVELS - 1


def paint(
    picture: Image, mosaic: Mosaic, *, level: int, left: int, top: int, right: int, bottom: int
) -> None:
    """Replace a rectangle of a picture, in place, by the mosaic's blocks; edges widen to whole blocks.

    Parameters
    ----------
    picture : ndarray, uint8, shape (height, width, 3)
        Changed in place.
    mosaic : Mosaic
        Of a picture of the same size.
    level : int
        Which block size.
    left, top, right, bottom : int
        The rectangle in pixels; may reach beyond the picture.
    """
    height, width = picture.shape[:2]
    block = mosaic.base_px * 2**level
    first_row, last_row = max(0, top) // block, -(-min(height, bottom) // block)
    first_column, last_column = max(0, left) // block, -(-min(width, right) // block)
    if last_row <= first_row or last_column <= first_column:
        return
    blocks = mosaic.levels[level][first_row:last_row, first_column:last_column]
    large = cv2.resize(blocks, None, fx=block, fy=block, interpolation=cv2.INTER_NEAREST)
    y, x = first_row * block, first_column * block
    target = picture[y : y + large.shape[0], x : x + large.shape[1]]
    target[:] = large[: target.shape[0], : target.shape[1]]


def in_force(times_s: Sequence[float], time_s: float) -> int:
    """Return the place of the last time that is not after `time_s`, or the first one.

    Examples
    --------
    >>> in_force([0.0, 1.0], 0.99), in_force([0.0, 1.0], 1.0), in_force([0.0, 1.0], -3.0)
    (0, 1, 0)
    """
    return max(0, int(np.searchsorted(np.asarray(times_s), time_s, side="right")) - 1)
