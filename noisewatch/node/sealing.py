"""From a clip that is ready to one that is sealed: three stages, each durable before the next begins.

1. The signed record, "pending", sealed for custody's desk, before a frame is decoded.
2. The original, "original": voices destroyed, masked, encrypted twice, with the levels.
3. The viewing copy, "sealed": bystanders covered.

Stages 2 and 3 are made by a child each (``noisewatch.node.child``): it may crash, be killed or take too long
without harm to the capture. What may not be kept gets a record without media, and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from noisewatch.evidence import jsonform
from noisewatch.evidence.levels import levels_to_csv
from noisewatch.evidence.seal import (
    DayKey,
    DayKeys,
    NodeSigner,
    SealedRecord,
    seal_record,
    seal_viewing,
)
from noisewatch.evidence.store import Store
from noisewatch.node.behaving import with_behaviour
from noisewatch.node.fitness import Fitness
from noisewatch.node.job import Job, Made
from noisewatch.node.pipeline import ReadyClip
from noisewatch.node.recording import NodeFacts, Recorder
from noisewatch.node.worker import MediaLostError, Work, in_child
from noisewatch.records import ClockState, EventRecord, Media

__all__ = ["Begun", "ClipSealer", "HalfSealed", "NodeFacts", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event."""

    record: EventRecord
    is_sealed: bool
    missing_frames: int
    not_sealed_because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """An event whose record is durable and whose clip is still in memory."""

    ready: ReadyClip
    key: DayKey
    record: EventRecord


@dataclass(frozen=True, slots=True)
class HalfSealed:
    """An event whose original is durable; ``ready`` now holds the sound without voices."""

    ready: ReadyClip
    key: DayKey
    outcome: Outcome


class ClipSealer:
    """Seals clips into one store.

    Parameters
    ----------
    facts : NodeFacts
        What every record says.
    store : Store
        Open for writing.
    signer : NodeSigner
        The box's key.
    day_keys : DayKeys
        Public keys of the days.
    now, clock_state : callable
        Wall time at sealing, and what is known of it.
    work : callable
        Makes a copy; by default a new child for each.
    """

    def __init__(
        self,
        facts: NodeFacts,
        *,
        store: Store,
        signer: NodeSigner,
        day_keys: DayKeys,
        now: Callable[[], datetime],
        clock_state: Callable[[], ClockState],
        work: Work = in_child,
    ) -> None:
        self._facts = facts
        self._recorder = Recorder(facts, clock_state=clock_state)
        self._store = store
        self._signer = signer
        self._day_keys = day_keys
        self._now = now
        self._work = work

    def seal(self, ready: ReadyClip) -> Outcome:
        """Go through all stages in a row; raises as they do."""
        begun = self.begin(ready)
        if isinstance(begun, Outcome):
            return begun
        half = self.original(begun)
        return half if isinstance(half, Outcome) else self.viewing(half)

    def begin(self, ready: ReadyClip) -> Begun | Outcome:
        """Make the signed record durable; an `Outcome` where nothing more may be kept.

        Raises
        ------
        InputOutputError
            The store cannot be written; nothing half-written is left.
        ConfigurationError
            There is no key for today.
        """
        sealed_at = self._now()
        key = self._day_keys.for_day(sealed_at.astimezone(UTC).date())
        ready = with_behaviour(ready)
        verdict = self._recorder.judge(ready)
        state = "pending" if verdict.may_seal else "none"
        record = self._recorder.begin(ready, key, sealed_at=sealed_at, verdict=verdict, state=state)
        self._store.begin(record, self._sealed(record, key))
        if verdict.may_seal:
            return Begun(ready, key, record)
        return Outcome(
            record, is_sealed=False, missing_frames=0, not_sealed_because=verdict.not_sealed_because
        )

    def original(self, begun: Begun) -> HalfSealed | Outcome:
        """Make and seal the original; an `Outcome` where it is lost, which the record then says.

        Raises
        ------
        InputOutputError
            The store cannot be written; the event is "lost".
        """
        ready, key = begun.ready, begun.key
        try:
            made = self._work(self._job(ready, key))
            media, sealed = self._originals(ready, key, made)
        except MediaLostError as error:
            return self._lost(begun, error.what)
        record = self._recorder.with_original(begun.record, ready, media=media, said=made.said)
        self._store.finish(record, self._sealed(record, key), sealed, more_to_come=True)
        outcome = Outcome(
            record, is_sealed=True, missing_frames=record.losses["frames"], not_sealed_because=()
        )
        treated = np.frombuffer(made.treated, dtype="<f4").reshape(ready.samples.shape)
        return HalfSealed(replace(ready, samples=treated), key, outcome)

    def viewing(self, half: HalfSealed) -> Outcome:
        """Make and seal the viewing copy; where that cannot be the original stays, and the record says why.

        Raises
        ------
        InputOutputError
            The store cannot be written; the original stays.
        """
        record, said = half.outcome.record, half.outcome.record.statements.get("attribution", {})
        try:
            made = self._work(self._job(half.ready, half.key, vehicle=said.get("boxes", ())))
        except MediaLostError as error:
            return self._without_viewing(half, error.what)
        if made.media is None:
            return self._without_viewing(half, made.why)
        final = self._recorder.with_viewing(record, media=made.media, said=made.said)
        self._store.finish(final, self._sealed(final, half.key), {"viewing": made.sealed})
        return replace(half.outcome, record=final)

    def refuse(self, ready: ReadyClip, why: str) -> Outcome:
        """Record an event for whose clip there was no room."""
        sealed_at = self._now()
        key = self._day_keys.for_day(sealed_at.astimezone(UTC).date())
        verdict = Fitness(
            may_seal=False, is_evidence=False, not_sealed_because=(why,), not_evidence_because=(why,)
        )
        record = self._recorder.begin(ready, key, sealed_at=sealed_at, verdict=verdict, state="none")
        self._store.begin(record, self._sealed(record, key))
        return Outcome(record, is_sealed=False, missing_frames=0, not_sealed_because=(why,))

    def _sealed(self, record: EventRecord, key: DayKey) -> SealedRecord:
        """Sign a record, then seal it for custody's desk; in the clear it leaves this process nowhere."""
        signed = jsonform.document_to_bytes(jsonform.record_to_document(record))
        return seal_record(signed, self._signer.sign_detached(signed), key)

    def _originals(
        self, ready: ReadyClip, key: DayKey, made: Made
    ) -> tuple[tuple[Media, ...], dict[str, bytes]]:
        if made.media is None or not made.said.get("voices") or len(made.treated) != ready.samples.nbytes:
            raise MediaLostError("the sealing child did not say that it destroyed voices")
        levels = levels_to_csv(ready.frames, clip_start_sample=ready.window.start_sample)
        digest = hashlib.sha256(levels).hexdigest()
        media = (made.media, Media("levels", digest, len(levels), {"rows": len(ready.frames)}))
        return media, {"original": made.sealed, "levels": seal_viewing(levels, key)}

    def _lost(self, begun: Begun, what: str) -> Outcome:
        why = f"media lost: {what}"
        self._store.lose(begun.record.event.id, why)
        record = replace(begun.record, media_state="lost", not_evidence_because=(why,))
        return Outcome(record, is_sealed=False, missing_frames=0, not_sealed_because=(why,))

    def _without_viewing(self, half: HalfSealed, why: str) -> Outcome:
        record = self._recorder.without_viewing(half.outcome.record, why)
        self._store.finish(record, self._sealed(record, half.key), {})
        return replace(half.outcome, record=record)

    def _job(self, ready: ReadyClip, key: DayKey, *, vehicle: Any = None) -> Job:
        """Ask for the original, or with a vehicle's boxes (perhaps none) for the viewing copy."""
        config = self._facts.config
        heard = {
            "peak_s": ready.event.peak_s - ready.window.start_s,
            "lane_distance_m": config.site.lane_distance_m,
            "positions_m": config.audio.positions_m,
            "view_deg": config.video.lens_angle_deg,
            "pan_deg": config.video.pan_deg,
        }
        return Job(
            kind="original" if vehicle is None else "viewing",
            window=ready.window,
            samples=ready.samples,
            packets=ready.packets,
            carriageway=self._facts.carriageway.points,
            key=key,
            lost_samples=ready.lost_samples,
            heard=heard if vehicle is None else {},
            recognised=_recognised(ready) if vehicle is None else (),
            vehicle=tuple(vehicle or ()),
        )


def _recognised(ready: ReadyClip) -> tuple[tuple[float, float], ...]:
    """Return where the event's windows matched, in seconds after the clip's start."""
    spans = (
        (w.start_s - ready.window.start_s, w.end_s - ready.window.start_s)
        for w in ready.event.windows
        if w.match
    )
    return tuple(span for span in spans if span[1] > 0.0)
