"""Attribution on drawn streets: rectangles on a textured background, and what was heard of them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from noisewatch.capture.attribution import AMBIGUOUS, NONE, ONE, attribute
from noisewatch.capture.hearing import Heard

RATE_HZ = 25
VIEW_DEG = 80.0


def street(
    passes: list[tuple[float, float, int]], *, seconds: float = 10.0, seed: int = 1
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Draw rectangles (moment, seconds for half the picture, direction) on a textured street."""
    rng = np.random.default_rng(seed)
    ground = cv2.GaussianBlur(rng.integers(60, 200, (180, 320, 3)).astype(np.uint8), (0, 0), 3)
    for number in range(round(seconds * RATE_HZ)):
        time_s = number / RATE_HZ
        picture = ground.copy()
        for closest_s, half_s, direction in passes:
            middle = 160 + direction * 160 * (time_s - closest_s) / half_s
            row = 90 if direction > 0 else 70
            left, right = (int(np.clip(middle + side, 0, 320)) for side in (-25, 25))
            picture[row : row + 26, left:right] = (30, 30, 30) if direction > 0 else (235, 235, 235)
        noise = rng.normal(0.0, 2.0, picture.shape)
        yield time_s, np.clip(picture + noise, 0, 255).astype(np.uint8)


def heard_at(closest_s: float | None, *, peak_s: float = 6.0) -> Heard:
    """Return a clear pass heard at a moment."""
    return Heard(peak_s=peak_s, closest_s=closest_s, closest_scatter_s=0.08, view_deg=VIEW_DEG)


def test_a_lone_vehicle_that_passes_with_the_sound_is_named_with_a_box_per_frame() -> None:
    found = attribute(street([(6.0, 1.0, 1)]), heard=heard_at(6.02))
    assert found.kind == ONE
    assert found.probability > 0.97
    assert found.direction == "to the right"
    middle = min(found.boxes, key=lambda box: abs(box.time_s - 6.0))
    assert abs(middle.x + middle.width / 2 - 0.5) < 0.03
    assert abs(middle.width - 50 / 320) < 0.03
    assert len(found.boxes) > 30


def test_of_two_vehicles_the_one_that_passes_with_the_sound_is_named() -> None:
    passes = [(4.0, 0.6, 1), (6.5, 0.6, -1)]
    found = attribute(street(passes), heard=heard_at(6.52, peak_s=6.6))
    assert found.kind == ONE
    assert found.direction == "to the left"
    assert found.n_vehicles == 2


def test_two_vehicles_that_pass_together_are_ambiguous() -> None:
    found = attribute(street([(6.0, 1.0, 1), (6.05, 1.0, -1)]), heard=heard_at(6.05))
    assert found.kind == AMBIGUOUS
    assert found.short == "ambiguous: 2 vehicles"
    assert found.boxes == ()


def test_a_vehicle_that_passes_seconds_away_from_the_sound_is_not_named() -> None:
    found = attribute(street([(3.0, 1.0, 1)]), heard=heard_at(7.0, peak_s=7.0))
    assert found.kind == NONE


def test_an_empty_street_and_no_picture_at_all_have_none_in_view() -> None:
    assert attribute(street([]), heard=heard_at(6.0)).kind == NONE
    assert attribute(iter(()), heard=heard_at(6.0)).kind == NONE


def test_the_document_for_the_record_holds_plain_values_only() -> None:
    document = attribute(street([(6.0, 1.0, 1)]), heard=heard_at(6.02)).document()
    assert set(document) == {"kind", "n_vehicles", "probability", "direction", "boxes", "why", "method"}
    assert all(len(box) == 5 for box in document["boxes"])
