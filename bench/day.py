"""A day of street through the pipeline: memory, open files, rings and the clock of samples stay as they are.

    .venv/bin/python bench/day.py [--hours 24] [--json]

The sample street is played over and over, as fast as the machine can (well above 20 x), through rings, meter,
flags and the exhaust signature, picture beside it. Events are cut as the node cuts them, then dropped.
Figures of each hour are compared with the first one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from noisewatch.capture.camera import open_video
from noisewatch.node.pipeline import Pipeline, PipelineSettings
from noisewatch.recognition.signature import Signature, find_signature, load_signature
from noisewatch.records import AudioBlock, VideoPacket

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
BLOCK = 4800


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


def measure(hours: float, *, signatures: list[Signature], every_s: float) -> dict[str, Any]:
    """Run hours of street; return figures at the first mark, at the last, and the highest between."""
    pipeline, marks, clips, wrong = make_pipeline(signatures), list[dict[str, float]](), 0, 0
    started, next_mark_s = time.monotonic(), every_s
    for block, packets in street(hours):
        for street_s, packet in packets:
            pipeline.push_video(street_s, packet)
        pipeline.push_audio(block)
        for clip in pipeline.ready():
            clips += 1
            wrong += clip.samples.shape[1] != 480_000 or clip.lost_samples != 0
        if pipeline.end_sample / 48_000 >= next_mark_s:
            next_mark_s += every_s
            marks.append(held(pipeline))
    street_s, elapsed_s = pipeline.end_sample / 48_000, time.monotonic() - started
    return {
        "street_hours": round(street_s / 3600, 3),
        "pace_x": round(street_s / elapsed_s, 1),
        "cpu_s_per_hour": round(resource.getrusage(resource.RUSAGE_SELF).ru_utime / street_s * 3600, 1),
        "clips": clips,
        "clips_not_exact": wrong,
        "lost_samples": pipeline.lost_samples,
        "drift_samples": pipeline.end_sample - round(hours * 3600 * 48_000 / BLOCK) * BLOCK,
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
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    signature = load_signature(find_signature("exhaust"))
    figures = measure(args.hours, signatures=[signature], every_s=min(3600.0, args.hours * 900))
    print(json.dumps(figures) if args.json else json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
