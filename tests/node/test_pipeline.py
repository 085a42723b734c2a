"""The pipeline in memory: blocks in, clips out; nothing else changes the result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from noisewatch.evidence.minutes import Minute
from noisewatch.node.hours import Hour
from noisewatch.node.pipeline import Pipeline, PipelineSettings, ReadyClip, background_db
from noisewatch.node.schedule import Period
from noisewatch.recognition.signature import Signature, find_signature, load_signature
from noisewatch.records import AudioBlock, ClockState, Event, LevelFrame

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"


@pytest.fixture(scope="module")
def signature() -> Signature:
    return load_signature(find_signature("exhaust"))


@pytest.fixture(scope="module")
def street() -> tuple[np.ndarray, int]:
    truth = json.loads((SAMPLES / "truth.json").read_text())
    sound, rate_hz = soundfile.read(str(SAMPLES / "street.flac"), dtype="float32")
    return np.ascontiguousarray(sound.T) * np.float32(truth["pascal_per_unit"]), rate_hz


def settings(rate_hz: int, channels: int, **changes: object) -> PipelineSettings:
    values = PipelineSettings(
        rate_hz=rate_hz,
        channels=channels,
        ring_s=60.0,
        has_picture=False,
        started_at=START,
        gate_db=None,
        merge_gap_s=3.0,
        cooldown_s=2.0,
        longest_event_s=30.0,
        budget_per_day=None,
        full_scale_pa=20.0,
    )
    return replace(values, **changes)  # type: ignore[arg-type]


def feed(
    pipeline: Pipeline,
    sound: np.ndarray,
    rate_hz: int,
    *,
    cuts: Sequence[int],
    lost: tuple[int, int] = (0, 0),
) -> list[ReadyClip]:
    """Push the sound in blocks of the lengths of `cuts` in turn; samples of [lost) never arrive."""
    clips: list[ReadyClip] = []
    start, turn, lost_before = 0, 0, 0
    while start < sound.shape[1]:
        end = min(start + cuts[turn % len(cuts)], sound.shape[1])
        if start < lost[0] < end:
            end = lost[0]
        if start == lost[0] and lost[1] > lost[0]:
            start, lost_before, lost = lost[1], lost[1] - lost[0], (0, 0)
            continue
        pipeline.push_audio(
            AudioBlock(start, sound[:, start:end], rate_hz, end * 10**9 // rate_hz, lost_before)
        )
        clips += pipeline.ready()
        start, turn, lost_before = end, turn + 1, 0
    return clips + pipeline.finish()


def run(signature: Signature, sound: np.ndarray, rate_hz: int, **options: object) -> list[ReadyClip]:
    cuts = options.pop("cuts", (4800,))
    lost = options.pop("lost", (0, 0))
    pipeline = Pipeline(
        settings(rate_hz, sound.shape[0], **options),
        signatures=[signature],
        new_id=lambda moment: f"event-{moment:%H%M%S}",
    )
    return feed(pipeline, sound, rate_hz, cuts=cuts, lost=lost)  # type: ignore[arg-type]


def test_a_pass_gives_one_clip_of_exactly_ten_seconds(
    signature: Signature, street: tuple[np.ndarray, int]
) -> None:
    sound, rate_hz = street
    (clip,) = run(signature, sound, rate_hz)
    assert clip.samples.shape == (2, 480_000)
    assert np.array_equal(clip.samples, sound[:, clip.window.start_sample : clip.window.end_sample])
    assert clip.captured_at == START + timedelta(seconds=clip.window.start_s)
    assert clip.lost_samples == 0
    assert len(clip.frames) in (80, 81)
    assert clip.background_db == pytest.approx(55.0, abs=6.0)


@pytest.mark.parametrize("cuts", [(4800, 1, 7777, 333), (48_000,)])
def test_the_cut_into_blocks_changes_nothing(
    signature: Signature, street: tuple[np.ndarray, int], cuts: tuple[int, ...]
) -> None:
    sound, rate_hz = street
    (one,) = run(signature, sound, rate_hz)
    (other,) = run(signature, sound, rate_hz, cuts=cuts)
    assert replace(one.event, lafmax_db=0.0, laeq_db=0.0, lcpeak_db=0.0, windows=()) == replace(
        other.event, lafmax_db=0.0, laeq_db=0.0, lcpeak_db=0.0, windows=()
    )
    assert other.event.lafmax_db == pytest.approx(one.event.lafmax_db, abs=1e-9)
    assert other.window == one.window


def test_a_gap_is_counted_named_and_never_closed_up(
    signature: Signature, street: tuple[np.ndarray, int]
) -> None:
    sound, rate_hz = street
    (whole,) = run(signature, sound, rate_hz)
    gap = (whole.window.start_sample + 1000, whole.window.start_sample + 25_000)
    (clip,) = run(signature, sound, rate_hz, lost=gap)
    assert clip.lost_samples == 24_000
    assert clip.event.peak_sample == whole.event.peak_sample
    at = gap[0] - clip.window.start_sample
    assert not clip.samples[:, at : at + 24_000].any()
    assert np.array_equal(clip.samples[:, at + 24_000 :], whole.samples[:, at + 24_000 :])


def test_a_clipped_input_flags_the_event(signature: Signature, street: tuple[np.ndarray, int]) -> None:
    sound, rate_hz = street
    limit_pa = float(np.abs(sound[0]).max()) / 4
    (clip,) = run(signature, np.clip(sound, -limit_pa, limit_pa), rate_hz, full_scale_pa=limit_pa)
    assert "overload" in clip.event.flags


def test_what_does_not_match_is_forgotten(signature: Signature, street: tuple[np.ndarray, int]) -> None:
    sound, rate_hz = street
    assert run(signature, sound, rate_hz, gate_db=120.0) == []


def test_a_budget_of_nothing_flags_the_event(signature: Signature, street: tuple[np.ndarray, int]) -> None:
    sound, rate_hz = street
    (clip,) = run(signature, sound, rate_hz, budget_per_day=0)
    assert "over-budget" in clip.event.flags


def test_the_background_leaves_the_event_out(signature: Signature, street: tuple[np.ndarray, int]) -> None:
    sound, rate_hz = street
    (clip,) = run(signature, sound, rate_hz)
    event, frames = clip.event, [_frame(i, 60.0) for i in range(160)]
    onset, end = event.onset_sample // 6000, event.end_sample // 6000 + 1
    frames[onset : end + 1] = [_frame(i, 95.0) for i in range(onset, end + 1)]
    assert background_db(frames, event) == pytest.approx(60.0)
    assert background_db(frames[:40], _moved(event, 48_000)) is None


def _moved(event: Event, onset_sample: int) -> Event:
    return replace(
        event, onset_sample=onset_sample, peak_sample=onset_sample + 1, end_sample=onset_sample + 192_000
    )


def _frame(index: int, level_db: float) -> LevelFrame:
    return LevelFrame(index * 6000, (index + 1) * 6000, 48000, *[level_db] * 10)


def test_hours_and_behaviours_of_a_signature_and_the_periods_of_a_street_reach_the_event(
    signature: Signature, street: tuple[np.ndarray, int]
) -> None:
    sound, rate_hz = street
    meant = replace(signature, hours=("22:00-24:00",), behaviours=("revving",))
    day = Period("day", 79.0, hours=("06:00-22:00",))
    pipeline = Pipeline(
        settings(rate_hz, sound.shape[0], periods=(day,)), signatures=[meant], new_id=lambda at: "one"
    )
    (clip,) = feed(pipeline, sound, rate_hz, cuts=(rate_hz,))
    assert clip.behaviours == ("revving",)
    assert "outside-hours" in clip.event.flags
    assert clip.event.gate_db == 79.0
    assert "13:00 Europe/Brussels lies outside 22:00-24:00" in clip.event.why


def test_minutes_and_hours_are_those_of_the_streets_clock(signature: Signature) -> None:
    """The wall clock is put right by two hours while the box listens; the start it was given stays wrong."""

    class PutRight:
        def utc(self, sample: int) -> datetime:
            right = timedelta(hours=2) if sample >= 2 * 48_000 else timedelta(0)
            return START + right + timedelta(seconds=sample / 48_000)

        def state(self, start_sample: int) -> ClockState:
            raise AssertionError(start_sample)

    minutes: list[Minute] = []
    hours: list[Hour] = []
    pipeline = Pipeline(
        settings(48_000, 1),
        signatures=[signature],
        new_id=str,
        on_minute=minutes.append,
        on_hour=hours.append,
        street_time=PutRight(),
    )
    feed(pipeline, np.zeros((1, 5 * 48_000), np.float32), 48_000, cuts=(4800,))
    assert [(one.start.hour, one.heard_s) for one in minutes] == [(12, 2.0), (14, 3.0)]
    assert [(one.start.hour, one.heard_s) for one in hours] == [(12, 2.0), (14, 3.0)]
