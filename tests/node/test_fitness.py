"""What may be kept, and what may stand as evidence; every reason is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from noisewatch.node.fitness import DOUBTFUL_FLAGS, Circumstances, fitness

GOOD = Circumstances(
    is_trial=False,
    is_live=True,
    is_full=True,
    window_why="6 s before the peak, 4 s after",
    has_picture=True,
    has_mask=True,
    frames_share=1.0,
    minimum_frames_share=0.95,
    lost_samples=0,
    calibration_is_valid=True,
    calibration_why="calibrated 1 day ago",
    allow_uncalibrated=False,
    privacy_methods=("voices destroyed",),
    flags=(),
)


def test_when_everything_is_right_the_clip_is_evidence() -> None:
    verdict = fitness(GOOD)
    assert (verdict.may_seal, verdict.is_evidence) == (True, True)
    assert verdict.not_evidence_because == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"has_picture": False}, "no picture, not evidence"),
        ({"has_mask": False}, "no carriageway is set"),
        ({"flags": ("over-budget",)}, "budget"),
        ({"calibration_is_valid": False, "calibration_why": "stale since 3 days"}, "stale since 3 days"),
        ({"privacy_methods": ()}, "voices are not destroyed"),
    ],
)
def test_nothing_is_sealed_that_could_never_serve(change: dict[str, object], reason: str) -> None:
    verdict = fitness(replace(GOOD, **change))  # type: ignore[arg-type]
    assert not verdict.may_seal
    assert not verdict.is_evidence
    assert any(reason in text for text in verdict.not_sealed_because)
    assert set(verdict.not_sealed_because) <= set(verdict.not_evidence_because)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_full": False, "window_why": "the stream holds only 7 s"}, "holds only 7 s"),
        ({"lost_samples": 480}, "480 samples of sound were lost"),
        ({"frames_share": 0.9}, "only 90 % of the frames"),
        ({"sync_is_valid": False, "sync_why": "never measured"}, "sound against picture: never measured"),
        ({"is_clock_before_build": True}, "before this software was made"),
        *[({"flags": (flag,)}, flag) for flag in DOUBTFUL_FLAGS],
    ],
)
def test_a_damaged_clip_is_kept_but_is_no_evidence(change: dict[str, object], reason: str) -> None:
    verdict = fitness(replace(GOOD, **change))  # type: ignore[arg-type]
    assert verdict.may_seal
    assert not verdict.is_evidence
    assert any(reason in text for text in verdict.not_evidence_because)


def test_an_uncalibrated_box_seals_when_that_is_allowed() -> None:
    facts = replace(GOOD, calibration_is_valid=False, allow_uncalibrated=True)
    assert fitness(facts).may_seal


def test_a_trial_seals_without_calibration_but_is_never_evidence() -> None:
    facts = replace(GOOD, is_trial=True, calibration_is_valid=False, privacy_methods=())
    verdict = fitness(facts)
    assert (verdict.may_seal, verdict.is_evidence) == (True, False)
    assert verdict.not_evidence_because == ("trial: throw-away keys and people",)


def test_an_offset_that_was_not_measured_may_be_allowed() -> None:
    verdict = fitness(replace(GOOD, sync_is_valid=False, sync_why="missing", allow_unsynchronised=True))
    assert verdict.is_evidence


@pytest.mark.parametrize("flag", ["outside-hours", "other-behaviour"])
def test_an_event_that_the_signature_is_not_meant_for_is_counted_and_not_sealed(flag: str) -> None:
    found = fitness(replace(GOOD, flags=(flag,)))
    assert not found.may_seal
    assert "that the signature is meant for" in found.not_sealed_because[0]
    assert fitness(replace(GOOD, flags=())).may_seal
