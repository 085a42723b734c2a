"""When another vehicle may have been heard as well: by the level alone, and by where the sound came from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.acoustics.direction import DirectionTrack
from noisewatch.capture.attribution import AMBIGUOUS, CERTAIN, ONE, choose, posterior
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
        direction=direction, curve=(0.0, slope, 0.0), is_own=np.ones(41, dtype=np.bool_),
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
    seen = (passing(5.2), passing(6.6, direction=-1))
    sure = Heard(peak_s=6.75, closest_s=6.75, closest_scatter_s=0.06)
    assert choose(seen, heard=sure).kind == ONE
    assert choose(seen, heard=replace(sure, peak_s=5.4)).kind == AMBIGUOUS


def test_what_drove_by_near_the_sound_and_was_lost_forbids_a_name() -> None:
    seen, clear = (passing(6.0),), heard(9.9, 40.0)
    near, far = (Track(1, at + np.arange(5) / 25, np.full((5, 4), 0.3)) for at in (6.5, 2.0))
    assert choose(seen, heard=clear, lost=(far,)).kind == ONE
    assert choose(seen, heard=clear, lost=(near,)).kind == AMBIGUOUS


@pytest.mark.parametrize(("other_db", "kind"), [(88.0, AMBIGUOUS), (75.0, ONE)])
def test_what_was_lost_seconds_away_forbids_a_name_where_it_was_loud(other_db: float, kind: str) -> None:
    gone = Track(-1, 8.5 + np.arange(6) / 25, np.full((6, 4), 0.3))
    both = replace(heard(8.6, other_db), direction=None)
    assert choose((passing(6.0),), heard=both, lost=(gone,)).kind == kind


@pytest.mark.parametrize(("apart_s", "kind"), [(0.5, AMBIGUOUS), (0.8, AMBIGUOUS), (2.5, ONE)])
def test_one_microphone_alone_does_not_tell_two_that_pass_within_a_second(apart_s: float, kind: str) -> None:
    seen = (passing(6.0), passing(6.0 + apart_s, direction=-1))
    assert choose(seen, heard=Heard(peak_s=6.2, closest_s=6.15, closest_scatter_s=0.06)).kind == kind


def test_of_two_one_whose_moment_is_unsure_is_not_named_and_a_lone_one_is() -> None:
    unsure, other = replace(passing(6.0), scatter_s=0.5), passing(1.5, direction=-1)
    moment = Heard(peak_s=6.2, closest_s=6.15, closest_scatter_s=0.06)
    assert choose((unsure,), heard=moment).kind == ONE
    assert choose((other, unsure), heard=moment).kind == AMBIGUOUS


def test_sights_of_something_else_are_left_out_of_the_boxes_and_too_many_forbid_a_name() -> None:
    moment = Heard(peak_s=6.2, closest_s=6.15, closest_scatter_s=0.06)
    partly, mostly = (replace(passing(6.0), is_own=np.arange(41) >= first) for first in (8, 30))
    assert len(choose((partly,), heard=moment).boxes) == 33
    assert choose((mostly,), heard=moment).kind == AMBIGUOUS


@given(
    st.lists(st.tuples(st.floats(0.0, 10.0), st.sampled_from([-1, 1])), min_size=1, max_size=5),
    st.floats(1.0, 9.0),
    st.floats(-1.0, 1.0),
)
def test_probabilities_are_shares_of_one_and_a_name_is_the_likeliest(
    passes: list[tuple[float, int]], peak_s: float, late_s: float
) -> None:
    seen = [passing(at, direction=way) for at, way in passes]
    moment = Heard(peak_s=peak_s, closest_s=peak_s + late_s, closest_scatter_s=0.1)
    shares, unseen = posterior(seen, heard=moment)
    assert shares.sum() + unseen == pytest.approx(1.0)
    said = choose(seen, heard=moment)
    if said.kind == ONE:
        assert said.probability == pytest.approx(shares.max())
        assert np.sort(shares)[:-1].sum() < 1 - CERTAIN
        assert len(said.boxes) == 41
    else:
        assert said.boxes == ()
        assert said.direction == ""


def test_a_vehicle_at_quite_another_pace_than_the_sound_is_not_named() -> None:
    moment = Heard(peak_s=6.2, closest_s=6.15, closest_scatter_s=0.06, width_s=0.6)
    assert choose((passing(6.0),), heard=moment).kind == ONE
    assert choose((passing(6.0),), heard=replace(moment, width_s=0.1)).kind == AMBIGUOUS
