"""What may be kept of an event, and whether it may stand as evidence: one pure decision with its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noisewatch.node.schedule import OVER_BUDGET, against_sealing

#: Flags of a level frame under which an event's level cannot be trusted (design section 5, issue 2).
DOUBTFUL_FLAGS = ("clipped", "dc", "overload", "rain", "under-range", "wind")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that the decision looks at."""

    is_trial: bool
    is_live: bool
    is_full: bool
    window_why: str
    has_picture: bool
    has_mask: bool
    frames_share: float
    minimum_frames_share: float
    lost_samples: int
    calibration_is_valid: bool
    calibration_why: str
    allow_uncalibrated: bool
    privacy_methods: tuple[str, ...]
    flags: tuple[str, ...]
    accepted_flags: tuple[str, ...] = ()
    mask_why: str = ""
    sync_is_valid: bool = True
    sync_why: str = ""
    allow_unsynchronised: bool = False
    is_clock_before_build: bool = False


@dataclass(frozen=True, slots=True)
class Fitness:
    """Whether a clip is sealed, whether it is evidence, and every reason against either."""

    may_seal: bool
    is_evidence: bool
    not_sealed_because: tuple[str, ...]
    not_evidence_because: tuple[str, ...]


def was_wanted(flags: Sequence[str]) -> bool:
    """Tell whether an event with these flags was meant to be sealed: within hours, behaviours and budget.

    Examples
    --------
    >>> was_wanted(("wind",)), was_wanted(("over-budget",))
    (True, False)
    """
    return OVER_BUDGET not in flags and not against_sealing(flags)


def fitness(facts: Circumstances) -> Fitness:
    """Decide what happens to an event's clip, and say why.

    Nothing is kept of an event that could never serve: without a picture, without a calibration where one is
    asked for, over the day's budget, or while voices cannot be destroyed on a node that is not a trial.

    Examples
    --------
    >>> fitness(Circumstances(is_trial=True, is_live=False, is_full=True, window_why="", has_picture=False,
    ...     has_mask=True, frames_share=0.0, minimum_frames_share=0.95, lost_samples=0,
    ...     calibration_is_valid=False, calibration_why="missing", allow_uncalibrated=False,
    ...     privacy_methods=(), flags=())).not_sealed_because
    ('no picture, not evidence',)
    """
    sealing = _against_sealing(facts)
    return Fitness(
        may_seal=not sealing,
        is_evidence=not sealing and not _against_evidence(facts),
        not_sealed_because=tuple(sealing),
        not_evidence_because=tuple(sealing + _against_evidence(facts)),
    )


def _against_sealing(facts: Circumstances) -> list[str]:
    reasons: list[str] = []
    if not facts.has_picture:
        reasons.append("no picture, not evidence")
    if not facts.has_mask:
        reasons.append("no carriageway is set, so no picture may be recorded")
    elif facts.mask_why:
        reasons.append(facts.mask_why)
    if OVER_BUDGET in facts.flags:
        reasons.append("the day's budget of events is used up")
    reasons.extend(against_sealing(facts.flags))
    if not facts.is_trial:
        if not facts.calibration_is_valid and not facts.allow_uncalibrated:
            reasons.append(f"calibration: {facts.calibration_why}")
        if "voices destroyed" not in facts.privacy_methods:
            reasons.append("voices are not destroyed yet, so only a trial node seals")
    return reasons


def _against_evidence(facts: Circumstances) -> list[str]:
    reasons: list[str] = []
    if facts.is_trial:
        reasons.append("trial: throw-away keys and people")
    if not facts.is_full:
        reasons.append(facts.window_why)
    if facts.lost_samples:
        reasons.append(f"{facts.lost_samples} samples of sound were lost")
    if facts.has_picture and facts.frames_share < facts.minimum_frames_share:
        share, minimum = 100 * facts.frames_share, 100 * facts.minimum_frames_share
        reasons.append(f"only {share:.0f} % of the frames are there (minimum {minimum:.0f} %)")
    if not facts.sync_is_valid and not facts.allow_unsynchronised:
        reasons.append(f"sound against picture: {facts.sync_why}")
    if facts.is_clock_before_build:
        reasons.append("the clock shows a time before this software was made, so no time can be believed")
    doubtful = [flag for flag in facts.flags if flag in DOUBTFUL_FLAGS and flag not in facts.accepted_flags]
    reasons += [f"levels are doubtful: {flag}" for flag in doubtful]
    return reasons
