"""Beside a busy core no sample is lost and nothing piles up; where it would, the test sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from noisewatch.capture.device import Intake
from noisewatch.node.latework import LateWork
from noisewatch.node.pipeline import Pipeline, PipelineSettings
from noisewatch.node.runner import Effects, Runner, RunSummary
from noisewatch.recognition.signature import find_signature, load_signature
from noisewatch.records import AudioBlock

RATE_HZ, FRAMES = 48_000, 4_800
#: What a sound card holds until somebody fetches it, and what may wait for the pipeline.
CARD_S, QUEUE_S = 1.5, 2.0
#: Blocks that are fetched in time before the thread that fetches is starved, where a test wants that.
_BEFORE_BLOCKS = 5
SPIN = """
import os, sys
os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
os.sched_setaffinity(0, {int(sys.argv[1])})
while True:
    pass
"""


class Microphone:
    """A sound card at the pace of life behind the real intake: what nobody fetches in time is overwritten."""

    rate_hz, channels, is_live, description = RATE_HZ, 1, True, "a sound card"

    def __init__(self, *, seconds: float, starved_s: float = 0.0) -> None:
        self._starved_s = starved_s
        self.intake = Intake(rate_hz=RATE_HZ, queue_blocks=round(QUEUE_S * RATE_HZ / FRAMES))
        self.most_waiting = 0
        self._count = round(seconds * RATE_HZ / FRAMES)
        self._card = threading.Thread(target=self._run)

    def _run(self) -> None:
        step_s, started = FRAMES / RATE_HZ, time.monotonic()
        sound = np.random.default_rng(3).normal(0.0, 0.1, (FRAMES, 1)).astype(np.float32)
        fetched = 0
        while fetched < self._count:
            if fetched == _BEFORE_BLOCKS:
                time.sleep(self._starved_s)
            time.sleep(max(0.0, started + (fetched + 1) * step_s - time.monotonic()))
            heard = int((time.monotonic() - started) / step_s)
            overwritten = max(0, heard - fetched - round(CARD_S / step_s))
            fetched += overwritten + 1
            now_s = time.monotonic()
            self.intake.receive(
                sound,
                FRAMES,
                arrived_ns=round(now_s * 1e9),
                overflowed=overwritten > 0,
                # as PortAudio does, the card says how old the first sample is
                waited_s=now_s - started - (fetched - 1) * step_s,
            )
            self.most_waiting = max(self.most_waiting, self.intake._queue.qsize())

    def blocks(self) -> Iterator[AudioBlock]:
        """Give out what the card's thread has fetched."""
        self._card.start()
        while self._card.is_alive() or self.intake._queue.qsize():
            block = self.intake.take(timeout_s=0.1)
            if block is not None:
                yield AudioBlock(
                    block.start_sample, block.samples.T, RATE_HZ, block.monotonic_ns, block.lost_before
                )

    def close(self) -> None:
        """The card ends by itself."""


@contextmanager
def one_busy_core() -> Iterator[int]:
    """Let a process spin on one core, and let this test's threads have no other core than that one."""
    before = os.sched_getaffinity(0)
    core = min(before)
    spinning = subprocess.Popen([sys.executable, "-c", SPIN, str(core)])
    os.sched_setaffinity(0, {core})
    try:
        yield spinning.pid
    finally:
        os.sched_setaffinity(0, before)
        spinning.kill()
        spinning.wait()


def listen(*, seconds: float, starved_s: float = 0.0) -> tuple[Microphone, Pipeline, int, RunSummary]:
    """Run the node's own loop on the card; return also what the rings held before."""
    settings = PipelineSettings(
        rate_hz=RATE_HZ,
        channels=1,
        ring_s=2.0,
        has_picture=False,
        started_at=datetime(2026, 11, 22, tzinfo=UTC),
        gate_db=None,
        merge_gap_s=3.0,
        cooldown_s=2.0,
        longest_event_s=30.0,
        budget_per_day=None,
    )
    signature = load_signature(find_signature("exhaust"))
    pipeline = Pipeline(settings, signatures=[signature], new_id=lambda at: f"{at:%H%M%S}")
    microphone, held = Microphone(seconds=seconds, starved_s=starved_s), pipeline.ring_bytes
    effects = Effects(lambda _: None, lambda *_: None, housekeep=lambda: None, report=lambda _: None)
    runner = Runner(
        pipeline,
        audio=microphone,
        video=None,
        effects=effects,
        at_real_pace=True,
        late=LateWork(),
    )
    return microphone, pipeline, held, runner.run()


@pytest.mark.serial
def test_beside_a_busy_core_no_sample_is_lost_and_nothing_piles_up() -> None:
    with one_busy_core() as spinning:
        microphone, pipeline, held, summary = listen(seconds=4.0)
        # it did spin all the while
        fields = Path(f"/proc/{spinning}/stat").read_text().rsplit(")", 1)[1].split()
        spun_s = int(fields[11]) / os.sysconf("SC_CLK_TCK")
    assert spun_s > 0.0
    assert microphone.intake.callbacks == 40
    assert summary.lost_samples == microphone.intake.lost_samples == 0
    assert pipeline.end_sample == 4 * RATE_HZ
    assert pipeline.ring_bytes == held
    assert microphone.most_waiting < QUEUE_S * RATE_HZ / FRAMES


def test_a_card_that_nobody_fetches_from_in_time_loses_samples_by_name() -> None:
    microphone, pipeline, held, summary = listen(seconds=4.0, starved_s=CARD_S + 1.0)
    assert microphone.intake.overflows == 1
    assert summary.lost_samples == microphone.intake.lost_samples
    # what the card could not hold, to within a block or two
    assert 0.7 * RATE_HZ <= summary.lost_samples <= 1.3 * RATE_HZ
    # the index goes on through the gap
    assert pipeline.end_sample == pytest.approx(4 * RATE_HZ, abs=2 * FRAMES)
    assert pipeline.ring_bytes == held
