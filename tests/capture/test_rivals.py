"""When another vehicle may have been heard as well: by the level alone, and by where the sound came from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from noisewatch.acoustics.direction import DirectionTrack
from noisewatch.capture.attribution import AMBIGUOUS, ONE, choose
from noisewatch.capture.hearing import Heard
from noisewatch.capture.linking import Track
from noisewatch.capture.passing import Passing

SPEED_MPS, DISTANCE_M = 12.0, 8.0


def passing(closest_s: float, *, direction: int = 1) -> Passing:
    time_s = closest_s + np.arange(-20, 21) / 25
    slope = direction * SPEED_MPS / DISTANCE_M
    track = Track(direction, time_s, np.full((41, 4), 0.3))
    return Passing(
        track=track, closest_s=closest_s, scatter_s=0.05, width_s=1 / abs(slope), own_length_s=0.35,
        direction=direction, curve=(0.0, slope, 0.0),
    )  # fmt: skip


def hump_db(time_s: np.ndarray, moment_s: float, top_db: float) -> np.ndarray:
    return top_db - 10 * np.log10(1 + (SPEED_MPS * (time_s - moment_s) / DISTANCE_M) ** 2)


def heard(rival_s: float, rival_db: float) -> Heard:
    """Return what is heard of one at 6 s with 90 dB and of another that drives to the left."""
    time_s = np.arange(0.03, 10.0, 0.0625)
    travel_s = Heard(peak_s=6.0, closest_s=6.0, lane_distance_m=DISTANCE_M).travel_s
    levels = np.stack([hump_db(time_s, 6.0 + travel_s, 90.0), hump_db(time_s, rival_s + travel_s, rival_db)])
    total = 10 * np.log10(np.sum(10 ** (levels / 10), axis=0))
    slope = SPEED_MPS / DISTANCE_M
    mine, theirs = slope * (time_s - travel_s - 6.0), -slope * (time_s - travel_s - rival_s)
    bearing = np.rad2deg(np.arctan(np.where(levels[0] > levels[1], mine, theirs)))
    track = DirectionTrack(time_s, bearing, np.ones(time_s.size), 10 ** (total / 10))
    return Heard(
        peak_s=6.0, closest_s=6.15, closest_scatter_s=0.08, level_s=time_s, level_db=total, direction=track,
        lane_distance_m=DISTANCE_M,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rival_s", "rival_db", "kind"),
    [
        (7.4, 88.0, AMBIGUOUS),
        (7.4, 86.0, AMBIGUOUS),
        (4.5, 87.0, AMBIGUOUS),
        (7.4, 78.0, ONE),
        (3.0, 79.0, ONE),
    ],
)
def test_with_a_direction_one_is_named_only_where_the_other_is_6_db_below(
    rival_s: float, rival_db: float, kind: str
) -> None:
    seen = (passing(6.0), passing(rival_s, direction=-1))
    assert choose(seen, heard=heard(rival_s, rival_db)).kind == kind


@pytest.mark.parametrize(("rival_db", "kind"), [(88.0, AMBIGUOUS), (75.0, ONE)])
def test_without_a_direction_a_top_of_its_own_tells_of_the_other(rival_db: float, kind: str) -> None:
    seen = (passing(6.0), passing(8.6, direction=-1))
    assert choose(seen, heard=replace(heard(8.6, rival_db), direction=None)).kind == kind


def test_a_level_that_the_chosen_ones_way_cannot_explain_is_somebody_elses() -> None:
    seen = (passing(6.0), passing(8.0, direction=-1))
    clear = heard(8.0, 60.0)
    assert clear.level_s is not None
    assert clear.level_db is not None
    lifted = np.where(np.abs(clear.level_s - 8.0) < 1.5, clear.level_db.max() - 1.0, clear.level_db)
    assert choose(seen, heard=clear).kind == ONE
    assert choose(seen, heard=replace(clear, level_db=lifted, direction=None)).kind == AMBIGUOUS


def test_an_exhaust_at_the_rear_is_still_its_own_vehicles() -> None:
    seen = (passing(6.0),)
    clear = heard(9.9, 40.0)
    assert clear.direction is not None
    behind = np.rad2deg(np.arctan(np.tan(np.deg2rad(clear.direction.bearing_deg)) - 2.0 / DISTANCE_M))
    track = replace(clear.direction, bearing_deg=behind)
    assert choose(seen, heard=replace(clear, direction=track)).kind == ONE


def test_a_loudest_moment_far_from_the_closest_approach_leaves_doubt_between_two() -> None:
    seen = (passing(5.6), passing(6.6, direction=-1))
    sure = Heard(peak_s=6.75, closest_s=6.75, closest_scatter_s=0.06)
    assert choose(seen, heard=sure).kind == ONE
    assert choose(seen, heard=replace(sure, peak_s=5.4)).kind == AMBIGUOUS
