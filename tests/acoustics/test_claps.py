"""A row of claps gives the offset far below a frame, whatever else flashes or bangs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisewatch.acoustics.claps import Flash, find_claps, find_flashes, offset_of

RATE_HZ = 48_000
FRAME_S = 0.04


def seen(claps_s: list[float], *, offset_s: float, phase_s: float = 0.0) -> list[Flash]:
    """What a camera of 25 frames a second shows of flashes, late by an offset."""
    flashes = []
    for clap_s in claps_s:
        number = np.ceil((clap_s - phase_s) / FRAME_S)
        lit_s = number * FRAME_S + phase_s + offset_s
        flashes.append(Flash(lit_s - FRAME_S, lit_s))
    return flashes


@given(
    offset_s=st.floats(-0.2, 0.35),
    phase_s=st.floats(0.0, 0.04),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=150, deadline=None)
def test_the_true_offset_lies_within_the_bound(offset_s: float, phase_s: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    claps_s = [3.0 + 1.7 * n + float(rng.uniform(0.0, 0.5)) for n in range(12)]
    verdict = offset_of(seen(claps_s, offset_s=offset_s, phase_s=phase_s), claps_s)
    assert abs(verdict.offset_s - offset_s) <= verdict.bound_s + 1e-9
    assert verdict.agreeing == verdict.claps == 12
    assert verdict.accepted == (verdict.bound_s <= 0.015)


def test_twelve_irregular_claps_are_right_within_ten_milliseconds() -> None:
    rng = np.random.default_rng(7)
    errors = []
    for _ in range(200):
        claps_s = [3.0 + 1.7 * n + float(rng.uniform(0.0, 0.5)) for n in range(12)]
        errors.append(offset_of(seen(claps_s, offset_s=0.08), claps_s).offset_s - 0.08)
    assert np.quantile(np.abs(errors), 0.95) < 0.010


def test_headlights_and_slammed_doors_do_not_move_it() -> None:
    rng = np.random.default_rng(3)
    claps_s = [3.0 + 2.0 * n + float(rng.uniform(0.0, 0.5)) for n in range(10)]
    flashes = [*seen(claps_s, offset_s=0.08), *seen([4.4, 12.3], offset_s=0.3)]
    verdict = offset_of(flashes, [*claps_s, 6.3, 12.1, 16.2])
    assert verdict.accepted
    assert verdict.offset_s == pytest.approx(0.08, abs=0.012)


def test_claps_in_step_with_the_frames_are_refused_because_they_leave_a_frame_open() -> None:
    claps_s = [3.0 + 2.0 * n for n in range(10)]
    verdict = offset_of(seen(claps_s, offset_s=0.08, phase_s=0.013), claps_s)
    assert not verdict.accepted
    assert "irregular moments" in verdict.why


@pytest.mark.parametrize("count", [0, 1, 4])
def test_few_claps_are_refused(count: int) -> None:
    claps_s = [3.0 + 1.77 * n for n in range(count)]
    verdict = offset_of(seen(claps_s, offset_s=0.05), claps_s)
    assert not verdict.accepted
    assert verdict.why


def test_claps_that_do_not_agree_are_refused() -> None:
    rng = np.random.default_rng(1)
    claps_s = [3.0 + 2.0 * n for n in range(12)]
    flashes = [
        Flash(t + d - FRAME_S, t + d) for t, d in zip(claps_s, rng.uniform(-0.4, 0.4, 12), strict=True)
    ]
    assert not offset_of(flashes, claps_s).accepted


def test_the_way_of_the_sound_is_no_part_of_the_chain() -> None:
    rng = np.random.default_rng(5)
    claps_s = [3.0 + 1.7 * n + float(rng.uniform(0.0, 0.5)) for n in range(12)]
    heard_s = [clap_s + 0.029 for clap_s in claps_s]
    verdict = offset_of(seen(claps_s, offset_s=0.08), heard_s, delay_s=0.029)
    assert verdict.offset_s == pytest.approx(0.08, abs=verdict.bound_s)


def street(claps_s: list[float], *, seconds: float, level: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(11)
    sound = np.cumsum(rng.normal(0.0, 1e-4, round(seconds * RATE_HZ)))
    sound -= np.linspace(0.0, sound[-1], len(sound))
    for clap_s in claps_s:
        start = round(clap_s * RATE_HZ)
        decay = np.exp(-np.arange(4_800) / 800.0)
        sound[start : start + 4_800] += level * decay * rng.normal(0.0, 1.0, 4_800)
    return sound.astype(np.float32)


def test_claps_are_found_in_the_rumble_of_a_street_within_a_millisecond() -> None:
    claps_s = [1.2345, 3.01, 5.5, 7.77]
    found = find_claps(street(claps_s, seconds=10.0, level=0.05), rate_hz=RATE_HZ)
    assert found == pytest.approx(claps_s, abs=0.0011)


def test_silence_and_nothing_hold_no_clap() -> None:
    assert find_claps(np.zeros(48_000, np.float32), rate_hz=RATE_HZ) == ()
    assert find_claps(np.zeros(0, np.float32), rate_hz=RATE_HZ) == ()


def test_a_small_lamp_is_seen_beside_a_moving_car() -> None:
    rng = np.random.default_rng(2)
    light = 90.0 + rng.normal(0.0, 0.5, (250, 576))
    for index in range(250):
        light[index, (3 * index) % 560 : (3 * index) % 560 + 16] += 60.0
    for index in (60, 121, 190):
        light[index : index + 4, 100:120] += 140.0
    times_s = [index * FRAME_S for index in range(250)]
    found = find_flashes(times_s, light)
    assert [flash.lit_s for flash in found] == pytest.approx([2.4, 4.84, 7.6])
    assert all(flash.lit_s - flash.dark_s == pytest.approx(FRAME_S) for flash in found)


def test_a_still_picture_has_no_flash_and_wrong_shapes_are_refused() -> None:
    assert find_flashes([n * FRAME_S for n in range(50)], np.full((50, 9), 80.0)) == ()
    assert find_flashes([], np.zeros((0, 9))) == ()
    with pytest.raises(ValueError, match="2 times but 3 frames"):
        find_flashes([0.0, 1.0], np.zeros((3, 9)))
