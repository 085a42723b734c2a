"""The cover of the viewing copy: what stays clear, what does not, and that it cannot be undone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from noisewatch.privacy.bystanders import FACE_LEAD_S, CoverPlan, CoverPlanner
from noisewatch.privacy.faces import FaceBox

Image = NDArray[np.uint8]
HEIGHT, WIDTH = 360, 640


@dataclass(frozen=True)
class Box:
    time_s: float
    x: float
    y: float
    width: float
    height: float


def noise(seed: int = 1) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def no_faces(picture: Image) -> list[FaceBox]:
    return []


def plan_of(pictures: list[Image], *, vehicle: list[Box], faces=no_faces) -> CoverPlan:
    planner = CoverPlanner(vehicle=vehicle, faces=faces)
    for number, picture in enumerate(pictures):
        planner.push(number / 25, picture)
    return planner.finish()


def clear(picture: Image, covered: Image) -> NDArray[np.bool_]:
    """Which pixels are as they were."""
    return np.asarray((picture == covered).all(axis=2))


def test_without_a_face_finder_no_cover_is_planned() -> None:
    with pytest.raises(ValueError, match="finder of faces"):
        CoverPlanner(vehicle=[], faces=None)


def test_only_the_attributed_vehicle_stays_clear() -> None:
    pictures = [noise(k) for k in range(10)]
    vehicle = [Box(k / 25, 0.25 + 0.01 * k, 0.5, 0.25, 0.25) for k in range(10)]
    plan = plan_of(pictures, vehicle=vehicle)
    for k in (0, 4, 9):
        kept = clear(pictures[k], plan.apply(k / 25, pictures[k]))
        left, top = int((0.25 + 0.01 * k) * WIDTH), HEIGHT // 2
        assert kept[top : top + 90, left : left + 160].all()
        outside = np.ones_like(kept)
        outside[top - 10 : top + 110, left - 14 : left + 180] = False
        assert kept[outside].mean() < 0.001


def test_nothing_stays_clear_when_the_vehicle_is_out_of_sight() -> None:
    pictures = [noise(k) for k in range(30)]
    vehicle = [Box(0.0, 0.2, 0.2, 0.3, 0.3), Box(0.04, 0.2, 0.2, 0.3, 0.3)]
    plan = plan_of(pictures, vehicle=vehicle)
    assert clear(pictures[29], plan.apply(29 / 25, pictures[29])).mean() < 0.001


def test_a_face_on_the_attributed_vehicle_is_covered() -> None:
    pictures = [noise(k) for k in range(10)]
    vehicle = [Box(k / 25, 0.25, 0.25, 0.5, 0.5) for k in range(10)]
    # in the crop that is searched, which begins a margin left of and above the vehicle
    plan = plan_of(pictures, vehicle=vehicle, faces=lambda crop: [FaceBox(200, 120, 30, 36, 0.9)])
    face = plan.faces[0].sightings[0]
    kept = clear(pictures[5], plan.apply(0.2, pictures[5]))
    assert not kept[int(face.y) : int(face.y) + 36, int(face.x) : int(face.x) + 30].any(), (
        "some block matched"
    )
    assert kept[100:110, 170:180].all()


def test_a_face_that_is_missed_for_a_while_stays_covered() -> None:
    calls = iter(range(100))

    def finder(picture: Image) -> list[FaceBox]:
        # seen in the third search and in the sixth, moving 60 pixels between
        return {2: [FaceBox(100, 100, 40, 50, 0.8)], 5: [FaceBox(160, 100, 40, 50, 0.8)]}.get(next(calls), [])

    still = noise()
    plan = plan_of([still] * 50, vehicle=[], faces=finder)
    for time_s in np.arange(0.4 - FACE_LEAD_S + 0.01, 1.0 + FACE_LEAD_S, 0.04):
        x = 100 + np.clip((time_s - 0.4) / 0.6, 0, 1) * 60
        kept = clear(still, plan.apply(float(time_s), still))
        assert kept[100:150, int(x) : int(x) + 40].mean() < 0.01, time_s


def test_walkers_are_covered_and_cars_are_not() -> None:
    street = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    pictures = []
    for k in range(100):
        picture = street.copy()
        walker = 60 + round(1.4 * 60 / 1.75 * k / 25)  # 1.4 m/s, 60 px are 1.75 m
        car = -120 + round(8.3 * 50 / 1.5 * k / 25)
        picture[200:260, walker : walker + 22] = np.random.default_rng(3).integers(0, 90, (60, 22, 3))
        if car < WIDTH:
            picture[290:340, max(0, car) : max(0, car + 130)] = 220
        pictures.append(picture)
    plan = plan_of(pictures, vehicle=[])
    for k in (30, 50):
        walker, car = 60 + round(48 * k / 25), -120 + round(8.3 * 50 / 1.5 * k / 25)
        covered = plan.apply(k / 25, pictures[k])
        assert clear(pictures[k], covered)[200:260, walker : walker + 22].mean() < 0.02
        assert clear(pictures[k], covered)[290:340, max(0, car) : car + 130].all()
        assert clear(pictures[k], covered)[:180].all()


def test_a_camera_that_moves_leaves_nothing_clear() -> None:
    wide = np.random.default_rng(1).integers(0, 256, (40, 80, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    pictures = [np.ascontiguousarray(wide[:HEIGHT, 10 * k : 10 * k + WIDTH]) for k in range(10)]
    plan = plan_of(pictures, vehicle=[])
    assert clear(pictures[5], plan.apply(0.2, pictures[5])).mean() < 0.001


def test_the_input_is_left_as_it_is_and_the_plan_repeats_itself() -> None:
    pictures = [noise(k) for k in range(5)]
    before = pictures[3].copy()
    plan = plan_of(pictures, vehicle=[Box(0.12, 0.2, 0.2, 0.2, 0.2)])
    first, second = plan.apply(0.12, pictures[3]), plan.apply(0.12, pictures[3])
    assert np.array_equal(pictures[3], before)
    assert np.array_equal(first, second)


def test_pictures_of_another_size_or_from_the_past_are_refused() -> None:
    planner = CoverPlanner(vehicle=[], faces=no_faces)
    planner.push(0.0, noise())
    with pytest.raises(ValueError, match="one size"):
        planner.push(0.04, noise()[:100])
    with pytest.raises(ValueError, match="forward"):
        planner.push(0.0, noise())
