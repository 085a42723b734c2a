"""The clocks: the kernel's state is told as it is, and jitter does not move a picture."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.capture.clock import (
    CameraClock,
    OffsetEstimator,
    StreetClock,
    clock_state_from_kernel,
    file_clock_state,
    system_clock_state,
    utc_now,
)
from noisewatch.records import AudioBlock, ClockState, VideoFormat, VideoPacket

FORMAT = VideoFormat("h264", b"", 64, 64, 1, 90_000)


def block(end_sample: int, arrival_s: float) -> AudioBlock:
    samples = np.zeros((1, 4_800), np.float32)
    return AudioBlock(end_sample - 4_800, samples, 48_000, round(arrival_s * 1e9))


def packet(stream_s: float, arrival_s: float) -> VideoPacket:
    ticks = round(stream_s * 90_000)
    return VideoPacket(b"x", ticks, ticks, 3_600, round(arrival_s * 1e9), True, FORMAT)


def test_utc_is_aware_and_now() -> None:
    now = utc_now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_kernel_is_asked_and_a_bound_is_given_only_when_synchronised() -> None:
    state = system_clock_state()
    assert state.source == "system"
    assert (state.bound_s is not None) == state.synchronised
    assert state.bound_s is None or 0.0 <= state.bound_s < 1_000.0


@pytest.mark.parametrize(("state", "status"), [(5, 0), (0, 0x40), (-1, 0)])
def test_an_unsynchronised_clock_has_no_bound(state: int, status: int) -> None:
    answer = clock_state_from_kernel(state=state, status=status, maxerror_us=10)
    assert answer == ClockState(source="system", synchronised=False, bound_s=None)


def test_a_recording_says_that_its_clock_is_the_file() -> None:
    assert file_clock_state() == ClockState(source="file", synchronised=False, bound_s=None)


def test_jitter_of_arrival_does_not_move_a_picture() -> None:
    rng = np.random.default_rng(5)
    estimator = OffsetEstimator(window=250, quantile=0.5)
    errors = []
    for number in range(2_000):
        stream_s = number / 25
        delay_s = 0.06 + rng.exponential(0.01)
        mapped_s = estimator.map(stream_s, 100.0 + stream_s + delay_s)
        errors.append(mapped_s - stream_s - 100.06)
    assert np.ptp(errors[250:]) < 0.005
    assert np.max(np.abs(np.diff(errors[250:]))) < 0.001
    assert estimator.bound_s is not None
    assert 0.01 < estimator.bound_s < 0.06


def test_a_stream_that_restarts_is_followed_after_a_few_packets() -> None:
    estimator = OffsetEstimator()
    for number in range(100):
        estimator.map(number / 25, 50.0 + number / 25)
    mapped = [estimator.map(number / 25, 70.0 + number / 25) for number in range(10)]
    assert estimator.resets == 1
    assert mapped == pytest.approx([70.0 + number / 25 for number in range(10)])


def test_one_wild_time_stamp_changes_nothing() -> None:
    estimator = OffsetEstimator()
    for number in range(100):
        estimator.map(number / 25, 50.0 + number / 25)
    assert estimator.map(1e9, 54.0) == 54.0
    assert estimator.map(float("nan"), 54.0) == 54.0
    assert estimator.offset_s == pytest.approx(50.0)
    assert (estimator.outliers, estimator.resets) == (2, 0)


TIMES = st.floats(-1e12, 1e12) | st.sampled_from([float("nan"), float("inf"), float("-inf")])


@given(stream=st.lists(st.tuples(TIMES, st.floats(0, 100)), max_size=60), quantile=st.floats(0, 1))
def test_whatever_a_stream_claims_it_stays_within_a_second_of_its_arrival(
    stream: list[tuple[float, float]], quantile: float
) -> None:
    estimator = OffsetEstimator(window=8, quantile=quantile, reset_s=1.0)
    arrival_s = 0.0
    for stream_s, step_s in stream:
        arrival_s += step_s
        mapped_s = estimator.map(stream_s, arrival_s)
        assert abs(mapped_s - arrival_s) <= 1.0 + 1e-9


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"window": 0}, {"quantile": 1.5}, {"reset_s": 0.0}):
        with pytest.raises(ValueError, match="must be positive"):
            OffsetEstimator(**wrong)


def test_a_live_picture_is_placed_where_its_sound_is() -> None:
    """Sound arrives 30 ms late, pictures 110 ms: the chain's measured 80 ms are taken off."""
    clock = StreetClock(rate_hz=48_000, is_live=True, picture_offset_s=0.08)
    assert clock.street_s(packet(7.0, 500.0)) is None
    for number in range(1, 101):
        clock.observe(block(number * 4_800, 1_000.0 + number * 0.1 + 0.03))
    placed = [clock.street_s(packet(300.0 + n / 25, 1_002.0 + n / 25 + 0.11)) for n in range(50)]
    assert placed[5:] == pytest.approx([2.0 + n / 25 for n in range(5, 50)], abs=1e-6)


def test_a_file_played_beside_a_live_camera_is_placed_by_its_arrival() -> None:
    clock = StreetClock(rate_hz=48_000, is_live=True)
    for number in range(1, 21):
        clock.observe(block(number * 4_800, number * 0.1), arrived_ns=round((700.0 + number * 0.1) * 1e9))
    assert clock.street_s(packet(5.0, 701.25)) == pytest.approx(1.25)


def test_a_file_carries_its_own_time() -> None:
    clock = StreetClock(rate_hz=48_000, is_live=False)
    clock.observe(block(4_800, 99.0))
    assert clock.street_s(packet(7.0, 3.25)) == 3.25


def test_a_camera_that_tells_when_it_took_a_picture_is_believed_and_arrival_does_not_count() -> None:
    clock = StreetClock(rate_hz=48_000, is_live=True, picture_offset_s=0.08, camera_offset_s=-0.02)
    for number in range(1, 101):
        clock.observe(block(number * 4_800, 1_000.0 + number * 0.1))
    rng = np.random.default_rng(4)
    placed = []
    for number in range(200):
        taken_s = 1_002.0 + number / 25
        arrived_s = taken_s + 0.06 + float(rng.exponential(0.03))
        told = replace(packet(300.0 + number / 25, arrived_s), captured_ns=round(taken_s * 1e9))
        placed.append(clock.street_s(told))
    assert clock.basis == "camera"
    assert placed == pytest.approx([2.02 + n / 25 for n in range(200)], abs=1e-6)
    assert clock.bound_s is not None
    assert clock.bound_s < 1e-6
    clock.street_s(packet(308.0, 1_010.08))
    assert clock.basis == "arrival"


def test_without_an_offset_for_it_the_cameras_clock_is_left_aside() -> None:
    clock = StreetClock(rate_hz=48_000, is_live=True, picture_offset_s=0.08)
    clock.observe(block(4_800, 0.1))
    told = replace(packet(0.0, 5.08), captured_ns=3 * 10**9)
    assert clock.street_s(told) == pytest.approx(5.0)
    assert clock.basis == "arrival"


def test_a_cameras_clock_is_believed_only_where_it_can_be_right() -> None:
    clock = CameraClock()
    ahead = 1_700_000_000 * 10**9
    arrived = 500 * 10**9

    def told(age_s: float, *, set_by_s: float = 0.0) -> int | None:
        utc_ns = arrived + ahead - round(age_s * 1e9)
        return clock.captured_ns(utc_ns, arrived_ns=arrived, utc_ahead_ns=ahead + round(set_by_s * 1e9))

    assert told(0.06) == arrived - 60_000_000
    assert told(2.5) is None
    assert told(-0.2) is None
    assert clock.disbelieved == 2
    # setting this machine's clock moves no picture: the difference is held
    assert told(0.06, set_by_s=0.7) == arrived - 60_000_000
    fresh = CameraClock()
    assert fresh.captured_ns(5, arrived_ns=arrived, utc_ahead_ns=ahead) is None
