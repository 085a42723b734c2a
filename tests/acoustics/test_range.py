"""The way of the sound: ISO 9613-1's speed, and what a record says."""

from __future__ import annotations

import pytest

from noisewatch.acoustics.range import range_correction, speed_of_sound_mps


@pytest.mark.parametrize(("degrees", "speed"), [(-10.0, 325.2), (0.0, 331.3), (15.0, 340.3), (30.0, 349.0)])
def test_the_speed_of_sound_is_that_of_the_standard(degrees: float, speed: float) -> None:
    assert speed_of_sound_mps(degrees) == pytest.approx(speed, abs=0.1)


def test_the_statement_says_what_it_rests_on() -> None:
    said = range_correction(7.5, 30.0)
    assert said["delay_s"] == pytest.approx(7.5 / 349.0, rel=1e-3)
    assert (said["temperature_c"], said["is_assumed"], said["is_applied"]) == (30.0, False, False)
    assumed = range_correction(7.5)
    assert assumed["is_assumed"]
    assert assumed["bound_s"] > 5 * said["bound_s"]
    assert abs(assumed["delay_s"] - said["delay_s"]) < assumed["bound_s"]


@pytest.mark.parametrize("distance_m", [0.0, -1.0, float("nan"), float("inf")])
def test_a_distance_that_is_none_is_refused(distance_m: float) -> None:
    with pytest.raises(ValueError, match="distance"):
        range_correction(distance_m)
    with pytest.raises(ValueError, match="no temperature of air"):
        speed_of_sound_mps(900.0)
