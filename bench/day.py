"""A day of street through the pipeline: memory, open files, rings and the clock of samples stay as they are.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python bench/day.py [--hours 24] [--pace 20] [--json]

The sample street is played over and over, at most --pace times as fast as life (0: as fast as it goes),
through rings, meter, flags and the exhaust signature, picture beside it. Events are cut as the node cuts
them, then dropped. The microphone's crystal is made to run slow by 40 ppm and its blocks to arrive up to 8 ms
late, and the street's clock must say when each minute was heard. Memory's slope is that of a straight line
through the marks after the first one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from noisewatch.capture.camera import open_video
from noisewatch.capture.clock import StreetClock
from noisewatch.node import lean
from noisewatch.node.pipeline import Pipeline, PipelineSettings
from noisewatch.recognition.signature import Signature, find_signature, load_signature
from noisewatch.records import AudioBlock, VideoPacket

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
BLOCK = 4800
#: By how much the sound card's second is longer than a true one, and how late blocks may come.
CRYSTAL_PPM, LATEST_S = 40.0, 0.008


def street(hours: float) -> Iterator[tuple[AudioBlock, list[tuple[float, VideoPacket]]]]:
    """Yield blocks of the looped sample with the packets that belong to them; time never jumps."""
    sound, rate_hz = soundfile.read(str(SAMPLES / "street.flac"), dtype="float32")
    samples = np.ascontiguousarray(sound[:, :1].T) * np.float32(20.0)
    length = samples.shape[1] // BLOCK * BLOCK
    packets = [(p.monotonic_ns / 1e9, p) for p in open_video(str(SAMPLES / "street.mp4")).packets()]
    loop_s = length / rate_hz
    for start in range(0, round(hours * 3600 * rate_hz), BLOCK):
        first, loop = start % length, start // length
        now_s = first / rate_hz
        due = [
            (loop * loop_s + street_s, replace(packet, monotonic_ns=round((loop * loop_s + street_s) * 1e9)))
            for street_s, packet in packets
            if now_s <= street_s < now_s + BLOCK / rate_hz
        ]
        yield AudioBlock(start, samples[:, first : first + BLOCK], rate_hz, 0), due


def make_pipeline(signatures: list[Signature], *, has_picture: bool = True) -> Pipeline:
    """Make the pipeline of a node with one channel and a camera."""
    settings = PipelineSettings(
        rate_hz=48_000,
        channels=1,
        ring_s=60.0,
        has_picture=has_picture,
        started_at=datetime(2026, 11, 22, tzinfo=UTC),
        gate_db=None,
        merge_gap_s=3.0,
        cooldown_s=2.0,
        longest_event_s=30.0,
        budget_per_day=None,
    )
    return Pipeline(settings, signatures=signatures, new_id=lambda at: f"{at:%Y%m%d-%H%M%S}-0000")


def held(pipeline: Pipeline) -> dict[str, float]:
    """Say what the process and the rings hold now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "rss_mib": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
        "open_files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "ring_bytes": pipeline.ring_bytes,
    }


class Crystal:
    """A sound card whose seconds are too long and whose blocks come late, and the clock that sees no more."""

    def __init__(self) -> None:
        self.clock = StreetClock(rate_hz=48_000, is_live=False)
        self.errors_ms: list[float] = []
        self._late = np.random.default_rng(20261122)

    @staticmethod
    def true_s(sample: int) -> float:
        """When a sample was heard."""
        return sample / 48_000 * (1.0 + CRYSTAL_PPM * 1e-6)

    def hear(self, block: AudioBlock) -> None:
        """Let a block arrive; once a minute compare what the clock says of its end with the truth."""
        heard_s = self.true_s(block.end_sample)
        arrived_s = heard_s + float(self._late.uniform(0.0, LATEST_S))
        self.clock.observe(block, arrived_ns=round(arrived_s * 1e9))
        if block.start_sample % (60 * 48_000) == 0:
            said_s = self.clock.monotonic_s(block.end_sample)
            self.errors_ms.append(((said_s or 0.0) - heard_s) * 1e3)

    def document(self) -> dict[str, float]:
        """Return how far the clock was off, and by how much more at the end than at the start."""
        early, late = self.errors_ms[2:62], self.errors_ms[-60:]
        return {
            "crystal_ppm": CRYSTAL_PPM,
            "largest_error_ms": round(max(map(abs, self.errors_ms[2:])), 3),
            "drift_ms": round(float(np.mean(late) - np.mean(early)), 3),
            "crystal_alone_ms": round(self.true_s(48_000) * 60 * len(self.errors_ms) * CRYSTAL_PPM * 1e-3, 1),
        }


def measure(
    hours: float, *, signatures: list[Signature], every_s: float, pace_x: float = 0.0
) -> dict[str, Any]:
    """Run hours of street; return figures at the first mark, at the last, the highest, and the slope."""
    pipeline, marks, clips, wrong = make_pipeline(signatures), list[dict[str, float]](), 0, 0
    started, next_mark_s, crystal = time.monotonic(), every_s, Crystal()
    for block, packets in street(hours):
        for street_s, packet in packets:
            pipeline.push_video(street_s, packet)
        pipeline.push_audio(block)
        crystal.hear(block)
        for clip in pipeline.ready():
            clips += 1
            wrong += clip.samples.shape[1] != 480_000 or clip.lost_samples != 0
        if pipeline.end_sample / 48_000 >= next_mark_s:
            next_mark_s += every_s
            marks.append(held(pipeline))
            hour = pipeline.end_sample / 48_000 / 3600
            print(f"{hour:7.3f} h {marks[-1]} clock {crystal.errors_ms[-1]:+.3f} ms", file=sys.stderr)
        if pace_x and pipeline.end_sample % 48_000 == 0:
            time.sleep(max(0.0, started + pipeline.end_sample / 48_000 / pace_x - time.monotonic()))
    street_s, elapsed_s = pipeline.end_sample / 48_000, time.monotonic() - started
    rss = [mark["rss_mib"] for mark in marks[1:]]
    per_mark = float(np.polyfit(np.arange(len(rss)), rss, 1)[0]) if len(rss) > 2 else 0.0
    return {
        "street_hours": round(street_s / 3600, 3),
        "pace_x": round(street_s / elapsed_s, 1),
        "cpu_s_per_hour": round(resource.getrusage(resource.RUSAGE_SELF).ru_utime / street_s * 3600, 1),
        "clips": clips,
        "clips_not_exact": wrong,
        "lost_samples": pipeline.lost_samples,
        "drift_samples": pipeline.end_sample - round(hours * 3600 * 48_000 / BLOCK) * BLOCK,
        "clock": crystal.document(),
        "rss_slope_mib_per_hour": round(per_mark * 3600 / every_s, 3),
        "marks": len(marks),
        "first": marks[0],
        "last": marks[-1],
        "highest": {key: max(mark[key] for mark in marks) for key in marks[0]},
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--pace", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    lean.small_heap()
    signature = load_signature(find_signature("exhaust"))
    figures = measure(
        args.hours, signatures=[signature], every_s=min(600.0, args.hours * 300), pace_x=args.pace
    )
    print(json.dumps(figures) if args.json else json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
