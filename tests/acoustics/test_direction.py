"""Direction of arrival: delayed noise comes from where the delay says, a passing source crosses zero."""

from __future__ import annotations

import numpy as np
import pytest

from noisewatch.acoustics.direction import direction_track
from noisewatch.errors import InputError

RATE_HZ = 16_000
PAIR = ((0.0, 0.0, 0.0), (0.2, 0.0, 0.0))


def passing(closest_s: float, *, speed_mps: float, distance_m: float, seed: int = 3) -> np.ndarray:
    """Return noise that passes two microphones 0.2 m apart, each at its own delay."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(6 * RATE_HZ) / RATE_HZ
    source = rng.standard_normal(8 * RATE_HZ)
    along = speed_mps * (time_s - closest_s)
    heard = []
    for x_m in (0.0, 0.2):
        range_m = np.hypot(along - x_m, distance_m)
        at = (time_s + 1.0 - range_m / 343.2) * RATE_HZ
        heard.append(np.interp(at, np.arange(source.size), source) / range_m)
    return np.stack(heard) + 0.005 * rng.standard_normal((2, time_s.size))


@pytest.mark.parametrize("direction", [1, -1])
def test_a_passing_source_is_followed_from_one_side_to_the_other(direction: int) -> None:
    heard = passing(3.0, speed_mps=direction * 12.0, distance_m=7.0)
    track = direction_track(heard, rate_hz=RATE_HZ, positions_m=PAIR)
    near = np.abs(track.time_s - 3.0) < 1.0
    expected = np.rad2deg(np.arctan(direction * 12.0 * (track.time_s - 3.0) / 7.0))
    assert np.median(np.abs(track.bearing_deg - expected)[near]) < 3.0
    assert track.weight[near].min() > 0.1


def test_independent_noise_has_no_direction_to_speak_of() -> None:
    noise = np.random.default_rng(1).standard_normal((2, 2 * RATE_HZ))
    track = direction_track(noise, rate_hz=RATE_HZ, positions_m=PAIR)
    assert np.median(track.weight) < 0.1


def test_three_microphones_agree_with_two() -> None:
    heard = passing(3.0, speed_mps=12.0, distance_m=7.0)
    three = np.concatenate([heard, heard[:1]])
    places = (*PAIR, (0.0, 0.0, 0.0))
    two, more = (
        direction_track(samples, rate_hz=RATE_HZ, positions_m=where)
        for samples, where in ((heard, PAIR), (three, places))
    )
    assert np.median(np.abs(two.bearing_deg - more.bearing_deg)) < 3.0


def test_one_channel_a_wrong_number_of_places_or_too_little_sound_is_refused() -> None:
    with pytest.raises(InputError):
        direction_track(np.zeros(RATE_HZ), rate_hz=RATE_HZ, positions_m=PAIR[:1])
    with pytest.raises(InputError):
        direction_track(np.zeros((2, RATE_HZ)), rate_hz=RATE_HZ, positions_m=PAIR[:1])
    with pytest.raises(InputError):
        direction_track(np.zeros((2, 100)), rate_hz=RATE_HZ, positions_m=PAIR)
