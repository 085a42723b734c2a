"""The street by the minute: the same whatever the blocks, and to the sample."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, datetime

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


def frames_of(seconds: float) -> list[LevelFrame]:
    meter = Meter(rate_hz=RATE_HZ)
    noise = np.random.default_rng(1).standard_normal(round(seconds * RATE_HZ)).astype(np.float32)
    noise *= np.linspace(0.001, 0.1, noise.size, dtype=np.float32)
    return [*meter.push(noise), *meter.finish()]


FRAMES = frames_of(83.3)


def summed_up(cuts: list[int]) -> list[Minute]:
    summary = MinuteSummary(started_at=STARTED, is_calibrated=True)
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
    summary = MinuteSummary(started_at=STARTED, is_calibrated=False)
    kept = [frame for frame in FRAMES[:80] if not 4 <= frame.start_sample / RATE_HZ < 6]
    (only,) = [*summary.push(kept, ()), *summary.finish()]
    assert only.heard_s == pytest.approx(8.0)
    assert only.is_calibrated is False


def test_windows_are_counted_by_their_most_probable_class() -> None:
    score = Score(0, RATE_HZ, RATE_HZ, "exhaust", "1", 0.9, {"exhaust": 0.9, "engine": 0.1})
    other = dataclasses.replace(score, classes={"exhaust": 0.2, "engine": 0.8})
    nothing = dataclasses.replace(score, classes={})
    summary = MinuteSummary(started_at=STARTED, is_calibrated=True)
    summary.push(FRAMES[:80], [score, other, score, nothing])
    (only,) = summary.finish()
    assert only.counts == {"exhaust": 2, "engine": 1}


def test_without_sound_there_is_no_minute() -> None:
    assert MinuteSummary(started_at=STARTED, is_calibrated=True).finish() == []
