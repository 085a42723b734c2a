"""Faces are the same whether a picture is searched at once or strip by strip."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisewatch.privacy.faces import FaceBox
from noisewatch.privacy.strips import MOST_PX, in_strips, spans


def bright_squares(picture: NDArray[np.uint8]) -> list[FaceBox]:
    """A finder whose answer is known: one box around each shade of bright pixels."""
    grey = picture[:, :, 0]
    found = []
    for shade in np.unique(grey[grey > 100]):
        rows, columns = np.nonzero(grey == shade)
        box = (float(columns.min()), float(rows.min()), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1))
        found.append(FaceBox(*box, score=float(shade) / 255))
    return found


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 1050), st.integers(0, 560), st.integers(8, 64)), min_size=1, max_size=5)
)
def test_a_face_in_any_place_is_found_once_and_in_its_place(places: list[tuple[int, int, int]]) -> None:
    picture = np.zeros((630, 1120, 3), np.uint8)  # searched as it is: a scaled one has other shades
    for number, (x, y, side) in enumerate(places):
        picture[y : y + side, x : x + side] = 120 + 20 * number
    whole = {(f.score, f.x, f.y, f.width) for f in bright_squares(picture)}
    largest: dict[float, FaceBox] = {}
    for face in in_strips(bright_squares)(picture):
        if face.score not in largest or face.width > largest[face.score].width:
            largest[face.score] = face
    assert {(f.score, f.x, f.y, f.width) for f in largest.values()} == whole


def test_no_more_than_a_strip_is_searched_at_once_and_small_pictures_are_left_whole() -> None:
    sizes: list[int] = []

    def note(picture: NDArray[np.uint8]) -> list[FaceBox]:
        sizes.append(picture.shape[0] * picture.shape[1])
        return []

    for shape in ((1080, 1920, 3), (720, 1280, 3)):
        in_strips(note)(np.zeros(shape, np.uint8))
    assert len(sizes) == 6
    assert max(sizes) <= 1.3 * MOST_PX
    in_strips(note)(np.zeros((360, 640, 3), np.uint8))
    assert sizes[-1] == 360 * 640


@pytest.mark.parametrize("width", [641, 853, 1280])
def test_the_strips_cover_the_picture_and_share_their_edges(width: int) -> None:
    found = spans(width)
    assert found[0][0] == 0
    assert found[-1][1] == width
    assert all(before[1] - after[0] >= 0.12 * width for before, after in pairwise(found))
