"""What the box says of an event, stage by stage: one record, signed anew whenever more has been done.

Levels, scores and behaviour come from the untouched sound and never change after the first record. What was
done to sound and picture is written down only after it was done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from noisewatch.acoustics.calibration import CalibrationState
from noisewatch.acoustics.sync import SyncState, not_needed
from noisewatch.acoustics.uncertainty import Budget, above, budget, correct_background, normalise
from noisewatch.evidence.retention import expires_at
from noisewatch.evidence.seal import DayKey
from noisewatch.node.behaving import voice_free
from noisewatch.node.carriageway import Mask, document_of
from noisewatch.node.config import NodeConfig
from noisewatch.node.fitness import Circumstances, Fitness, fitness
from noisewatch.node.pipeline import ReadyClip
from noisewatch.node.timing import time_circumstances, time_statements
from noisewatch.privacy.mask import WHOLE_PICTURE, Carriageway
from noisewatch.records import ClockState, EventRecord, Media

NOTHING_KEPT, NOT_YET = "none", "not yet"
VOICES_DESTROYED, MASKED, COVERED = "voices destroyed", "outside the carriageway masked", "bystanders covered"
#: What the sealing child does to every sound before anything is encoded; without it nothing is sealed.
ALWAYS_DONE = (VOICES_DESTROYED,)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What every record says of the box and its run."""

    config: NodeConfig
    is_trial: bool
    is_file: bool
    scale: str
    calibration: CalibrationState
    software: str
    is_windscreen_corrected: bool = False
    sync: Callable[[], SyncState] = not_needed
    mask: Mask | None = None
    site: Mapping[str, Any] = field(default_factory=dict)

    @property
    def carriageway(self) -> Carriageway:
        """The newest mask's area, else the settings'; a trial without either uses the whole picture."""
        drawn = self.config.video.carriageway if self.mask is None else self.mask.carriageway
        configured = Carriageway(drawn)
        return WHOLE_PICTURE if self.is_trial and not configured.is_set else configured


class Recorder:
    """Writes the records of one run.

    Parameters
    ----------
    facts : NodeFacts
        What every record says.
    clock_state : callable
        What is known of the wall clock.
    """

    def __init__(self, facts: NodeFacts, *, clock_state: Callable[[], ClockState]) -> None:
        self.facts = facts
        self._clock_state = clock_state

    def judge(self, ready: ReadyClip, *, frames_share: float = 1.0) -> Fitness:
        """Decide whether the clip may be kept and may stand as evidence."""
        facts = self.facts
        return fitness(
            Circumstances(
                is_trial=facts.is_trial,
                is_live=not facts.is_file,
                is_full=ready.window.is_full,
                window_why=ready.window.why,
                has_picture=bool(ready.packets),
                has_mask=facts.carriageway.is_set,
                mask_why="" if facts.mask is None else facts.mask.against(ready.captured_at.date()),
                frames_share=frames_share,
                minimum_frames_share=facts.config.video.minimum_frames_share,
                lost_samples=ready.lost_samples,
                calibration_is_valid=facts.calibration.is_valid,
                calibration_why=facts.calibration.sentence,
                allow_uncalibrated=facts.config.calibration.allow_uncalibrated,
                privacy_methods=ALWAYS_DONE,
                flags=ready.event.flags,
                accepted_flags=facts.config.calibration.accepted_flags,
                **time_circumstances(facts.config, facts.sync(), self._clock_of(ready)),
            )
        )

    def begin(
        self, ready: ReadyClip, key: DayKey, *, sealed_at: datetime, verdict: Fitness, state: str
    ) -> EventRecord:
        """Return the first record of an event: "pending", or "none" where nothing is kept."""
        facts = self.facts
        uncertainty = self._budget(ready)
        done = NOT_YET if state == "pending" else NOTHING_KEPT
        return EventRecord(
            event=replace(ready.event, expanded_uncertainty_db=uncertainty.expanded_db),
            captured_at=ready.captured_at,
            sealed_day=key.day.isoformat(),
            expires_at=expires_at(
                key.day,
                is_trial=facts.is_trial,
                sealed_at=sealed_at,
                maximum_days=facts.config.retention.maximum_days,
            ),
            site=facts.config.site.model_dump() | {"node": facts.config.name, **facts.site},
            clock=self._clock_of(ready),
            clip=ready.window,
            calibration=facts.calibration.as_document() | self._scale(),
            privacy=self._privacy(voices=done, bystanders=done, viewing_copy=done, methods=()),
            losses={"samples": ready.lost_samples, "frames": 0},
            software=facts.software,
            is_trial=facts.is_trial,
            # a pending clip is no evidence yet
            is_evidence=False,
            not_evidence_because=verdict.not_evidence_because,
            media_state=state,
            uncertainty=uncertainty.as_rows(),
            statements=self._statements(ready, uncertainty)
            | ({"voice_free": voice_free(ready)} if state == "pending" else {}),
        )

    def with_original(
        self, record: EventRecord, ready: ReadyClip, *, media: tuple[Media, ...], said: Mapping[str, Any]
    ) -> EventRecord:
        """Return the record once the original is made: its hashes, losses, and whose sound it was."""
        description = media[0].description
        expected = max(1, int(description["expected_frames"]))
        missing_frames = int(description["missing_frames"])
        verdict = self.judge(ready, frames_share=1.0 - missing_frames / expected)
        attribution = said["attribution"]
        return replace(
            record,
            event=replace(record.event, attribution=str(said["attributed"])),
            losses={"samples": ready.lost_samples, "frames": missing_frames},
            is_evidence=verdict.is_evidence,
            not_evidence_because=verdict.not_evidence_because,
            media_state="original",
            media=media,
            privacy=self._privacy(
                voices=str(said["voices"]),
                bystanders=NOT_YET,
                viewing_copy=NOT_YET,
                methods=(VOICES_DESTROYED, *self._mask_method()),
            ),
            statements={**record.statements, "attribution": attribution}
            if attribution
            else record.statements,
        )

    def with_viewing(self, record: EventRecord, *, media: Media, said: Mapping[str, Any]) -> EventRecord:
        """Return the record once the viewing copy is made as well."""
        original, *rest = record.media
        return replace(
            record,
            media_state="sealed",
            media=(original, media, *rest),
            privacy=self._privacy(
                voices=str(record.privacy["voices"]),
                bystanders=str(said["bystanders"]),
                viewing_copy="made",
                methods=(*record.privacy["methods"], COVERED),
            ),
        )

    def without_viewing(self, record: EventRecord, why: str) -> EventRecord:
        """Return the record where no viewing copy could be made, and why."""
        return replace(
            record,
            privacy={**record.privacy, "bystanders": NOTHING_KEPT, "viewing_copy": f"none: {why}"},
        )

    def _privacy(
        self, *, voices: str, bystanders: str, viewing_copy: str, methods: tuple[str, ...]
    ) -> dict[str, Any]:
        return {
            "voices": voices,
            "bystanders": bystanders,
            "viewing_copy": viewing_copy,
            "methods": list(methods),
            "mask": self._mask_document(),
        }

    def _mask_method(self) -> tuple[str, ...]:
        return () if self.facts.carriageway == WHOLE_PICTURE else (MASKED,)

    def _mask_document(self) -> Mapping[str, Any]:
        return document_of(self.facts.carriageway, self.facts.mask)

    def _budget(self, ready: ReadyClip) -> Budget:
        settings = self.facts.config.calibration
        background_db = ready.background_db
        margin_db = None if background_db is None else max(0.0, ready.event.lafmax_db - background_db)
        return budget(
            calibration=self.facts.calibration,
            microphone_class=settings.microphone_class,
            windscreen=settings.windscreen,
            windscreen_corrected=self.facts.is_windscreen_corrected,
            background_margin_db=margin_db,
        )

    def _statements(self, ready: ReadyClip, uncertainty: Budget) -> dict[str, Any]:
        """Say what may be said of the level; what is not known is left out, never guessed."""
        level_db, gate_db = ready.event.lafmax_db, ready.event.gate_db
        distance_m = self.facts.config.site.lane_distance_m
        said: dict[str, Any] = {"uncertainty": uncertainty.statement}
        if gate_db is not None:
            said["above"] = {
                "limit_db": gate_db,
                "is_above": above(gate_db, level_db, uncertainty.expanded_db),
            }
        if ready.background_db is not None:
            said["background"] = asdict(correct_background(level_db, ready.background_db))
        if distance_m is not None:
            said["normalised"] = asdict(normalise(level_db, distance_m))
        return said | time_statements(self.facts.config, self.facts.sync())

    def _clock_of(self, ready: ReadyClip) -> ClockState:
        """Return what was known of the clock when a live clip was cut; a file's time comes with it."""
        return self._clock_state() if ready.clock is None else ready.clock

    def _scale(self) -> dict[str, Any]:
        return {"scale": self.facts.scale, "indicative": not self.facts.calibration.is_valid}
