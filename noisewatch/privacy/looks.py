"""Two looks at each picture: a near one strip by strip, and a far one at the whole, made small. Pure.

The near look finds small faces. The far look finds large ones and those that moved during the exposure: made
smaller, they look sharp again. It costs a third of the near one. Both count weaker scores than one look
could, as long as the box is no smaller than a face that anybody could tell.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from noisewatch.privacy.faces import SHORTEST_PX, FaceBox, surest
from noisewatch.privacy.strips import FindFaces, in_strips

Image = NDArray[np.uint8]

#: A box of any size counts from this score on.
SURE_SCORE = 0.2
#: Weaker ones count from these scores on, where the box is at least so many pixels high. Chosen on one half
#: of the labelled frames, judged on the other (bench/faces.py); a false box only pixelates a patch of street.
NEAR_SCORE, FAR_SCORE, WEAK_HEIGHT_PX = 0.1, 0.08, 18.0
#: Long side of the whole picture in the far look.
FAR_PX = SHORTEST_PX


def two_looks(find: FindFaces) -> FindFaces:
    """Return a finder that looks twice at a picture longer than `FAR_PX`, once at a smaller one.

    Parameters
    ----------
    find : callable
        Finds the faces of one BGR picture, weak scores too (down to `FAR_SCORE`).

    Examples
    --------
    >>> widths = []
    >>> search = two_looks(lambda picture: widths.append(picture.shape[1]) or [])
    >>> search(np.zeros((720, 1280, 3), np.uint8)), widths
    ([], [467, 467, 467, 640])
    """
    near = in_strips(find)

    def search(picture: Image) -> list[FaceBox]:
        found = [face for face in near(picture) if counts(face, least_score=NEAR_SCORE)]
        height, width = picture.shape[:2]
        scale = FAR_PX / max(height, width)
        if scale < 1.0:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
            far = [
                FaceBox(f.x / scale, f.y / scale, f.width / scale, f.height / scale, f.score)
                for f in find(small)
            ]
            found += [face for face in far if counts(face, least_score=FAR_SCORE)]
        return surest(sorted(found, key=lambda face: -face.score))

    return search


def counts(face: FaceBox, *, least_score: float) -> bool:
    """Tell whether a box is sure enough, or large enough for a weaker score.

    Examples
    --------
    >>> weak = FaceBox(0.0, 0.0, 20.0, 25.0, 0.15)
    >>> counts(weak, least_score=0.1), counts(FaceBox(0.0, 0.0, 8.0, 10.0, 0.15), least_score=0.1)
    (True, False)
    """
    if face.score >= SURE_SCORE:
        return True
    return face.score >= least_score and face.height >= WEAK_HEIGHT_PX
