"""Hours: the figures of all frames, whatever blocks they came in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from noisewatch.acoustics.meter import Meter
from noisewatch.node.hours import HourSummary

RATE_HZ = 8_000


def utc_from(started: datetime) -> Callable[[int], datetime]:
    return lambda sample: started + timedelta(seconds=sample / RATE_HZ)


def test_an_hour_holds_what_all_its_frames_say_and_ends_on_the_hour() -> None:
    started = datetime(2026, 5, 4, 9, 59, 50, tzinfo=UTC)
    rng = np.random.default_rng(1)
    samples = (rng.normal(0, 0.1, 30 * RATE_HZ) * np.linspace(0.1, 1, 30 * RATE_HZ)).astype(np.float32)
    meter = Meter(rate_hz=RATE_HZ, channels=1)
    frames = [*meter.push(samples[None]), *meter.finish()]
    hours = HourSummary(utc=utc_from(started), is_calibrated=True)
    over = []
    for first in range(0, len(frames), 7):
        over += hours.push(frames[first : first + 7], ())
    over += hours.finish()
    assert [hour.start.hour for hour in over] == [9, 10]
    assert [round(hour.heard_s, 3) for hour in over] == [10.0, 20.0]
    later = [frame for frame in frames if frame.start_sample >= 10 * RATE_HZ]
    laf_db = [frame.laf_db for frame in later]
    assert over[1].l10_db == pytest.approx(np.percentile(laf_db, 90), abs=0.02)
    assert over[1].l90_db == pytest.approx(np.percentile(laf_db, 10), abs=0.02)
    mean = np.mean([10 ** (frame.laeq_db / 10) for frame in later])
    assert over[1].laeq_db == pytest.approx(10 * np.log10(mean), abs=1e-6)
    assert over[1].lafmax_db == max(frame.lafmax_db for frame in later)


def test_before_anything_is_heard_there_is_no_hour() -> None:
    assert HourSummary(utc=utc_from(datetime(2026, 5, 4, tzinfo=UTC)), is_calibrated=False).finish() == []
