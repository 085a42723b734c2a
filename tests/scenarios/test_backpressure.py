"""Sealing and disk may stand still: no sample is lost, no ring grows, late work is bounded and counted."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from noisewatch.node.latework import ROOM, SMALL_WORK, LateWork, Step
from noisewatch.node.runner import Effects, Runner
from noisewatch.recognition.signature import find_signature, load_signature
from noisewatch.records import AudioBlock

ROOT = Path(__file__).resolve().parents[2]
LOOP_S, LOOPS = 24, 10
SOON_S = 240.0


@pytest.fixture(scope="module")
def day() -> ModuleType:
    """The benchmark that plays the sample street over and over."""
    spec = importlib.util.spec_from_file_location("bench_day", ROOT / "bench" / "day.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Microphone:
    """The sample street as a live source: it waits for nobody, as a microphone does not."""

    rate_hz, channels, is_live, description = 48_000, 1, True, "the street"

    def __init__(self, day: ModuleType, *, seconds: float) -> None:
        self._blocks = (block for block, _ in day.street(seconds / 3600))

    def blocks(self) -> Iterator[AudioBlock]:
        yield from self._blocks

    def close(self) -> None:
        """Nothing is held."""


class StuckOutside:
    """A disk and an encoder that stand still until somebody opens the gate."""

    def __init__(self, *, stuck_at: str) -> None:
        self.gate = threading.Event()
        self.stuck_at = stuck_at
        self.recorded: list[str] = []
        self.sealed: list[str] = []
        self.refused: list[str] = []

    def wait_at(self, where: str) -> None:
        if self.stuck_at == where:
            assert self.gate.wait(SOON_S)

    def seal(self, clip: Any) -> Step:
        self.wait_at("disk")
        self.recorded.append(clip.event.id)

        def original() -> None:
            self.wait_at("child")
            assert clip.samples.shape == (1, 480_000)
            self.sealed.append(clip.event.id)

        return Step(0, original)

    def refuse(self, clip: Any, why: str) -> None:
        self.wait_at("disk")
        assert clip.samples.size == 0, "sound of a clip without room is not held"
        self.refused.append(clip.event.id)

    @property
    def effects(self) -> Effects:
        return Effects(self.seal, self.refuse, housekeep=lambda: None, report=lambda _: None)


@pytest.mark.parametrize("stuck_at", ["child", "disk"])
def test_while_sealing_or_the_disk_stands_still_no_sample_is_lost(day: ModuleType, stuck_at: str) -> None:
    pipeline = day.make_pipeline([load_signature(find_signature("exhaust"))], has_picture=False)
    ring_bytes = pipeline.ring_bytes
    outside = StuckOutside(stuck_at=stuck_at)
    source, late = Microphone(day, seconds=LOOPS * LOOP_S), LateWork()
    runner = Runner(
        pipeline, audio=source, video=None, effects=outside.effects, at_real_pace=False, late=late
    )
    summaries: list[Any] = []
    thread = threading.Thread(target=lambda: summaries.append(runner.run()))
    thread.start()
    end = LOOPS * LOOP_S * 48_000
    waited = threading.Event()
    for _ in range(round(SOON_S * 10)):
        if pipeline.end_sample >= end:
            break
        waited.wait(0.1)
    # minutes of street have gone by; nothing could be sealed, and the capture did not wait
    assert pipeline.end_sample == end
    assert outside.sealed == []
    outside.gate.set()
    thread.join(SOON_S)
    summary = summaries[0]
    assert summary.lost_samples == 0
    assert summary.error is None
    assert pipeline.ring_bytes == ring_bytes
    assert summary.most_held == ROOM
    assert summary.late_clips == len(outside.refused) > 0
    assert summary.late_records == 0
    events = len(outside.recorded) + len(outside.refused)
    assert events == LOOPS
    assert sorted(outside.sealed) == sorted(outside.recorded)
    assert len(outside.sealed) >= ROOM
    assert summary.late_clips < SMALL_WORK


def test_minutes_of_street_leave_memory_files_and_the_sample_clock_as_they_were(day: ModuleType) -> None:
    figures = day.measure(0.1, signatures=[], every_s=72.0)
    assert figures["lost_samples"] == figures["drift_samples"] == 0
    assert figures["last"]["open_files"] == figures["first"]["open_files"]
    # the first mark lies beyond the ring's minute: from there on nothing grows but by one group of pictures
    assert figures["highest"]["ring_bytes"] <= 1.1 * figures["first"]["ring_bytes"]
    assert figures["highest"]["rss_mib"] <= figures["first"]["rss_mib"] + 24
