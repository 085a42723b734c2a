"""A frozen or covered camera and a microphone in a bag are noticed within a day; an ordinary week is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from noisewatch.node.hours import Hour
from noisewatch.node.looks import Ears, Eyes, look_of
from noisewatch.node.troubles import Facts, troubles_of

START = datetime(2026, 5, 4, 0, 0, tzinfo=UTC)


def hour(number: int, *, shift_db: float = 0.0, muffled_db: float = 0.0) -> Hour:
    """An hour of a street whose nights are quiet; each differs by some tenths."""
    rng = np.random.default_rng(number)
    at = START + timedelta(hours=number)
    base = 50.0 + 12.0 * np.sin(np.pi * (at.hour - 4) / 20.0 if at.hour >= 4 else 0.0)
    base += rng.normal(0, 1.0) + shift_db - muffled_db
    laeq_db = base + 6
    return Hour(at, 3600.0, laeq_db, laeq_db + 7 + muffled_db, base + 25, base + 8, base - 6, True, {})


def ears(hours: list[Hour]) -> Ears:
    found = Ears()
    for one in hours:
        found.hear(one)
    return found


def test_two_ordinary_weeks_are_no_trouble_at_any_hour() -> None:
    found = Ears()
    for number in range(14 * 24):
        found.hear(hour(number))
        assert found.troubles() == ()


@pytest.mark.parametrize(("shift_db", "muffled_db"), [(-9.0, 0.0), (8.0, 0.0), (0.0, 6.0)])
def test_a_bag_a_wet_windscreen_or_a_turned_gain_is_noticed_within_a_day(
    shift_db: float, muffled_db: float
) -> None:
    before = [hour(number) for number in range(96)]
    after = [hour(96 + number, shift_db=shift_db, muffled_db=muffled_db) for number in range(24)]
    noticed = [number for number in range(1, 25) if ears(before + after[:number]).troubles()]
    assert noticed
    assert noticed[0] <= 24
    assert ears(before + after[: noticed[0]]).troubles()[0].kind == "microphone"


def test_a_box_that_has_just_begun_compares_nothing() -> None:
    assert ears([hour(number, shift_db=-9.0 * (number > 20)) for number in range(40)]).troubles() == ()


def street(number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    wall = np.linspace(20, 200, 160)[None, :].repeat(90, axis=0)
    return np.clip(wall + rng.normal(0, 3, wall.shape), 0, 255).astype(np.uint8)


def test_a_living_camera_is_no_trouble_and_a_frozen_one_is_noticed_in_half_an_hour() -> None:
    eyes = Eyes()
    for number in range(100):
        eyes.see(look_of(street(number), at_s=600.0 * number))
        assert eyes.troubles() == ()
    for number in range(100, 105):
        eyes.see(look_of(street(99), at_s=600.0 * number))
    assert "not changed" in eyes.troubles()[0].sentence


def test_a_covered_camera_is_noticed_within_a_day_and_a_winter_night_is_not() -> None:
    rng = np.random.default_rng(3)
    eyes = Eyes()
    first = None
    for number in range(144):
        dark = np.clip(rng.normal(12, 3, (90, 160)), 0, 255).astype(np.uint8)
        eyes.see(look_of(dark, at_s=600.0 * number))
        if eyes.troubles():
            first = number / 6.0 if first is None else first
    assert first is not None
    assert 16.5 < first <= 24.0


def test_each_trouble_says_what_to_do() -> None:
    bad = Facts(
        is_clock_kept=False,
        is_calibrated=False,
        calibration="no calibration",
        is_synchronised=False,
        sync="no offset was measured",
        free_bytes=1,
        key_days=3,
        past_their_end=2,
        events_last_hour=31,
        late=1,
        broker_refused=1,
        refused_last_hour=5,
        why_refused="no picture, not evidence",
        broker_error="the broker can't be reached",
        channel_error="mail: timed out",
        temperature_c=85.0,
    )
    found = troubles_of(bad)
    assert [trouble.kind for trouble in found] == [
        "disk", "retention", "clock", "keys", "uncalibrated", "unsynchronised",
        "flood", "refusals", "late", "hot", "denied", "broker", "channel",
    ]  # fmt: skip
    assert troubles_of(Facts()) == ()
