"""What a microphone and a camera must give for a box to be fit, and what to do where they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from noisewatch.acoustics.sync import not_needed, sync_state
from noisewatch.capture.clock import utc_now
from noisewatch.capture.trying import PictureSeen, SoundSeen
from noisewatch.node.config import VideoSection
from noisewatch.node.fit import judge_picture, judge_plate, judge_sound, judge_sync, plate_pixels

SOUND = SoundSeen(
    seconds=5.0,
    rate_hz=48_000,
    channels=2,
    samples=240_000,
    lost_samples=0,
    laeq_db=62.0,
    floor_db=48.0,
    peak_share=0.2,
    dc_share=0.001,
    rms_share=(0.01, 0.01),
)
PICTURE = PictureSeen(
    seconds=5.0,
    frames=125,
    frames_per_s=25.0,
    width=1920,
    height=1080,
    codec="h264",
    brightness=110.0,
    sharpness=400.0,
    change=2.0,
    clocked=1.0,
)


def bad_sound(**change: object) -> list[tuple[str, str]]:
    seen = replace(SOUND, **change)  # type: ignore[arg-type]
    return [(i.name, i.remedy) for i in judge_sound(seen, gate_db=80.0, is_calibrated=True) if not i.ok]


def bad_picture(**change: object) -> list[tuple[str, str]]:
    seen = replace(PICTURE, **change)  # type: ignore[arg-type]
    return [(i.name, i.remedy) for i in judge_picture(seen) if not i.ok]


def test_a_good_microphone_and_a_good_camera_are_fit() -> None:
    assert bad_sound() == []
    assert bad_picture() == []


@pytest.mark.parametrize(
    ("change", "name", "remedy"),
    [
        ({"lost_samples": 480}, "microphone", "processor"),
        ({"rms_share": (0.01, 1e-7)}, "microphone channels", "cable"),
        ({"peak_share": 1.0}, "microphone peak", "gain down"),
        ({"dc_share": 0.3}, "microphone offset", "faulty"),
        ({"floor_db": 71.0}, "noise floor", "loud near the box"),
    ],
)
def test_each_fault_of_a_microphone_has_its_remedy(change: dict[str, object], name: str, remedy: str) -> None:
    ((found, said),) = bad_sound(**change)
    assert found == name
    assert remedy in said


@pytest.mark.parametrize(
    ("change", "name", "remedy"),
    [
        ({"frames_per_s": 5.0}, "camera", "frame rate"),
        ({"brightness": 4.0}, "camera light", "cap off"),
        ({"brightness": 250.0}, "camera light", "blown out"),
        ({"sharpness": 3.0}, "camera sharp", "clean the lens"),
        ({"change": 0.0}, "camera moves", "frozen"),
    ],
)
def test_each_fault_of_a_camera_has_its_remedy(change: dict[str, object], name: str, remedy: str) -> None:
    ((found, said),) = bad_picture(**change)
    assert found == name
    assert remedy in said


def test_nothing_at_all_is_one_red_line() -> None:
    for items in (judge_sound(None, gate_db=80.0, is_calibrated=True), judge_picture(None)):
        assert [item.ok for item in items] == [False]
        assert items[0].remedy


def test_an_uncalibrated_floor_is_told_and_not_judged() -> None:
    seen = replace(SOUND, floor_db=90.0)
    floor = judge_sound(seen, gate_db=80.0, is_calibrated=False)[-1]
    assert floor.ok
    assert "uncalibrated" in floor.value


@pytest.mark.parametrize(
    ("video", "distance_m", "width_px", "pixels"),
    [
        ({"picture_width_m": 8.0}, None, 1920, 124.8),
        ({"lens_angle_deg": 90.0}, 5.0, 1920, 99.84),
        ({"lens_angle_deg": 60.0}, 7.5, 1280, 76.9),
        ({"lens_angle_deg": 60.0, "picture_width_m": 5.2}, 7.5, 1000, 100.0),
        ({"lens_angle_deg": 60.0}, None, 1920, None),
        ({}, 7.5, 1920, None),
    ],
)
def test_a_plate_is_as_wide_as_geometry_says(
    video: dict[str, float], distance_m: float | None, width_px: int, pixels: float | None
) -> None:
    found = plate_pixels(VideoSection.model_validate(video), distance_m=distance_m, width_px=width_px)
    assert found == pytest.approx(pixels, rel=1e-3) if pixels is not None else found is None


def test_below_a_hundred_pixels_a_plate_is_red() -> None:
    assert judge_plate(100.0).ok
    assert not judge_plate(99.9).ok
    assert "longer lens" in judge_plate(60.0).remedy
    assert not judge_plate(None).ok
    assert "picture_width_m" in judge_plate(None).remedy


def test_an_offset_that_was_never_measured_is_red_unless_that_is_enough() -> None:
    missing = sync_state([], now=utc_now(), camera="c", microphone="m")
    assert not judge_sync(missing, is_enough=False).ok
    assert judge_sync(missing, is_enough=True).ok
    assert "calibrate sync" in judge_sync(missing, is_enough=True).remedy
    assert judge_sync(not_needed(), is_enough=False).remedy == ""
