"""The behaviour of an event is judged from its clip."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

from noisewatch.node.behaving import voice_free, with_behaviour
from noisewatch.node.pipeline import Pipeline, PipelineSettings, ReadyClip
from noisewatch.node.schedule import OTHER_BEHAVIOUR, against_sealing
from noisewatch.recognition.signature import find_signature, load_signature
from noisewatch.recognition.voicefree import voice_free_names
from noisewatch.records import AudioBlock

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"


@pytest.fixture(scope="module")
def ready() -> ReadyClip:
    """The sport exhaust of the sample street, as the pipeline hands it over."""
    truth = json.loads((SAMPLES / "truth.json").read_text())
    sound, rate_hz = soundfile.read(str(SAMPLES / "street.flac"), dtype="float32")
    settings = PipelineSettings(
        rate_hz=rate_hz, channels=2, ring_s=60.0, has_picture=False,
        started_at=datetime(2026, 3, 1, tzinfo=UTC), gate_db=None, merge_gap_s=3.0, cooldown_s=2.0,
        longest_event_s=30.0, budget_per_day=None,
    )  # fmt: skip
    signature = load_signature(find_signature("exhaust"))
    pipeline = Pipeline(settings, signatures=[signature], new_id=lambda at: "only")
    samples = np.ascontiguousarray(sound.T) * np.float32(truth["pascal_per_unit"])
    pipeline.push_audio(AudioBlock(0, samples, rate_hz, 0))
    (clip,) = [*pipeline.ready(), *pipeline.finish()]
    return clip


def test_the_pulling_exhaust_of_the_sample_street_is_called_hard_acceleration(ready: ReadyClip) -> None:
    event = with_behaviour(ready).event
    assert event.behaviour == "hard-acceleration"
    assert event.behaviour_confidence is not None
    assert 0.5 <= event.behaviour_confidence <= 1.0
    assert "accelerates hard" in event.behaviour_why


def test_only_the_behaviour_of_the_event_changes(ready: ReadyClip) -> None:
    judged = with_behaviour(ready)
    back = replace(
        judged.event,
        behaviour=ready.event.behaviour,
        behaviour_confidence=ready.event.behaviour_confidence,
        behaviour_why=ready.event.behaviour_why,
    )
    assert back == ready.event
    assert judged.samples is ready.samples


def test_a_clip_with_lost_samples_is_not_judged(ready: ReadyClip) -> None:
    event = with_behaviour(replace(ready, lost_samples=17)).event
    assert event.behaviour == "unknown"
    assert event.behaviour_confidence is None
    assert event.behaviour_why.startswith("17 samples")


def test_a_behaviour_that_the_signature_is_not_meant_for_is_marked_and_told(ready: ReadyClip) -> None:
    meant = with_behaviour(replace(ready, behaviours=("hard-acceleration", "revving")))
    assert OTHER_BEHAVIOUR not in meant.event.flags
    other = with_behaviour(replace(ready, behaviours=("revving",)))
    assert OTHER_BEHAVIOUR in other.event.flags
    assert other.event.why.endswith("behaviour hard-acceleration is none of revving")
    lost = with_behaviour(replace(ready, behaviours=("revving",), lost_samples=5))
    assert lost.event.why.endswith("behaviour unknown is none of revving")
    assert against_sealing(other.event.flags) == ["not a behaviour that the signature is meant for"]


def test_a_record_says_voice_free_features_of_whole_seconds_of_the_event(ready: ReadyClip) -> None:
    said = voice_free(ready)
    assert said["feature_set"] == "voice-free-1"
    assert 1 <= len(said["rows"]) <= min(10, ready.event.end_s - ready.event.onset_s + 1)
    assert all(len(row) == len(voice_free_names()) for row in said["rows"])
    json.dumps(said, allow_nan=False)
    assert voice_free(replace(ready, lost_samples=1))["rows"] == []
    quieter = voice_free(replace(ready, samples=ready.samples * np.float32(0.5)))
    np.testing.assert_allclose(quieter["rows"], said["rows"], atol=0.02)
