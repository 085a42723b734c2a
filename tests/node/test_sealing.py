"""From a ready clip to a sealed one: the record says what was done, and nothing more is kept than may be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import evidence_parts
import numpy as np
import opening
import pytest

from noisewatch.acoustics.calibration import CalibrationState, calibration_state
from noisewatch.capture.camera import open_video
from noisewatch.capture.clip import clip_window
from noisewatch.capture.clock import file_clock_state
from noisewatch.errors import MissingInputError
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.seal import DayKey, DayKeys, NodeSigner
from noisewatch.evidence.store import Store
from noisewatch.evidence.stored import StoredEvent
from noisewatch.node.config import NodeConfig
from noisewatch.node.job import Job, Made
from noisewatch.node.pipeline import ReadyClip
from noisewatch.node.sealing import ClipSealer, NodeFacts, Outcome
from noisewatch.node.worker import MediaLostError, Work, in_child
from noisewatch.privacy import bystanders, speech

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
RATE_HZ = 48000
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial custody and a node."""
    folder = tmp_path_factory.mktemp("sealing")
    evidence_parts.make_bench(folder)
    return folder


@pytest.fixture(scope="module")
def ready() -> ReadyClip:
    """Ten seconds of the sample's picture with noise for sound."""
    record = evidence_parts.make_record("20261122-120000-abcd")
    event = replace(record.event, peak_sample=8 * RATE_HZ, rate_hz=RATE_HZ, gate_db=80.0)
    window = clip_window(peak_sample=8 * RATE_HZ, rate_hz=RATE_HZ)
    packets = []
    for packet in open_video(str(SAMPLES / "street.mp4")).packets():
        if packet.monotonic_ns / 1e9 > 13:
            break
        packets.append((packet.monotonic_ns / 1e9, packet))
    noise = np.random.default_rng(1).normal(0, 0.1, (2, 480_000)).astype(np.float32)
    return ReadyClip(event, window, noise, tuple(packets), (), 0, NOW - timedelta(minutes=1), 60.0)


def once(work: Work) -> Work:
    """Real work, done once for each kind of job: records differ in these tests, sound and picture do not."""
    done: dict[str, Made] = {}

    def remembered(job: Job) -> Made:
        if job.kind not in done:
            done[job.kind] = work(job)
        return done[job.kind]

    return remembered


WORK = once(in_child)


def seal(
    bench: Path,
    clip: ReadyClip,
    event_id: str,
    *,
    config: NodeConfig | None = None,
    calibration: CalibrationState | None = None,
    work: Work = WORK,
    is_trial: bool = True,
) -> tuple[Outcome, dict[str, object]]:
    """Seal one clip under an id of its own; return what became of it, and the signed record."""
    node = bench / "node"
    signer = NodeSigner.from_folder(node / "keys")
    keys = DayKeys.load_bundle(node / "keys" / "bundle.json", (node / "keys" / "ca.pem").read_bytes())
    facts = NodeFacts(
        config=config or NodeConfig(),
        is_trial=is_trial,
        is_file=True,
        scale="calibrated",
        calibration=calibration or calibration_state([], now=NOW),
        software="noisewatch test",
    )
    log = EventLog.open(node / "log" / "node.jsonl", signer=signer)
    with Store.open(node / "store", log=log) as store:
        sealer = ClipSealer(
            facts,
            store=store,
            signer=signer,
            day_keys=keys,
            now=lambda: NOW,
            clock_state=file_clock_state,
            work=work,
        )
        outcome = sealer.seal(replace(clip, event=replace(clip.event, id=event_id)))
    return outcome, opening.record_of(node, bench / "custody", event_id)


def test_a_sealed_clip_says_everything_that_a_reader_needs(bench: Path, ready: ReadyClip) -> None:
    outcome, record = seal(bench, ready, "20261122-120000-0001")
    assert outcome.is_sealed
    assert record["media_state"] == "sealed"
    assert [part["name"] for part in record["media"]] == ["original", "viewing", "levels"]  # type: ignore[attr-defined, index]
    assert record["is_trial"] is True
    assert record["is_evidence"] is False
    assert record["not_evidence_because"] == ["trial: throw-away keys and people"]
    privacy = record["privacy"]
    assert privacy["voices"] == speech.METHOD  # type: ignore[index]
    assert privacy["bystanders"] == bystanders.METHOD  # type: ignore[index]
    assert privacy["viewing_copy"] == "made"  # type: ignore[index]
    assert privacy["methods"] == ["voices destroyed", "bystanders covered"]  # type: ignore[index]
    assert record["event"]["attribution"] != "unknown"  # type: ignore[index]
    assert record["statements"]["attribution"]["why"]  # type: ignore[index]
    assert record["clock"]["source"] == "file"  # type: ignore[index]
    assert record["event"]["expanded_uncertainty_db"] is None  # type: ignore[index]
    assert record["statements"]["above"] == {"limit_db": 80.0, "is_above": False}  # type: ignore[index]
    assert len(record["uncertainty"]) > 10  # type: ignore[arg-type]


def test_a_clip_without_picture_leaves_a_record_and_nothing_else(bench: Path, ready: ReadyClip) -> None:
    outcome, record = seal(bench, replace(ready, packets=()), "20261122-120000-0002")
    assert not outcome.is_sealed
    assert outcome.not_sealed_because == ("no picture, not evidence",)
    assert record["media_state"] == "none"
    assert record["media"] == []


def test_lost_sound_and_a_doubtful_level_stand_in_the_record(bench: Path, ready: ReadyClip) -> None:
    flagged = replace(ready, lost_samples=480, event=replace(ready.event, flags=("wind",)))
    outcome, record = seal(bench, flagged, "20261122-120000-0003")
    assert outcome.is_sealed
    assert record["losses"] == {"samples": 480, "frames": 0}
    reasons = " ".join(record["not_evidence_because"])  # type: ignore[arg-type]
    assert "480 samples" in reasons
    assert "wind" in reasons


def test_an_accepted_flag_is_no_reason_against_evidence(bench: Path, ready: ReadyClip) -> None:
    config = NodeConfig.model_validate({"calibration": {"accepted_flags": ["wind"]}})
    flagged = replace(ready, event=replace(ready.event, flags=("wind",)))
    _, record = seal(bench, flagged, "20261122-120000-0004", config=config)
    assert "wind" not in " ".join(record["not_evidence_because"])  # type: ignore[arg-type]
    assert record["event"]["flags"] == ["wind"]  # type: ignore[index]


def test_a_lane_distance_adds_the_level_at_seven_and_a_half_metres(bench: Path, ready: ReadyClip) -> None:
    config = NodeConfig.model_validate({"site": {"name": "Stalenstraat", "lane_distance_m": 15.0}})
    _, record = seal(bench, ready, "20261122-120000-0005", config=config)
    normalised = record["statements"]["normalised"]  # type: ignore[index]
    assert normalised["normalised_db"] == pytest.approx(normalised["level_db"] + 6.02, abs=0.01)
    assert record["site"]["name"] == "Stalenstraat"  # type: ignore[index]


def test_a_trial_clip_ends_after_a_day(bench: Path, ready: ReadyClip) -> None:
    outcome, _ = seal(bench, ready, "20261122-120000-0006")
    assert outcome.record.expires_at <= NOW + timedelta(hours=24)


def children() -> set[int]:
    """Process ids of this process's children."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def killed(job: Job) -> Made:
    """Let a real child begin, and kill it."""
    before = children()

    def kill() -> None:
        while not (found := children() - before):
            time.sleep(0.01)
        os.kill(found.pop(), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        return in_child(job)
    finally:
        killer.join()


def test_a_child_that_is_killed_loses_its_clip_and_nothing_else(bench: Path, ready: ReadyClip) -> None:
    outcome, record = seal(bench, ready, "20261122-120000-0007", work=killed)
    assert not outcome.is_sealed
    assert outcome.not_sealed_because == ("media lost: the sealing child was killed (SIGKILL)",)
    assert record["media_state"] == "pending"
    assert record["privacy"]["voices"] == "not yet"  # type: ignore[index]
    stored = stored_event(bench, "20261122-120000-0007")
    assert stored.state == "lost"
    assert sorted(path.name for path in stored.folder.iterdir()) == ["event.age"]
    outcome, _ = seal(bench, ready, "20261122-120000-0008")
    assert outcome.is_sealed, "the next clip gets a new child"


def test_a_child_that_takes_too_long_is_ended(bench: Path, ready: ReadyClip) -> None:
    def slow(job: Job) -> Made:
        return in_child(job, timeout_s=0.1)

    before = children()
    outcome, _ = seal(bench, ready, "20261122-120000-0009", work=slow)
    assert outcome.not_sealed_because == ("media lost: the sealing child took longer than 0.1 s",)
    assert children() <= before


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.stdin.buffer.read(); sys.exit(3)", "ended with 3"),
        ("import sys; sys.stdin.buffer.read(); print('hello')", "answer is not whole"),
        ("import os; os.abort()", "killed (SIGABRT)"),
    ],
)
def test_a_child_that_does_not_answer_is_told_apart(ready: ReadyClip, program: str, said: str) -> None:
    job = Job("original", ready.window, ready.samples, (), (), DayKey(NOW.date(), "", "", ""))
    with pytest.raises(MediaLostError) as refusal:
        in_child(job, command=(sys.executable, "-c", program))
    assert said in refusal.value.what


def test_where_voices_cannot_be_destroyed_nothing_is_sealed(bench: Path, ready: ReadyClip) -> None:
    def poisoned(job: Job) -> Made:
        return in_child(replace(job, samples=np.full_like(job.samples, np.nan)))

    outcome, _ = seal(bench, ready, "20261122-120000-0010", work=poisoned)
    assert not outcome.is_sealed
    assert "could not do its step 'voices'" in outcome.not_sealed_because[0]
    names = [path.name for path in stored_event(bench, "20261122-120000-0010").folder.iterdir()]
    assert names == ["event.age"]


@pytest.mark.parametrize("why", ["not installed", "killed"])
def test_without_a_viewing_copy_the_original_stays_and_the_record_says_why(
    bench: Path, ready: ReadyClip, why: str
) -> None:
    def work(job: Job) -> Made:
        if job.kind == "original":
            return WORK(job)
        return killed(job) if why == "killed" else in_child(replace(job, face_model="/nowhere.onnx"))

    event_id = f"20261122-120000-{why.replace(' ', '-')}"
    outcome, record = seal(bench, ready, event_id, work=work)
    assert outcome.is_sealed
    assert record["media_state"] == "original"
    assert why in record["privacy"]["viewing_copy"]  # type: ignore[index]
    assert record["privacy"]["bystanders"] == "none"  # type: ignore[index]
    assert [part["name"] for part in record["media"]] == ["original", "levels"]  # type: ignore[attr-defined, index]
    stored = stored_event(bench, event_id)
    assert stored.is_sealed
    assert sorted(path.name for path in stored.folder.iterdir()) == [
        "event.age",
        "levels.age",
        "original.age",
    ]
    with Store.open(bench / "node" / "store", writable=False) as store, pytest.raises(MissingInputError):
        store.read(event_id, "viewing")


def test_a_node_that_is_no_trial_seals_evidence_with_mask_and_treated_voices(
    bench: Path, ready: ReadyClip
) -> None:
    lane = [[0.0, 0.3], [1.0, 0.3], [1.0, 1.0], [0.0, 1.0]]
    config = NodeConfig.model_validate(
        {"video": {"carriageway": lane}, "calibration": {"allow_uncalibrated": True}}
    )
    outcome, record = seal(bench, ready, "20261122-120000-0012", config=config, is_trial=False)
    assert outcome.is_sealed
    assert record["is_trial"] is False
    assert record["is_evidence"] is True, record["not_evidence_because"]
    assert record["privacy"]["methods"] == [  # type: ignore[index]
        "voices destroyed",
        "outside the carriageway masked",
        "bystanders covered",
    ]
    assert record["privacy"]["mask"]["carriageway"] == lane  # type: ignore[index]


def test_the_child_is_nice_leaves_no_core_and_can_write_no_file() -> None:
    program = (
        "import os, resource, json; from noisewatch.node.child import confine; confine();"
        "print(json.dumps([os.nice(0), resource.getrlimit(resource.RLIMIT_CORE)[0],"
        " resource.getrlimit(resource.RLIMIT_FSIZE)[0], resource.getrlimit(resource.RLIMIT_DATA)[0]]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    nice, core, size, data = json.loads(done.stdout)
    assert nice >= os.nice(0) + 10 or nice == 19
    assert (core, size) == (0, 0)
    assert 0 < data <= 2**30


def stored_event(bench: Path, event_id: str) -> StoredEvent:
    with Store.open(bench / "node" / "store", writable=False) as store:
        return store.get(event_id)
