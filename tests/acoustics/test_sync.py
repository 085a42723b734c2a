"""Whether a measured audio-video offset still holds, and records that come back as they were signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from noisewatch.acoustics.sync import (
    MeasuredOffset,
    SyncRecord,
    from_document,
    not_needed,
    sync_state,
    to_document,
)
from noisewatch.errors import InputError

NOON = datetime(2026, 5, 10, 12, 0, tzinfo=UTC)
OFFSET = MeasuredOffset(0.08, 0.004, 0.01, 10, 9)
RECORD = SyncRecord(
    who="An",
    when=NOON,
    camera="camera 10.0.0.5/1",
    microphone="microphone 'road'",
    distance_m=3.0,
    offsets={"arrival": OFFSET, "camera": replace(OFFSET, offset_s=-0.02)},
)
CHAIN = {"camera": RECORD.camera, "microphone": RECORD.microphone}


def state_after(age: timedelta, *more: SyncRecord, **changed: str) -> tuple[str, str]:
    state = sync_state([RECORD, *more], now=NOON + age, **(CHAIN | changed))
    return state.name, state.sentence


def test_a_fresh_measurement_is_valid_and_an_old_one_is_not() -> None:
    assert state_after(timedelta(days=29))[0] == "valid"
    assert state_after(timedelta(days=31))[0] == "stale"
    assert state_after(-timedelta(days=1))[0] == "stale"
    assert sync_state([], now=NOON, **CHAIN).name == "missing"


@pytest.mark.parametrize("part", ["camera", "microphone"])
def test_another_camera_or_microphone_needs_another_measurement(part: str) -> None:
    name, sentence = state_after(timedelta(days=1), **{part: "another"})
    assert name == "missing"
    assert f"another {part}" in sentence


def test_a_self_check_speaks_until_the_next_measurement() -> None:
    night = replace(RECORD, kind="self-check", when=NOON + timedelta(hours=15))
    good = replace(night, offsets={"arrival": replace(OFFSET, offset_s=0.004)})
    bad = replace(night, offsets={"arrival": replace(OFFSET, offset_s=-0.031)})
    assert state_after(timedelta(days=1), good)[0] == "valid"
    name, sentence = state_after(timedelta(days=1), good, bad)
    assert name == "doubtful"
    assert "31 ms" in sentence
    again = replace(RECORD, when=NOON + timedelta(hours=20))
    assert sync_state([RECORD, bad, again], now=NOON + timedelta(days=1), **CHAIN).name == "valid"


def test_a_state_is_told_in_plain_values_and_a_file_needs_none() -> None:
    document = sync_state([RECORD], now=NOON, **CHAIN).as_document()
    assert document["measured_at"] == "2026-05-10T12:00:00Z"
    assert document["offsets"]["arrival"]["offset_s"] == 0.08
    assert not_needed().is_valid
    assert not_needed().as_document()["measured_at"] is None


def test_a_record_comes_back_as_it_was() -> None:
    assert from_document(to_document(RECORD), where="x", sha256="abc") == replace(RECORD, sha256="abc")


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "other"},
        {"when": "yesterday"},
        {"when": "2026-05-10T12:00:00"},
        {"offsets": {"arrival": {"offset_s": "x"}}},
        {"offsets": {"arrival": {"offset_s": float("nan")}}},
        {"offsets": []},
        {"surprise": 1},
    ],
)
def test_a_damaged_record_is_refused_by_name(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="0001"):
        from_document(to_document(RECORD) | change, where="0001.json", sha256="")
