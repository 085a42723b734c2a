"""What a run says of itself: one document and one line an event, and a summary at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from noisewatch.errors import NoisewatchError
from noisewatch.node.pipeline import ReadyClip
from noisewatch.node.runner import RunSummary
from noisewatch.node.sealing import Outcome
from noisewatch.records import Event

Emit = Callable[[Mapping[str, Any], str], None]


class Sealer(Protocol):
    """Seals clips, or records those that may not be kept."""

    def seal(self, ready: ReadyClip) -> Outcome:
        """Record the event and seal its clip."""

    def refuse(self, ready: ReadyClip, why: str) -> Outcome:
        """Record the event without its clip."""


class Account:
    """Carries sealing out and keeps count; its methods are called on one thread at a time.

    A store that cannot be written, or a day without a key, loses the clip, not the measurement: the event is
    told as not sealed, the run goes on, and ``failure`` ends it with the right exit code.
    """

    def __init__(self, sealer: Sealer, *, emit: Emit, report: Callable[[str], None]) -> None:
        self.failure: NoisewatchError | None = None
        self._sealer = sealer
        self._emit = emit
        self._report = report
        self._events = 0
        self._sealed = 0
        self._missing_frames = 0

    def seal(self, ready: ReadyClip) -> None:
        """Seal one clip and tell what became of it."""
        self._carry_out(ready, lambda: self._sealer.seal(ready))

    def refuse(self, ready: ReadyClip, why: str) -> None:
        """Record one event for whose clip there was no room, and tell it."""
        self._carry_out(ready, lambda: self._sealer.refuse(ready, why))

    def close(self, summary: RunSummary) -> None:
        """Tell how the run went."""
        document = {
            "event": "summary",
            "duration_s": round(summary.duration_s, 3),
            "events": self._events,
            "sealed": self._sealed,
            "lost_samples": summary.lost_samples,
            "missing_frames": self._missing_frames,
            "speed_x": round(summary.speed_x, 2),
        }
        self._emit(
            document,
            f"{summary.duration_s:.1f} s heard, {self._events} events, {self._sealed} sealed, "
            f"{summary.lost_samples} samples and {self._missing_frames} frames lost, "
            f"{summary.speed_x:.1f} x real time",
        )

    def carry_out(self, work: Callable[[], object]) -> None:
        """Do what the run does not depend on; the first failure is told and ends the run's exit code."""
        try:
            work()
        except NoisewatchError as error:
            if self.failure is None:
                self.failure = error
                self._report(f"could not be stored: {error.line()}")

    def _carry_out(self, ready: ReadyClip, work: Callable[[], Outcome]) -> None:
        try:
            outcome = work()
        except NoisewatchError as error:
            self.failure = self.failure or error
            self._report(f"event {ready.event.id} could not be stored: {error.line()}")
            self._tell(ready.event, is_sealed=False, because=(f"could not be stored: {error.what}",))
            return
        self._missing_frames += outcome.missing_frames
        self._tell(
            outcome.record.event,
            is_sealed=outcome.is_sealed,
            because=outcome.record.not_evidence_because,
        )

    def _tell(self, event: Event, *, is_sealed: bool, because: tuple[str, ...]) -> None:
        self._events += 1
        self._sealed += is_sealed
        document = event_document(event, is_sealed=is_sealed, because=because)
        self._emit(document, event_line(document))


def event_document(event: Event, *, is_sealed: bool, because: tuple[str, ...]) -> dict[str, Any]:
    """Return an event as ``run --json`` prints it (design section 11)."""
    return {
        "event": "event",
        "id": event.id,
        "onset_s": round(event.onset_s, 3),
        "peak_s": round(event.peak_s, 3),
        "end_s": round(event.end_s, 3),
        "lafmax_db": round(event.lafmax_db, 2),
        "expanded_uncertainty_db": event.expanded_uncertainty_db,
        "signature": event.signature,
        "probability": round(event.probability, 4),
        "behaviour": event.behaviour,
        "behaviour_confidence": event.behaviour_confidence,
        "behaviour_why": event.behaviour_why,
        "attribution": event.attribution,
        "sealed": is_sealed,
        "why": "; ".join((event.why, *because)),
    }


def event_line(document: Mapping[str, Any]) -> str:
    """Return an event as two lines for people."""
    state = "sealed" if document["sealed"] else "not sealed"
    return (
        f"{document['onset_s']:8.2f} s  {document['signature']}  LAFmax {document['lafmax_db']:.1f} dB  "
        f"p {document['probability']:.2f}  {state}  {document['id']}\n           {document['why']}"
    )
