"""Doppler, spreading, delay and reflections of a pass, against the formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from noisewatch.errors import UsageError
from noisewatch.simulation.passby import (
    SOUND_MPS,
    Source,
    Surroundings,
    air_absorption_db_per_m,
    render_pass,
    render_still,
)

RATE_HZ = 48000
FREE_FIELD = Surroundings(ground_reflection=0.0, humidity_percent=70.0)


def tone(frequency_hz: float, seconds: float, start_s: float = 0.0) -> Source:
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return Source(np.sin(2.0 * np.pi * frequency_hz * time), RATE_HZ, start_s, height_m=1.5)


def pulse(at_s: float, seconds: float) -> Source:
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return Source(np.exp(-0.5 * ((time - at_s) / 0.0004) ** 2), RATE_HZ, height_m=1.5)


def frequency_at(samples: np.ndarray, second: float) -> float:
    part = samples[int((second - 0.05) * RATE_HZ) : int((second + 0.05) * RATE_HZ)]
    padded = np.abs(np.fft.rfft(part * np.hanning(part.size), 1 << 19))
    return float(np.argmax(padded) * RATE_HZ / (1 << 19))


@pytest.mark.parametrize("speed_mps", [8.0, 14.0, 30.0])
def test_the_tone_falls_as_doppler_says(speed_mps: float) -> None:
    heard = render_pass(
        tone(1000.0, 9.0, -1.0),
        rate_hz=RATE_HZ,
        speed_mps=speed_mps,
        closest_s=4.0,
        distance_m=5.0,
        duration_s=8.0,
        surroundings=FREE_FIELD,
    )
    for emitted in (1.0, 3.0, 4.0, 5.0, 7.0):
        along = speed_mps * (emitted - 4.0)
        range_m = np.hypot(5.0, along)
        expected = 1000.0 / (1.0 + speed_mps / SOUND_MPS * along / range_m)
        assert frequency_at(heard, emitted + range_m / SOUND_MPS) == pytest.approx(expected, abs=1.5)


@settings(max_examples=40, deadline=None)
@example(0.0, 1.0, 1.0, 0.0, 0.0, -1, 0.5)  # a source that stands beside the microphone
@given(
    speed_mps=st.floats(0.0, 40.0),
    distance_m=st.floats(1.0, 60.0),
    emitted_s=st.floats(0.3, 1.2),
    closest_s=st.floats(-0.5, 2.5),
    acceleration=st.floats(-3.0, 3.0),
    direction=st.sampled_from([-1, 1]),
    microphone_x_m=st.floats(-0.5, 0.5),
)
def test_a_pulse_arrives_when_its_way_is_done(
    speed_mps: float,
    distance_m: float,
    emitted_s: float,
    closest_s: float,
    acceleration: float,
    direction: int,
    microphone_x_m: float,
) -> None:
    heard = render_pass(
        pulse(emitted_s, 2.0),
        rate_hz=RATE_HZ,
        speed_mps=speed_mps,
        closest_s=closest_s,
        distance_m=distance_m,
        duration_s=2.0,
        acceleration_mps2=acceleration,
        direction=direction,
        microphone_x_m=microphone_x_m,
        surroundings=FREE_FIELD,
    )
    since = emitted_s - closest_s
    along = direction * (speed_mps * since + 0.5 * acceleration * since**2) - microphone_x_m
    range_m = float(np.hypot(distance_m, along))
    arrival_s = emitted_s + range_m / SOUND_MPS
    assert float(np.argmax(heard)) / RATE_HZ == pytest.approx(arrival_s, abs=2.0 / RATE_HZ)
    # a pulse that arrives between two samples loses up to a few per cent of its peak
    assert heard.max() == pytest.approx(1.0 / range_m, rel=0.05)


def test_twice_as_far_is_six_decibels_softer() -> None:
    near, far = (
        render_still(
            tone(250.0, 1.0), rate_hz=RATE_HZ, x_m=0.0, distance_m=at, duration_s=1.0, surroundings=FREE_FIELD
        )
        for at in (5.0, 10.0)
    )
    ratio = near[RATE_HZ // 2 :].std() / far[RATE_HZ // 2 :].std()
    assert 20.0 * np.log10(ratio) == pytest.approx(6.02, abs=0.03)


def test_the_ground_gives_a_second_pulse_of_its_strength() -> None:
    ground = Surroundings(microphone_height_m=4.0, ground_reflection=0.5)
    source = Source(pulse(0.2, 1.0).samples, RATE_HZ, height_m=4.0)
    heard = render_still(
        source, rate_hz=RATE_HZ, x_m=0.0, distance_m=6.0, duration_s=1.0, surroundings=ground
    )
    image_m = float(np.hypot(6.0, 8.0))
    at = round((0.2 + image_m / SOUND_MPS) * RATE_HZ)
    assert heard[at - 2 : at + 3].max() == pytest.approx(0.5 / image_m, rel=0.03)


def test_a_facade_behind_the_microphone_answers_later() -> None:
    free = render_still(
        pulse(0.2, 1.0), rate_hz=RATE_HZ, x_m=0.0, distance_m=6.0, duration_s=1.0, surroundings=FREE_FIELD
    )
    walled = render_still(
        pulse(0.2, 1.0),
        rate_hz=RATE_HZ,
        x_m=0.0,
        distance_m=6.0,
        duration_s=1.0,
        surroundings=Surroundings(ground_reflection=0.0, facade_m=5.0, facade_reflection=0.6),
    )
    echo = walled - free
    assert float(np.argmax(echo)) / RATE_HZ == pytest.approx(0.2 + 16.0 / SOUND_MPS, abs=2.0 / RATE_HZ)
    assert echo.max() == pytest.approx(0.6 / 16.0, rel=0.03)


def test_the_right_microphone_hears_a_vehicle_from_the_left_later_by_their_distance() -> None:
    left, right = (
        render_pass(
            pulse(1.0, 2.0),
            rate_hz=RATE_HZ,
            speed_mps=10.0,
            closest_s=7.0,
            distance_m=3.0,
            duration_s=2.0,
            microphone_x_m=at,
            surroundings=FREE_FIELD,
        )
        for at in (0.0, 0.2)
    )
    lag = int(np.argmax(right)) - int(np.argmax(left))
    assert lag == pytest.approx(0.2 / SOUND_MPS * RATE_HZ, abs=1.5)


def test_both_directions_mirror_each_other() -> None:
    source = Source(np.random.default_rng(1).standard_normal(RATE_HZ), RATE_HZ)
    to_right, to_left = (
        render_pass(
            source,
            rate_hz=RATE_HZ,
            speed_mps=12.0,
            closest_s=0.5,
            distance_m=4.0,
            duration_s=1.0,
            direction=way,
            microphone_x_m=0.3 * way,
        )
        for way in (1, -1)
    )
    np.testing.assert_allclose(to_right, to_left, atol=1e-9)


def test_a_tail_pipe_is_louder_from_behind() -> None:
    heard = render_pass(
        tone(300.0, 8.0, -1.0),
        rate_hz=RATE_HZ,
        speed_mps=15.0,
        closest_s=3.0,
        distance_m=4.0,
        duration_s=6.0,
        surroundings=FREE_FIELD,
        rear_db=6.0,
    )
    before, after = heard[RATE_HZ : 2 * RATE_HZ].std(), heard[4 * RATE_HZ : 5 * RATE_HZ].std()
    assert 20.0 * np.log10(after / before) == pytest.approx(6.0, abs=1.0)


def test_air_absorbs_as_iso_9613_2_table_2_says() -> None:
    # 10 degrees, 70 %, exact mid-band frequencies, dB per km
    midbands = 1000.0 * 10.0 ** (0.3 * np.arange(-4, 4))
    printed = [0.1, 0.4, 1.0, 1.9, 3.7, 9.7, 32.8, 117.0]
    ours = 1000.0 * air_absorption_db_per_m(midbands, temperature_c=10.0, humidity_percent=70.0)
    np.testing.assert_allclose(ours, printed, atol=0.06, rtol=0.005)


def test_far_sound_is_duller_by_what_the_air_takes() -> None:
    def level(distance_m: float) -> float:
        heard = render_still(
            tone(8000.0, 1.0),
            rate_hz=RATE_HZ,
            x_m=0.0,
            distance_m=distance_m,
            duration_s=1.0,
            surroundings=FREE_FIELD,
        )
        return 20.0 * float(np.log10(heard[RATE_HZ // 2 : -RATE_HZ // 10].std() * distance_m))

    loss = float(air_absorption_db_per_m(np.array([8000.0]))[0]) * 78.0
    assert level(2.0) - level(80.0) == pytest.approx(loss, abs=0.7)


def test_wrong_rates_and_places_are_refused() -> None:
    fine = {"rate_hz": RATE_HZ, "speed_mps": 1.0, "closest_s": 0.0, "distance_m": 3.0, "duration_s": 0.1}
    for wrong in (
        {"rate_hz": 44100},
        {"distance_m": 0.0},
        {"speed_mps": -1.0},
        {"speed_mps": 400.0},
        {"direction": 0},
    ):
        with pytest.raises(UsageError):
            render_pass(tone(100.0, 0.1), **{**fine, **wrong})


def test_a_street_gives_back_the_energy_it_says_and_dies_away_in_its_time() -> None:
    street = Surroundings(ground_reflection=0.0, reverb_db=-10.0, reverb_s=0.6)
    source = pulse(0.1, 1.5)
    free, closed = (
        render_still(source, rate_hz=RATE_HZ, x_m=0.0, distance_m=5.0, duration_s=1.5, surroundings=around)
        for around in (FREE_FIELD, street)
    )
    late = closed - free
    assert 10.0 * np.log10(np.sum(late**2) / np.sum(free**2)) == pytest.approx(-10.0, abs=1.5)
    early, later = (
        late[int(0.25 * RATE_HZ) : int(0.35 * RATE_HZ)],
        late[int(0.55 * RATE_HZ) : int(0.65 * RATE_HZ)],
    )
    assert 20.0 * np.log10(early.std() / later.std()) == pytest.approx(30.0, abs=4.0)
