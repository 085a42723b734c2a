"""The time of a run: which offset is taken off, what is told, and that the pipeline takes UTC from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from noisewatch.acoustics.sync import MeasuredOffset, SyncState, not_needed
from noisewatch.capture.microphone import open_audio
from noisewatch.evidence import custody, enrol
from noisewatch.node.box import read_identity
from noisewatch.node.chain import Chain, Counter, sound_told, street_clock
from noisewatch.node.config import parse_config, render_config
from noisewatch.node.pipeline import Pipeline, PipelineSettings, ReadyClip
from noisewatch.node.timing import time_circumstances, time_statements
from noisewatch.recognition.signature import find_signature, load_signature
from noisewatch.records import AudioBlock, ClockState

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
ARRIVAL = MeasuredOffset(0.08, 0.004, 0.01, 10, 9)
CAMERA = MeasuredOffset(-0.02, 0.004, 0.01, 10, 9)


def measured(**offsets: MeasuredOffset) -> SyncState:
    return SyncState("valid", "measured", offsets=offsets)


@pytest.mark.parametrize(
    ("sync", "has_camera_clock", "arrival_s", "camera_s"),
    [
        (measured(arrival=ARRIVAL, camera=CAMERA), True, 0.08, -0.02),
        (measured(arrival=ARRIVAL, camera=CAMERA), False, 0.08, None),
        (measured(arrival=ARRIVAL), True, 0.08, None),
        (SyncState("missing", "never", offsets={}), True, 0.0, 0.0),
        (SyncState("missing", "never", offsets={}), False, 0.0, None),
    ],
)
def test_what_was_measured_is_taken_off(
    sync: SyncState, has_camera_clock: bool, arrival_s: float, camera_s: float | None
) -> None:
    clock = street_clock(sync, rate_hz=48_000, is_live=True, has_camera_clock=has_camera_clock)
    assert (clock.picture_offset_s, clock.camera_offset_s) == (arrival_s, camera_s)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    custody.init(folder / "custody", trial=True)
    enrol.prepare_node(folder / "node", folder / "custody", name="node-1")
    (folder / "node" / "node.toml").write_text(render_config(parse_config(b"", where=Path("node.toml"))))
    return folder / "node"


def test_a_file_brings_its_own_time_and_needs_no_offset(node: Path, tmp_path: Path) -> None:
    path = tmp_path / "street.wav"
    soundfile.write(str(path), np.zeros(4_800, np.float32), 48_000)
    audio = open_audio(str(path), pascal_per_unit=1.0)
    chain = Chain(read_identity(node / "node.toml"), audio=audio, video=None, started_at=datetime.now(UTC))
    chain.look()
    assert chain.time is None
    assert chain.sync.name == "not needed"
    told = chain.told()
    assert told["picture"] is None
    assert told["sound"] == {"source": "street.wav", "rate_hz": 48_000, "channels": 1}
    assert told["clock"]["steps"] == 0
    assert sound_told(audio) == told["sound"]


def test_events_are_counted_on_their_way_out() -> None:
    passed: list[Any] = []
    counter = Counter(lambda document, human: passed.append((document, human)))
    counter.emit({"event": "event", "sealed": True}, "a")
    counter.emit({"event": "event", "sealed": False}, "b")
    counter.emit({"event": "summary"}, "c")
    assert counter.counts == {"events": 2, "sealed": 1}
    assert [human for _, human in passed] == ["a", "b", "c"]


def test_a_record_states_offset_and_the_way_of_the_sound() -> None:
    config = parse_config(b"[site]\nlane_distance_m = 7.5\nair_temperature_c = 30\n", where=Path("node.toml"))
    said = time_statements(config, not_needed())
    assert said["sync"]["name"] == "not needed"
    assert said["range_correction"]["delay_s"] == pytest.approx(7.5 / 349.0, rel=1e-3)
    bare = time_statements(parse_config(b"", where=Path("node.toml")), not_needed())
    assert "range_correction" not in bare


def test_the_decision_looks_at_offset_and_clock() -> None:
    config = parse_config(b"", where=Path("node.toml"))
    clock = ClockState("system", synchronised=False, bound_s=None, is_before_build=True)
    facts = time_circumstances(config, SyncState("stale", "too old", offsets={}), clock)
    assert facts == {
        "sync_is_valid": False,
        "sync_why": "too old",
        "allow_unsynchronised": False,
        "is_clock_before_build": True,
    }


class Stepping:
    """UTC as a live street tells it."""

    def __init__(self, zero: datetime) -> None:
        self.zero = zero
        self.asked: list[int] = []

    def utc(self, sample: int) -> datetime:
        return self.zero + timedelta(seconds=sample / 48_000)

    def state(self, start_sample: int) -> ClockState:
        self.asked.append(start_sample)
        return ClockState("system", synchronised=True, bound_s=0.01, step_s=-3600.0)


def clips_of(street_time: Stepping | None, zero: datetime) -> list[ReadyClip]:
    sound, rate_hz = soundfile.read(str(SAMPLES / "street.flac"), dtype="float32")
    samples = np.ascontiguousarray(sound.T[:1]) * np.float32(20.0)
    settings = PipelineSettings(
        rate_hz=rate_hz,
        channels=1,
        ring_s=60.0,
        has_picture=False,
        started_at=zero,
        gate_db=None,
        merge_gap_s=3.0,
        cooldown_s=2.0,
        longest_event_s=30.0,
        budget_per_day=None,
    )
    pipeline = Pipeline(
        settings,
        signatures=[load_signature(find_signature("exhaust"))],
        new_id=lambda onset_at: f"{onset_at:%H%M%S}",
        street_time=street_time,
    )
    clips = []
    for start in range(0, samples.shape[1], 4_800):
        part = samples[:, start : start + 4_800]
        pipeline.push_audio(AudioBlock(start, part, rate_hz, (start + part.shape[1]) * 10**9 // rate_hz))
        clips += pipeline.ready()
    return clips + pipeline.finish()


def test_a_step_of_the_clock_in_the_middle_of_an_event_changes_nothing_but_a_flag() -> None:
    zero = datetime(2026, 10, 25, 0, 59, 50, tzinfo=UTC)
    (still,) = clips_of(None, zero)
    time = Stepping(zero)
    (stepped,) = clips_of(time, zero)
    assert stepped.clock is not None
    assert stepped.clock.step_s == -3600.0
    assert time.asked == [still.window.start_sample]
    assert stepped.event == still.event
    assert stepped.window == still.window
    assert abs(stepped.captured_at - still.captured_at) < timedelta(microseconds=2)
    assert np.array_equal(stepped.samples, still.samples)
