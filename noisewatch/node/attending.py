"""Attends to a live run: health, journal, alerts, broker, figures, and what whoever stands there may see.

Everything here happens beside the run, on threads of its own. The run only calls :meth:`Attendance.beat`
after each block, :meth:`Attendance.event` and :meth:`Attendance.hour`; all three are quick.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from noisewatch.capture.clapping import decoded
from noisewatch.capture.clock import utc_now
from noisewatch.capture.trying import JUDGED_WIDTH
from noisewatch.errors import MissingInputError, NoisewatchError, TryAgainError
from noisewatch.evidence.jsonform import utc_text
from noisewatch.node.account import Account
from noisewatch.node.alerts import Book, decide
from noisewatch.node.box import Box
from noisewatch.node.chain import Chain
from noisewatch.node.channels import Dispatcher, channels_of
from noisewatch.node.check import check_quietly
from noisewatch.node.happenings import Counts, Happenings
from noisewatch.node.health import HOUR_S, Changed, Effect, Health, Restart, Signs, State, Trouble, step
from noisewatch.node.hours import Hour
from noisewatch.node.journal import Journal, last_run, restarts_ago_s
from noisewatch.node.live import LiveView
from noisewatch.node.looks import LOOK_EVERY_S, Ears, Eyes, look_of
from noisewatch.node.notices import Sender
from noisewatch.node.observing import Observer, Run, resident_bytes
from noisewatch.node.pipeline import ReadyClip
from noisewatch.node.runner import Runner
from noisewatch.node.status import written_status
from noisewatch.node.troubles import troubles_of
from noisewatch.records import VideoPacket

#: How often health is judged, in seconds.
EVERY_S = 2.0
#: Local hour in which the box checks itself.
NIGHTLY_HOUR = 4
#: Events that the live view shows.
SHOWN_EVENTS = 8


class Attendance:
    """Attends to one live run while it lasts; a context manager.

    Parameters
    ----------
    box : Box
        The node that runs.
    chain : Chain
        Tells of sound, picture, sync and clock.
    counts : callable
        Events so far, and how many of them were sealed.
    has_camera : bool
        Whether silence of a camera means anything.
    report : callable
        Gets lines for people.

    Attributes
    ----------
    wants_restart : TryAgainError or None
        Why the run should be started again, where it was ended for that.
    """

    def __init__(
        self,
        box: Box,
        chain: Chain,
        *,
        counts: Callable[[], Mapping[str, int]],
        has_camera: bool,
        report: Callable[[str], None],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.journal = Journal(box.identity.folder)
        self.wants_restart: TryAgainError | None = None
        self._box, self._chain, self._counts = box, chain, counts
        self._runner: Runner | None = None
        self._now, self._report, self._has_camera = now, report, has_camera
        self._zone = ZoneInfo(box.config.trigger.time_zone)
        self._started_s = self._last_block_s = time.monotonic()
        self._blocks = 0
        self._frames = (-1, self._started_s)
        self._eyes, self._ears = Eyes(), Ears()
        self._keyframe: VideoPacket | None = None
        self._look_due_s = self._started_s + 60.0
        self._checked_on: Any = None
        self._shown: deque[dict[str, Any]] = deque(maxlen=SHOWN_EVENTS)
        self._telemetry = self._make_telemetry()
        tell_broker = None if self._telemetry is None else self._telemetry.tell_alert
        self._dispatcher = Dispatcher(
            channels_of(box.config.alerts, box.identity.folder, tell_broker=tell_broker)
        )
        self._observer = Observer(box, now=now)
        self._health = Health(State.RECOVERING, since_s=self._started_s)
        self._book = Book()
        self._happenings: Happenings | None = None
        self._account: Account | None = None
        self._stack = ExitStack()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attending", daemon=True)

    def __enter__(self) -> Attendance:
        """Read the journal, begin to attend."""
        self._open_journal()
        self._stack.enter_context(self._dispatcher)
        if self._telemetry is not None:
            self._stack.enter_context(self._telemetry)
        if self._box.config.metrics.port or self._box.config.metrics.textfile:
            from noisewatch.node.metrics import Metrics

            folder = self._box.identity.folder
            self._stack.enter_context(Metrics(self._box.config.metrics, told=self.told, folder=folder))
        self._stack.enter_context(LiveView(self._box.identity.folder, self._shown_now))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Note the end, let go of everything."""
        self._ending.set()
        self._thread.join(timeout=10.0)
        # what was told only now and then is told whole
        self._tell_happenings(now_s=math.inf)
        self._stack.close()
        self._note("end", "the run ended" if error is None else "the run ended with an error")

    def beside(self, runner: Runner, *, account: Account) -> Attendance:
        """Name the run to attend to, and who knows of what could not be stored."""
        self._runner, self._account = runner, account
        self._observer.ask(
            Run(
                sync=lambda: self._chain.sync,
                failure=lambda: account.standing,
                late=lambda: runner.late_clips,
                looks=lambda: (*self._eyes.troubles(), *self._ears.troubles()),
                broker=self._broker_told,
                channels=lambda: _joined(self._dispatcher),
                refusals=lambda: (account.refusals, account.last_refusal),
            )
        )
        return self

    def beat(self) -> None:
        """Take note that a block was processed."""
        self._blocks += 1
        self._last_block_s = time.monotonic()
        if self._last_block_s >= self._look_due_s and self._runner is not None:
            self._look_due_s = self._last_block_s + LOOK_EVERY_S
            self._keyframe = self._runner.pipeline.newest_keyframe

    def event(self, ready: ReadyClip) -> None:
        """Tell of an event that is over whoever must know."""
        self._observer.event()
        at = utc_text(ready.captured_at.replace(microsecond=0))
        event = ready.event
        self._shown.append(
            {
                "id": event.id,
                "at": at,
                "signature": event.signature,
                "behaviour": event.behaviour,
                "lafmax_db": round(event.lafmax_db, 1),
            }
        )
        if self._telemetry is not None:
            self._telemetry.tell_event(event, started_at=ready.started_at)

    def hour(self, hour: Hour) -> None:
        """Take an hour of the street that is over."""
        self._ears.hear(hour)
        if self._telemetry is not None:
            self._telemetry.tell_hour(hour)

    def told(self) -> dict[str, Any]:
        """Return what ``status`` and the figures of operation tell: no level."""
        facts, health = self._observer.last, self._health
        broker = None if self._telemetry is None else self._telemetry.told_now()
        return {
            **self._chain.told(),
            **self._counts(),
            "queue": 0 if self._runner is None else self._runner.waiting_clips,
            "late": facts.late,
            "state": health.state.value,
            "reasons": list(health.reasons),
            "blocks": self._blocks,
            "sound_age_s": round(time.monotonic() - self._last_block_s, 1),
            "free_bytes": facts.free_bytes,
            "key_days": facts.key_days,
            "past_their_end": facts.past_their_end,
            "temperature_c": facts.temperature_c,
            "calibration_age_days": self._box.calibration.state.age_days,
            "resident_bytes": resident_bytes(),
            "broker": broker,
            "alerts_given_up": self._dispatcher.given_up,
        }

    def _shown_now(self) -> dict[str, Any]:
        """Return what the live view shows: with the meter, for whoever stands there."""
        frame = None if self._runner is None else self._runner.pipeline.newest_frame
        levels: dict[str, Any] | None = None
        if frame is not None:
            levels = {"laf_db": frame.laf_db, "lafmax_db": frame.lafmax_db, "flags": list(frame.flags)}
        return {
            **self.told(),
            "node": self._box.config.name,
            "site": self._box.config.site.name,
            "gate_db": self._gate_db(),
            "level": levels,
            "last_events": list(self._shown),
            "uptime_s": time.monotonic() - self._started_s,
        }

    def _gate_db(self) -> float:
        configured = self._box.config.trigger.gate_db
        return self._box.signatures[0].gate_db if configured is None else configured

    def _run(self) -> None:
        while not self._ending.wait(EVERY_S):
            self._look()
            self._check_nightly()
            self._judge()
            self._tell_happenings(now_s=time.monotonic())

    def _judge(self) -> None:
        now_s = time.monotonic()
        troubles = troubles_of(self._observer.facts())
        signs = Signs(now_s, now_s - self._last_block_s, self._picture_age_s(now_s), troubles)
        self._health, effects = step(self._health, signs)
        for effect in effects:
            self._carry_out(effect)
        conditions = {trouble.kind: trouble.sentence for trouble in reversed(troubles)}
        if self._health.state in (State.DEAF, State.BLIND, State.FAILED):
            conditions[self._health.state.value] = "; ".join(self._health.reasons)
        repeat_s = self._box.config.alerts.repeat_h * 3600.0
        self._book, alerts = decide(self._book, conditions, now_s=now_s, repeat_s=repeat_s)
        for alert in alerts:
            at = utc_text(self._now().replace(microsecond=0))
            config = self._box.config
            self._dispatcher.send(alert.document(node=config.name, site=config.site.name, at=at))
            self._note("alert", alert.sentence, about=alert.kind, over=alert.is_over)

    def _tell_happenings(self, *, now_s: float) -> None:
        told = self._chain.told()
        account = self._account
        if self._runner is None or account is None or "clock" not in told:
            return
        if self._happenings is None:
            self._happenings = Happenings(rate_hz=told["sound"]["rate_hz"])
        counts = Counts(
            lost_samples=self._runner.pipeline.lost_samples,
            clock_steps=told["clock"]["steps"],
            last_step_s=told["clock"]["last_step_s"],
            is_broker_away=self._broker_told()[0] is not None,
            not_stored=account.failures,
            why_not_stored="" if account.last_failure is None else account.last_failure.what,
        )
        for one in self._happenings.since(counts, now_s=now_s):
            self._note(one.kind, one.sentence, **one.details)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Changed):
            self._note(effect.after.value, effect.why, before=effect.before.value)
            self._report(f"health: {effect.after.value}; {effect.why}")
        elif isinstance(effect, Restart):
            self._note("restart", effect.why)
            self.wants_restart = TryAgainError(effect.why, where="health", remedy="it is started again")
            if self._runner is not None:
                self._runner.stop()

    def _picture_age_s(self, now_s: float) -> float | None:
        """Return since when no frame came; a file has no age."""
        picture = self._chain.told().get("picture")
        if not self._has_camera or not isinstance(picture, Mapping) or "packets" not in picture:
            return None
        packets, since_s = self._frames
        if picture["packets"] != packets:
            self._frames = (picture["packets"], now_s)
            return 0.0
        return now_s - since_s

    def _look(self) -> None:
        packet, self._keyframe = self._keyframe, None
        if packet is None:
            return
        for _, frame in decoded([packet]):
            height = max(2, round(frame.height * JUDGED_WIDTH / frame.width))
            grey = frame.reformat(width=JUDGED_WIDTH, height=height, format="gray").to_ndarray()
            self._eyes.see(look_of(grey.astype(np.uint8), at_s=time.monotonic()))

    def _check_nightly(self) -> None:
        local = self._now().astimezone(self._zone)
        if local.hour != NIGHTLY_HOUR or self._checked_on == local.date():
            return
        self._checked_on = local.date()
        found = tuple(
            Trouble("check", f"{item.name}: {item.value}; {item.remedy}")
            for item in check_quietly(self._box.identity)
            if not item.ok
        )
        self._observer.troubles_of_the_night = found
        words = "; ".join(trouble.sentence for trouble in found) or "fit to measure"
        self._note("check", words, fit=not found)

    def _open_journal(self) -> None:
        try:
            before = written_status(self._box.identity.folder)
        except MissingInputError:
            before = None
        except NoisewatchError as error:
            before = None
            self._report(f"what the last run wrote can't be read: {error.line()}")
        was_clean, lost_s = last_run(before, now=self._now())
        words = "the run starts" if was_clean else "the run starts; the last one was cut off"
        details = {} if was_clean or lost_s is None else {"lost_s": round(lost_s, 1)}
        ages_s = restarts_ago_s(self.journal.entries(), now=self._now(), within_s=HOUR_S)
        restarts_s = tuple(self._started_s - age_s for age_s in ages_s)
        self._health = Health(State.RECOVERING, self._started_s, ("starting",), restarts_s)
        self._note("start", words, clean=was_clean, **details)

    def _note(self, kind: str, sentence: str, **details: Any) -> None:
        try:
            self.journal.note(kind, sentence, at=self._now().replace(microsecond=0), **details)
        except NoisewatchError as error:
            self._report(f"the journal could not be written: {error.line()}")

    def _make_telemetry(self) -> Any:
        config = self._box.config
        if not config.telemetry.host:
            return None
        # what is not used takes no memory
        from noisewatch.node.telemetry import Telemetry

        return Telemetry(
            config.telemetry,
            sender=Sender.of(config, is_calibrated=self._box.calibration.state.is_valid),
            folder=self._box.identity.folder,
            health=lambda: (self._health.state.value, self._health.reasons),
            now=self._now,
            report=self._report,
        )

    def _broker_told(self) -> tuple[str | None, int]:
        if self._telemetry is None:
            return None, 0
        told = self._telemetry.told
        return (None if told.is_connected else told.last_error), told.refused


def _joined(dispatcher: Dispatcher) -> str | None:
    return "; ".join(f"{name}: {why}" for name, why in sorted(dict(dispatcher.failures).items())) or None
