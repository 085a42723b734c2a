"""What a run says of itself: one document and one line an event, and a summary at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from noisewatch.errors import NoisewatchError
from noisewatch.node.fitness import was_wanted
from noisewatch.node.latework import Step
from noisewatch.node.pipeline import ReadyClip
from noisewatch.node.runner import RunSummary
from noisewatch.node.sealing import Begun, HalfSealed, Outcome
from noisewatch.records import Event

#: Originals come before viewing copies: until then a crash loses all of a clip.
ORIGINALS, VIEWING_COPIES = 0, 1

Emit = Callable[[Mapping[str, Any], str], None]


def spoken(emit: Emit, *, is_quiet: bool) -> Emit:
    """Return what speaks of a run; quiet, it says the summary only, in which there is no level.

    Examples
    --------
    >>> heard = []
    >>> emit = spoken(lambda document, line: heard.append(line), is_quiet=True)
    >>> emit({"event": "event", "lafmax_db": 91.2}, "91.2 dB")
    >>> emit({"event": "summary"}, "1 event")
    >>> heard
    ['1 event']
    """
    if not is_quiet:
        return emit

    def summary_only(document: Mapping[str, Any], line: str) -> None:
        if document["event"] == "summary":
            emit(document, line)

    return summary_only


class Sealer(Protocol):
    """Seals clips, or records those that may not be kept."""

    def begin(self, ready: ReadyClip) -> Begun | Outcome:
        """Record the event; an outcome where nothing more may be kept."""

    def original(self, begun: Begun) -> HalfSealed | Outcome:
        """Seal the original; an outcome where it is lost."""

    def viewing(self, half: HalfSealed) -> Outcome:
        """Seal the viewing copy, where it can be made."""

    def refuse(self, ready: ReadyClip, why: str) -> Outcome:
        """Record the event without its clip."""


class Account:
    """Carries sealing out and keeps count; its methods may be called on several threads.

    An event is told once, when its original is sealed or it is certain that there will be none.

    A store that cannot be written, or a day without a key, loses the clip, not the measurement: the event is
    told as not sealed, the run goes on, and ``failure``, the first, ends it with the right exit code.
    ``standing`` is what storing met last, None as soon as something could be stored again; ``failures``
    counts all that could not be stored, ``last_failure`` is the last of it. ``refusals`` counts events that
    were wanted and got no clip, ``last_refusal`` says why of the last. ``notice`` gets each event before
    anything is written; it must be quick. ``is_quiet``: what is in a record anyway is not said aloud; what
    could not be stored is.
    """

    def __init__(
        self,
        sealer: Sealer,
        *,
        emit: Emit,
        report: Callable[[str], None],
        notice: Callable[[ReadyClip], None] = lambda _ready: None,
        is_quiet: bool = False,
    ) -> None:
        self.failure: NoisewatchError | None = None
        self.standing: NoisewatchError | None = None
        self.last_failure: NoisewatchError | None = None
        self.failures = self.refusals = 0
        self.last_refusal = ""
        self._sealer = sealer
        self._emit = emit
        self._report = report
        self._notice = notice
        self._is_quiet = is_quiet
        self._events = 0
        self._sealed = 0
        self._viewing_copies = 0
        self._missing_frames = 0
        self._guard = threading.Lock()

    def seal(self, ready: ReadyClip) -> Step | None:
        """Record one event; return how its original is sealed, where that may be."""
        # first of all: who is told now may still see the vehicle
        self._notice(ready)
        begun = self._stage(ready.event, lambda: self._sealer.begin(ready))
        return Step(ORIGINALS, lambda: self._original(begun)) if isinstance(begun, Begun) else None

    def refuse(self, ready: ReadyClip, why: str) -> None:
        """Record one event for whose clip there was no room, and tell it."""
        self._notice(ready)
        self._stage(ready.event, lambda: self._sealer.refuse(ready, why))

    def close(self, summary: RunSummary) -> None:
        """Tell how the run went."""
        document = {
            "event": "summary",
            "duration_s": round(summary.duration_s, 3),
            "events": self._events,
            "sealed": self._sealed,
            "viewing_copies": self._viewing_copies,
            "late_clips": summary.late_clips,
            "lost_samples": summary.lost_samples,
            "missing_frames": self._missing_frames,
            "speed_x": round(summary.speed_x, 2),
        }
        self._emit(
            document,
            f"{summary.duration_s:.1f} s heard, {self._events} events, {self._sealed} sealed "
            f"({self._viewing_copies} with viewing copy), {summary.late_clips} came too late, "
            f"{summary.lost_samples} samples and {self._missing_frames} frames lost, "
            f"{summary.speed_x:.1f} x real time",
        )

    def carry_out(self, work: Callable[[], object]) -> None:
        """Do what the run does not depend on; the first failure is told and ends the run's exit code."""
        try:
            work()
        except NoisewatchError as error:
            if self.standing is None:
                self._report(f"could not be stored: {error.line()}")
            self._fail(error)
        else:
            self.standing = None

    def _fail(self, error: NoisewatchError) -> None:
        self.standing = self.last_failure = error
        self.failure = self.failure or error
        with self._guard:
            self.failures += 1

    def _original(self, begun: Begun) -> Step | None:
        half = self._stage(begun.ready.event, lambda: self._sealer.original(begun))
        if not isinstance(half, HalfSealed):
            return None
        self._tell_outcome(half.outcome)
        return Step(VIEWING_COPIES, lambda: self._viewing(half))

    def _viewing(self, half: HalfSealed) -> None:
        """Make the viewing copy of an event that has been told; only what goes wrong is told again."""
        event_id = half.outcome.record.event.id
        try:
            record = self._sealer.viewing(half).record
        except NoisewatchError as error:
            self._fail(error)
            self._report(f"the viewing copy of {event_id} could not be stored: {error.line()}")
            return
        self.standing = None
        if record.media_state == "sealed":
            self._viewing_copies += 1
        elif not self._is_quiet:
            self._report(f"event {event_id} has no viewing copy: {record.privacy['viewing_copy']}")

    def _stage(
        self, event: Event, work: Callable[[], Begun | HalfSealed | Outcome]
    ) -> Begun | HalfSealed | None:
        """Do one stage; what ends the event here is told."""
        try:
            done = work()
        except NoisewatchError as error:
            self._fail(error)
            self._report(f"event {event.id} could not be stored: {error.line()}")
            self._tell(event, is_sealed=False, because=(f"could not be stored: {error.what}",))
            return None
        self.standing = None
        if isinstance(done, Outcome):
            self._tell_outcome(done)
            return None
        return done

    def _tell_outcome(self, outcome: Outcome) -> None:
        with self._guard:
            self._missing_frames += outcome.missing_frames
            if not outcome.is_sealed and was_wanted(outcome.record.event.flags):
                self.refusals += 1
                self.last_refusal = "; ".join(outcome.not_sealed_because)
        self._tell(
            outcome.record.event,
            is_sealed=outcome.is_sealed,
            because=outcome.record.not_evidence_because,
        )

    def _tell(self, event: Event, *, is_sealed: bool, because: tuple[str, ...]) -> None:
        document = event_document(event, is_sealed=is_sealed, because=because)
        with self._guard:
            self._events += 1
            self._sealed += is_sealed
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
