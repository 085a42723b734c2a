"""What happens to sound and picture in memory, from the block that arrives to the clip that is ready.

No file, no thread, no clock: blocks and packets go in, clips that must be sealed come out. Everything that
does not match is forgotten here, when the rings overwrite it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from noisewatch.acoustics.backend import node_backend
from noisewatch.acoustics.correction import Correction, Corrector
from noisewatch.acoustics.flags import FlagDetector, merge
from noisewatch.acoustics.meter import Meter
from noisewatch.capture.clip import clip_window, snap_to_frame
from noisewatch.capture.ring import AudioRing, VideoRing, usual_step_s
from noisewatch.evidence.minutes import Minute
from noisewatch.node.hours import Hour, HourSummary
from noisewatch.node.minutes import MinuteSummary
from noisewatch.node.schedule import Calendar, Period, gate_at, wanted_at
from noisewatch.node.trigger import Trigger, TriggerRules
from noisewatch.recognition.score import Scorer, veto_of
from noisewatch.recognition.signature import Signature
from noisewatch.records import AudioBlock, ClipWindow, ClockState, Event, LevelFrame, VideoPacket

#: How long a clip waits for a picture that is late, in seconds, before it goes without.
PICTURE_PATIENCE_S = 5.0
#: What lies this close to an event is not background, in seconds.
BACKGROUND_GUARD_S = 1.0
#: Less than this says nothing of a background, in seconds.
BACKGROUND_MINIMUM_S = 5.0
#: A clip's start moves by at most this much to begin with a frame, in seconds.
SNAP_REACH_S = 0.25


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What the pipeline must know of its street and its rules; times in seconds, levels in dB."""

    rate_hz: int
    channels: int
    ring_s: float
    has_picture: bool
    started_at: datetime
    gate_db: float | None
    merge_gap_s: float
    cooldown_s: float
    longest_event_s: float
    budget_per_day: int | None
    full_scale_pa: float | None = None
    corrections: tuple[Correction, ...] = ()
    picture_ring_bytes: int = 256 * 1024 * 1024
    calendar: Calendar = field(default_factory=Calendar)
    periods: tuple[Period, ...] = ()
    is_calibrated: bool = False


@dataclass(frozen=True, slots=True)
class ReadyClip:
    """An event with everything that belongs to its ten seconds, still in memory and in the clear."""

    event: Event
    window: ClipWindow
    samples: NDArray[np.float32]
    packets: tuple[tuple[float, VideoPacket], ...]
    frames: tuple[LevelFrame, ...]
    lost_samples: int
    started_at: datetime
    background_db: float | None = None
    behaviours: tuple[str, ...] = ()
    clock: ClockState | None = None

    @property
    def captured_at(self) -> datetime:
        """UTC of the clip's first sample."""
        return self.started_at + timedelta(seconds=self.window.start_s)

    def without_media(self) -> ReadyClip:
        """Return the event alone: its sound and picture are forgotten."""
        return replace(self, samples=self.samples[:, :0].copy(), packets=())


class StreetTime(Protocol):
    """UTC of a live street's samples, and what is known of the clock that says so."""

    def utc(self, sample: int) -> datetime:
        """Return the UTC at which a sample was heard."""

    def state(self, start_sample: int) -> ClockState:
        """Return the clock's state, and whether it was set since a sample."""


class Pipeline:
    """Rings, meter, signatures and triggers of one street.

    Parameters
    ----------
    settings : PipelineSettings
        Street and rules.
    signatures : sequence of Signature
        Each gets its own scorer and trigger.
    new_id : callable
        Makes an event's id from the UTC of its onset.
    on_minute : callable, optional
        Gets each minute of the street, summed up; nothing finer leaves the pipeline outside an event.
    on_hour : callable, optional
        Gets each hour of the street, summed up.
    street_time : StreetTime, optional
        UTC of live samples; without it time goes on from ``settings.started_at`` by the sample index.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        *,
        signatures: Sequence[Signature],
        new_id: Callable[[datetime], str],
        on_minute: Callable[[Minute], None] | None = None,
        on_hour: Callable[[Hour], None] | None = None,
        street_time: StreetTime | None = None,
    ) -> None:
        self.settings = settings
        self._street_time = street_time
        self._on_minute = on_minute
        self._on_hour = on_hour
        self._minute = MinuteSummary(utc=self._utc, is_calibrated=settings.is_calibrated)
        self._hour = HourSummary(utc=self._utc, is_calibrated=settings.is_calibrated)
        self.lost_samples = 0
        self.end_sample = 0
        self._meter = Meter(rate_hz=settings.rate_hz, channels=settings.channels, backend=node_backend())
        self._flags = FlagDetector(
            rate_hz=settings.rate_hz, channels=settings.channels, full_scale_pa=settings.full_scale_pa
        )
        self._corrector = (
            Corrector(settings.corrections, rate_hz=settings.rate_hz, channels=settings.channels)
            if settings.corrections
            else None
        )
        self._audio = AudioRing(rate_hz=settings.rate_hz, channels=settings.channels, seconds=settings.ring_s)
        self._video = VideoRing(seconds=settings.ring_s, max_bytes=settings.picture_ring_bytes)
        self._behaviours = {signature.name: signature.behaviours for signature in signatures}
        self._watchers = [self._watcher(signature, new_id) for signature in signatures]
        self._levels: deque[LevelFrame] = deque()
        self._waiting: list[Event] = []
        self._has_picture_ended = False

    def push_audio(self, block: AudioBlock) -> None:
        """Take a block: ring, meter, flags, signatures, trigger. A gap before it is passed on by name."""
        if block.lost_before:
            self.lost_samples += block.lost_before
            self._meter.skip(block.lost_before)
            self._flags.skip(block.lost_before)
        self._audio.push(block)
        # levels are corrected for microphone and windscreen; flags and signatures hear what the box heard
        heard = block.samples if self._corrector is None else self._corrector.push(block.samples)
        frames = merge(self._meter.push(heard), self._flags.push(block.samples))
        self._remember(frames)
        for number, (scorer, trigger) in enumerate(self._watchers):
            if block.lost_before:
                scorer.skip(block.lost_before)
            scores = scorer.push(block.samples[0])
            self._waiting += trigger.push(frames, scores)
            if number == 0:
                # one signature's classes are enough to say what a minute sounded like
                self._tell(self._minute.push(frames, scores), self._hour.push(frames, scores))
        self.end_sample = block.end_sample

    def push_video(self, street_s: float, packet: VideoPacket) -> None:
        """Take a packet whose picture belongs to the street's time ``street_s``."""
        self._video.push(street_s, packet)

    @property
    def newest_frame(self) -> LevelFrame | None:
        """The levels of the last 125 ms; for a meter on the screen of whoever stands at the box."""
        return self._levels[-1] if self._levels else None

    @property
    def newest_keyframe(self) -> VideoPacket | None:
        """The newest picture that can be decoded by itself; for a look at the camera's health."""
        return self._video.newest_keyframe()

    @property
    def ring_bytes(self) -> int:
        """Bytes that sound and picture hold in memory now; the sound's part never changes."""
        return self._audio.size_bytes + self._video.size_bytes

    def end_video(self) -> None:
        """No picture comes after this."""
        self._has_picture_ended = True

    def finish(self) -> list[ReadyClip]:
        """Judge and cut what is left at the end of the stream."""
        frames = merge(self._meter.finish(), self._flags.finish())
        self._remember(frames)
        for scorer, trigger in self._watchers:
            self._waiting += trigger.push(frames, scorer.finish())
            self._waiting += trigger.finish()
        minutes = [*self._minute.push(frames, ()), *self._minute.finish()]
        self._tell(minutes, [*self._hour.push(frames, ()), *self._hour.finish()])
        return self._take(end_of_stream=self.end_sample)

    def ready(self) -> list[ReadyClip]:
        """Return the clips whose last sample and picture have arrived."""
        return self._take(end_of_stream=None)

    def _watcher(self, signature: Signature, new_id: Callable[[datetime], str]) -> tuple[Scorer, Trigger]:
        settings = self.settings
        rules = TriggerRules(
            signature=signature.name,
            version=signature.version,
            signature_sha256=signature.sha256,
            gate_db=signature.gate_db if settings.gate_db is None else settings.gate_db,
            threshold=signature.threshold,
            minimum_duration_s=signature.minimum_duration_s,
            merge_gap_s=settings.merge_gap_s,
            cooldown_s=settings.cooldown_s,
            longest_event_s=settings.longest_event_s,
            budget_per_day=(
                signature.budget_per_day if settings.budget_per_day is None else settings.budget_per_day
            ),
            opening=signature.opening,
        )
        trigger = Trigger(
            rules,
            veto_of=lambda score: veto_of(score, signature),
            new_id=lambda sample: new_id(self._utc(sample)),
            day_of=lambda sample: self._utc(sample).date(),
            hours_at=lambda sample: wanted_at(signature.hours, self._utc(sample), settings.calendar),
            gate_at=lambda sample: gate_at(
                settings.periods, self._utc(sample), settings.calendar, usual_db=rules.gate_db
            ),
        )
        return Scorer(signature, rate_hz=settings.rate_hz), trigger

    def _tell(self, minutes: Sequence[Minute], hours: Sequence[Hour]) -> None:
        if self._on_minute is not None:
            for minute in minutes:
                self._on_minute(minute)
        if self._on_hour is not None:
            for hour in hours:
                self._on_hour(hour)

    def _utc(self, sample: int) -> datetime:
        if self._street_time is not None:
            return self._street_time.utc(sample)
        return self.settings.started_at + timedelta(seconds=sample / self.settings.rate_hz)

    def _remember(self, frames: Sequence[LevelFrame]) -> None:
        self._levels.extend(frames)
        while self._levels and (
            self._levels[-1].end_sample - self._levels[0].start_sample
            > self.settings.ring_s * self.settings.rate_hz
        ):
            self._levels.popleft()

    def _take(self, *, end_of_stream: int | None) -> list[ReadyClip]:
        ready: list[ReadyClip] = []
        still_waiting: list[Event] = []
        for event in self._waiting:
            window = self._window(event, end_of_stream=end_of_stream)
            if end_of_stream is not None or self._is_complete(window):
                ready.append(self._cut(event, window))
            else:
                still_waiting.append(event)
        self._waiting = still_waiting
        return ready

    def _window(self, event: Event, *, end_of_stream: int | None) -> ClipWindow:
        """Ask the one clip window; where the picture ends before the sound, the stream ends there."""
        rate_hz = self.settings.rate_hz
        end = end_of_stream
        if self._has_picture_ended and self._picture_end_s is not None:
            picture_end = int(self._picture_end_s * rate_hz)
            if event.peak_sample < picture_end < (self.end_sample if end is None else end):
                end = picture_end
        first = self._audio.first_sample
        window = clip_window(
            peak_sample=event.peak_sample, rate_hz=rate_hz, first_sample=first, end_of_stream=end
        )
        if not self.settings.has_picture:
            return window
        near = self._video.read(window.start_s - SNAP_REACH_S, window.start_s + SNAP_REACH_S)
        return snap_to_frame(
            window,
            frame_times_s=near.frame_times_s,
            first_sample=first,
            end_of_stream=end,
            reach_s=SNAP_REACH_S,
        )

    @property
    def _picture_end_s(self) -> float | None:
        """Where the newest picture ends on the street's clock; None before the first."""
        span_s = self._video.span_s
        if span_s is None:
            return None
        newest = self._video.read(span_s[1] - 1.0, span_s[1] + 1.0)
        return span_s[1] + usual_step_s(list(newest.frame_times_s))

    def _is_complete(self, window: ClipWindow) -> bool:
        if self.end_sample < window.ready_sample:
            return False
        if not self.settings.has_picture or self._has_picture_ended:
            return True
        wanted_s = window.ready_sample / window.rate_hz
        end_s = self._picture_end_s
        is_late = self.end_sample / self.settings.rate_hz > wanted_s + PICTURE_PATIENCE_S
        return is_late or (end_s is not None and end_s >= wanted_s)

    def _cut(self, event: Event, window: ClipWindow) -> ReadyClip:
        samples, missing = self._audio.read(window.start_sample, window.end_sample)
        packets: tuple[tuple[float, VideoPacket], ...] = ()
        if self.settings.has_picture:
            packets = self._video.read(window.start_s, window.end_sample / window.rate_hz).packets
        inside = [
            frame
            for frame in self._levels
            if frame.start_sample < window.end_sample and frame.end_sample > window.start_sample
        ]
        return ReadyClip(
            event=event,
            window=window,
            samples=samples,
            packets=packets,
            frames=tuple(inside),
            lost_samples=sum(end - start for start, end in missing),
            # UTC is attached here, once per clip
            started_at=self._utc(window.start_sample) - timedelta(seconds=window.start_s),
            clock=None if self._street_time is None else self._street_time.state(window.start_sample),
            background_db=background_db(tuple(self._levels), event),
            behaviours=self._behaviours[event.signature],
        )


def background_db(frames: Sequence[LevelFrame], event: Event) -> float | None:
    """Return L90 of the street around an event: what 90 % of the 125 ms levels outside it exceed.

    Parameters
    ----------
    frames : sequence of LevelFrame
        The frames still remembered.
    event : Event
        Left out, with :data:`BACKGROUND_GUARD_S` on each side.

    Returns
    -------
    float or None
        In dB; None where less than :data:`BACKGROUND_MINIMUM_S` of the street is left to judge by.
    """
    guard = round(BACKGROUND_GUARD_S * event.rate_hz)
    outside = [
        frame.laeq_db
        for frame in frames
        if frame.end_sample <= event.onset_sample - guard or frame.start_sample >= event.end_sample + guard
    ]
    if len(outside) * 0.125 < BACKGROUND_MINIMUM_S:
        return None
    return float(np.percentile(outside, 10))
