"""Two looks at a picture: what only one of them sees is covered, and what both see counts once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from noisewatch.privacy.faces import FaceBox
from noisewatch.privacy.looks import FAR_SCORE, NEAR_SCORE, SURE_SCORE, WEAK_HEIGHT_PX, counts, two_looks

Image = NDArray[np.uint8]


def bright(picture: Image, score: float) -> list[FaceBox]:
    """Return the bounding box of what is bright, or nothing."""
    rows, columns = np.nonzero(picture[:, :, 0] > 100)
    if not rows.size:
        return []
    size = float(np.ptp(columns) + 1), float(np.ptp(rows) + 1)
    return [FaceBox(float(columns.min()), float(rows.min()), *size, score)]


def street_with_a_face(height_px: int) -> Image:
    picture = np.zeros((720, 1280, 3), np.uint8)
    picture[300 : 300 + height_px, 200 : 200 + height_px] = 200
    return picture


def test_a_face_that_only_the_far_look_sees_is_found_in_its_place() -> None:
    search = two_looks(lambda picture: bright(picture, 0.1) if picture.shape[:2] == (360, 640) else [])
    found = search(street_with_a_face(60))
    assert [(f.x, f.y, f.width, f.height) for f in found] == [(200.0, 300.0, 60.0, 60.0)]


def test_a_face_that_both_looks_see_counts_once_with_its_better_score() -> None:
    search = two_looks(lambda picture: bright(picture, 0.9 if picture.shape[1] == 640 else 0.4))
    assert [f.score for f in search(street_with_a_face(60))] == [0.9]


def test_a_small_picture_is_looked_at_once() -> None:
    sizes: list[tuple[int, ...]] = []

    def note(picture: Image) -> list[FaceBox]:
        sizes.append(picture.shape)
        return []

    two_looks(note)(np.zeros((360, 640, 3), np.uint8))
    assert sizes == [(360, 640, 3)]


@pytest.mark.parametrize(("score", "height_px", "found"), [(0.12, 60, 1), (0.12, 12, 0), (0.3, 12, 1)])
def test_a_weak_score_counts_for_a_box_as_large_as_a_face_that_can_be_told(
    score: float, height_px: int, found: int
) -> None:
    assert len(two_looks(lambda picture: bright(picture, score))(street_with_a_face(height_px))) == found


def test_no_score_counts_below_the_least_and_every_sure_one_does() -> None:
    for least in (NEAR_SCORE, FAR_SCORE):
        assert not counts(FaceBox(0, 0, 99, 99, least - 0.01), least_score=least)
        assert counts(FaceBox(0, 0, WEAK_HEIGHT_PX, WEAK_HEIGHT_PX, least), least_score=least)
        assert counts(FaceBox(0, 0, 2, 2, SURE_SCORE), least_score=least)
