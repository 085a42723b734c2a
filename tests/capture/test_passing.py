"""Tracks become passings: a vehicle in parts is one, two behind each other are two, walkers are none."""

from __future__ import annotations

import numpy as np
import pytest

from noisewatch.capture.linking import Track
from noisewatch.capture.passing import Passing, passings, unclear

VIEW_DEG, ASPECT = 80.0, 16 / 9
FOCAL = 0.5 / np.tan(np.deg2rad(VIEW_DEG) / 2)


def driving(
    closest_s: float,
    *,
    speed_mps: float = 12.0,
    distance_m: float = 8.0,
    length_m: float = 4.3,
    tall_m: float = 1.5,
    part: tuple[float, float] = (0.0, 10.0),
    every: int = 1,
) -> Track:
    """Return the track of a thing that drives to the right, seen in a part of the ten seconds."""
    time_s = np.arange(250)[::every] / 25
    middle = 0.5 + FOCAL * speed_mps * (time_s - closest_s) / distance_m
    width, tall = FOCAL * length_m / distance_m, FOCAL * ASPECT * tall_m / distance_m
    left, right = np.maximum(middle - width / 2, 0.0), np.minimum(middle + width / 2, 1.0)
    seen = (right - left > 0.02) & (time_s >= part[0]) & (time_s < part[1])
    same = np.ones(int(seen.sum()))
    boxes = np.stack([left[seen], 0.5 * same, (right - left)[seen], tall * same], axis=1)
    return Track(1 if speed_mps > 0 else -1, time_s[seen], boxes)


def found(*tracks: Track) -> tuple[Passing, ...]:
    return passings(tracks, aspect=ASPECT, view_deg=VIEW_DEG, pan_deg=0.0)


def test_the_moment_and_the_way_come_out_as_driven() -> None:
    (only,) = found(driving(6.0))
    assert only.closest_s == pytest.approx(6.0, abs=0.02)
    assert only.width_s == pytest.approx(8.0 / 12.0, rel=0.05)
    assert only.direction == 1


def test_a_vehicle_that_a_parked_one_cuts_in_two_is_one() -> None:
    assert len(found(driving(6.0, part=(0.0, 5.9)), driving(6.15, part=(6.1, 10.0)))) == 1


def test_two_behind_each_other_are_two() -> None:
    assert len(found(driving(5.6), driving(6.4))) == 2


def test_two_that_are_seen_together_are_not_taken_for_one_by_their_moment() -> None:
    one, other = driving(6.0), driving(6.48)
    assert len(found(one, other)) == 2


def test_a_walker_is_no_vehicle() -> None:
    assert found(driving(6.0, speed_mps=1.8, distance_m=6.0, length_m=0.5, tall_m=1.75)) == ()


def test_what_is_seen_in_one_frame_of_five_is_no_vehicle() -> None:
    steady, rare = driving(6.0), driving(3.0, every=5, speed_mps=8.0)
    assert [round(one.closest_s) for one in found(steady, rare)] == [6]


def test_a_closest_approach_seen_from_one_side_only_is_less_sure() -> None:
    (whole,) = found(driving(6.0))
    (before,) = found(driving(6.0, part=(0.0, 5.9)))
    assert before.scatter_s > whole.scatter_s + 0.2


def test_a_way_never_turns_round() -> None:
    # half of its sights are cut by something, so that its middle seems to come back
    track = driving(6.0)
    boxes = track.boxes.copy()
    last = len(boxes) // 2
    boxes[last:, 0] = boxes[last, 0] + 0.3 * (boxes[last:, 0] - boxes[last, 0])
    for one in found(Track(track.sign, track.time_s, boxes)):
        tangent = one.tangent(np.linspace(0.0, 10.0, 101))
        assert np.all(np.diff(tangent) * one.direction > 0)


def test_sights_of_something_else_in_a_track_are_told_from_its_own() -> None:
    track = driving(6.0)
    boxes = track.boxes.copy()
    boxes[:4, 0] = 0.8
    (only,) = found(Track(track.sign, track.time_s, boxes))
    assert not only.is_own[:4].any()
    assert only.is_own[5:].mean() > 0.9


def test_what_drives_fast_and_is_lost_is_unclear_and_a_walker_is_not() -> None:
    brief = driving(4.0, part=(3.9, 4.1))
    walker = driving(6.0, speed_mps=1.8, distance_m=6.0, length_m=0.5, tall_m=1.75)
    seen = found(driving(8.0))
    lost = unclear((brief, walker), seen, aspect=ASPECT, view_deg=VIEW_DEG, pan_deg=0.0)
    assert [len(track.time_s) for track in lost] == [len(brief.time_s)]
    assert unclear((brief,), found(driving(4.0)), aspect=ASPECT, view_deg=VIEW_DEG, pan_deg=0.0) == ()
