"""The street by the minute: the same whatever the blocks, and to the sample."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.acoustics.meter import Meter
from noisewatch.evidence.minutes import Minute
from noisewatch.node.minutes import MinuteSummary
from noisewatch.records import LevelFrame, Score

STARTED = datetime(2026, 3, 1, 12, 0, 50, tzinfo=UTC)
RATE_HZ = 8_000


def utc_from(started: datetime) -> Callable[[int], datetime]:
    return lambda sample: started + timedelta(seconds=sample / RATE_HZ)


def frames_of(seconds: float) -> list[LevelFrame]:
    meter = Meter(rate_hz=RATE_HZ)
    noise = np.random.default_rng(1).standard_normal(round(seconds * RATE_HZ)).astype(np.float32)
    noise *= np.linspace(0.001, 0.1, noise.size, dtype=np.float32)
    return [*meter.push(noise), *meter.finish()]


FRAMES = frames_of(83.3)


def summed_up(cuts: list[int]) -> list[Minute]:
    summary = MinuteSummary(utc=utc_from(STARTED), is_calibrated=True)
    over: list[Minute] = []
    edges = sorted({0, len(FRAMES), *cuts})
    for start, end in itertools.pairwise(edges):
        over += summary.push(FRAMES[start:end], ())
    return over + summary.finish()


def test_each_minute_has_its_own_seconds_and_levels() -> None:
    first, second, third = summed_up([])
    assert [one.start.minute for one in (first, second, third)] == [0, 1, 2]
    assert [one.heard_s for one in (first, second, third)] == pytest.approx([10.0, 60.0, 13.3])
    inside = [frame for frame in FRAMES if 10 <= frame.start_sample / RATE_HZ < 70]
    energy = np.mean([10 ** (frame.laeq_db / 10) for frame in inside])
    assert second.laeq_db == pytest.approx(10 * np.log10(energy), abs=1e-9)
    assert second.lafmax_db == max(frame.lafmax_db for frame in inside)
    assert second.l90_db < second.l10_db < second.lafmax_db


@given(st.lists(st.integers(0, len(FRAMES)), max_size=6))
def test_blocks_change_nothing(cuts: list[int]) -> None:
    assert summed_up(cuts) == summed_up([])


def test_what_was_lost_was_not_heard() -> None:
    summary = MinuteSummary(utc=utc_from(STARTED), is_calibrated=False)
    kept = [frame for frame in FRAMES[:80] if not 4 <= frame.start_sample / RATE_HZ < 6]
    (only,) = [*summary.push(kept, ()), *summary.finish()]
    assert only.heard_s == pytest.approx(8.0)
    assert only.is_calibrated is False


def test_windows_are_counted_by_their_most_probable_class() -> None:
    score = Score(0, RATE_HZ, RATE_HZ, "exhaust", "1", 0.9, {"exhaust": 0.9, "engine": 0.1})
    other = dataclasses.replace(score, classes={"exhaust": 0.2, "engine": 0.8})
    nothing = dataclasses.replace(score, classes={})
    summary = MinuteSummary(utc=utc_from(STARTED), is_calibrated=True)
    summary.push(FRAMES[:80], [score, other, score, nothing])
    (only,) = summary.finish()
    assert only.counts == {"exhaust": 2, "engine": 1}


def test_without_sound_there_is_no_minute() -> None:
    assert MinuteSummary(utc=utc_from(STARTED), is_calibrated=True).finish() == []


def test_a_clock_that_was_set_dates_what_follows() -> None:
    """The box woke up an hour late and was put right after twenty seconds."""

    def utc(sample: int) -> datetime:
        late = timedelta(hours=1) if sample < 20 * RATE_HZ else timedelta(0)
        return utc_from(STARTED)(sample) - late

    summary = MinuteSummary(utc=utc, is_calibrated=True)
    over = [*summary.push(FRAMES, ()), *summary.finish()]
    assert [(one.start.hour, one.start.minute) for one in over] == [(11, 0), (11, 1), (12, 1), (12, 2)]
    assert [one.heard_s for one in over] == pytest.approx([10.0, 10.0, 50.0, 13.3])


def test_a_minute_is_sixty_seconds_of_utc_however_the_sound_card_drifts() -> None:
    """A card that is 2 % slow (100 000 times a bad crystal): its samples last longer than they say."""
    summary = MinuteSummary(
        utc=lambda sample: STARTED + timedelta(seconds=1.02 * sample / RATE_HZ), is_calibrated=True
    )
    over = [*summary.push(FRAMES, ()), *summary.finish()]
    assert [one.heard_s for one in over] == pytest.approx([10 / 1.02, 60 / 1.02, 83.3 - 70 / 1.02], abs=0.13)


def test_a_clock_that_seems_to_go_back_by_a_millisecond_begins_no_minute_anew() -> None:
    wobble = itertools.cycle([0.0, -0.3, 0.1])
    summary = MinuteSummary(
        utc=lambda sample: utc_from(STARTED)(sample) + timedelta(seconds=next(wobble)), is_calibrated=True
    )
    over = [*summary.push(FRAMES, ()), *summary.finish()]
    assert [one.start.minute for one in over] == [0, 1, 2]
