"""The time of one run: sound against picture, UTC with its steps, and what there is to tell of both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from noisewatch import __version__
from noisewatch.acoustics.claps import SyncVerdict
from noisewatch.acoustics.sync import MeasuredOffset, SyncRecord, SyncState, not_needed
from noisewatch.capture.camera import VideoSource
from noisewatch.capture.clock import utc_now
from noisewatch.capture.device import DeviceSource
from noisewatch.capture.livecamera import LiveVideo
from noisewatch.capture.microphone import AudioSource
from noisewatch.capture.wallclock import LiveTime, WallClock, full_clock_state
from noisewatch.errors import NoisewatchError
from noisewatch.evidence.sync_store import append, sync_folder
from noisewatch.node.box import Identity
from noisewatch.node.selfcheck import NightlyCheck, WatchedClock
from noisewatch.node.syncing import read_sync

#: How often both clocks are read, in seconds: a step is placed in the street within this.
LOOK_S = 0.5


class Chain:
    """What a run must know of time, for live sources and files.

    Parameters
    ----------
    identity : Identity
        Whose measured offsets count.
    audio, video : sources
        As they run.
    started_at : datetime
        UTC of sample 0, where nothing better is known.

    Attributes
    ----------
    clock : WatchedClock
        Places pictures; with the measured offsets taken off.
    time : LiveTime or None
        UTC of live samples; None for a file, whose time comes with it.
    sync : SyncState
        Whether the offset is known; a self-check may change it.
    """

    def __init__(
        self, identity: Identity, *, audio: AudioSource, video: VideoSource | None, started_at: datetime
    ) -> None:
        self._identity = identity
        self._audio = audio
        self._video = video
        self._looked_s = 0.0
        self._last_step_s = 0.0
        self._wall = WallClock()
        self.sync = self.read_sync()
        settings = identity.config.calibration
        self.clock = street_clock(
            self.sync,
            rate_hz=audio.rate_hz,
            is_live=video is not None and video.is_live,
            has_camera_clock=identity.config.video.camera_clock,
        )
        self._zone = ZoneInfo(identity.config.trigger.time_zone)
        self._nightly = NightlyCheck(
            self.clock, hour=settings.flash_hour, distance_m=settings.flash_distance_m, found=self._note
        )
        self.self_check = "none yet" if settings.flash_hour is not None else "no lamp is set"
        self.time = LiveTime(self.clock, self._wall, started_at=started_at) if audio.is_live else None

    def read_sync(self) -> SyncState:
        """Judge the measured offsets now; files need none, and neither does sound alone."""
        if self._video is None or not (self._audio.is_live or self._video.is_live):
            return not_needed()
        return read_sync(
            self._identity,
            camera=self._video.description,
            microphone=self._audio.description,
            now=utc_now(),
        )

    def look(self) -> None:
        """Read the clocks where that is due; called at every block."""
        now_s = time.monotonic()
        if self.time is not None and now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._last_step_s = self.time.look() or self._last_step_s
            if self._video is not None and self._video.is_live:
                self._nightly.look(utc_now().astimezone(self._zone))

    def _note(self, verdict: SyncVerdict) -> None:
        """Keep what a self-check found, and judge the offset anew; on the check's own thread."""
        self.self_check = verdict.why
        if not verdict.accepted or self._video is None:
            return
        found = MeasuredOffset(
            verdict.offset_s, verdict.bound_s, verdict.spread_s, verdict.claps, verdict.agreeing
        )
        record = SyncRecord(
            who=f"noisewatch {__version__}",
            when=utc_now().replace(microsecond=0),
            camera=self._video.description,
            microphone=self._audio.description,
            distance_m=self._identity.config.calibration.flash_distance_m,
            offsets={self.clock.basis: found},
            kind="self-check",
        )
        try:
            append(sync_folder(self._identity.folder), record, signer=self._identity.signer)
            self.sync = self.read_sync()
        except NoisewatchError as error:
            self.self_check = f"could not be noted: {error.line()}"

    def told(self) -> dict[str, Any]:
        """Return sound, picture, sync and clock as ``status`` tells them: no sound, no levels."""
        clock = asdict(full_clock_state()) | {"steps": self._wall.steps, "last_step_s": self._last_step_s}
        return {
            "sound": sound_told(self._audio),
            "picture": None if self._video is None else self._picture_told(self._video),
            "sync": {
                "state": self.sync.name,
                "sentence": self.sync.sentence,
                "self_check": self.self_check,
            },
            "clock": clock,
        }

    def _picture_told(self, video: VideoSource) -> dict[str, Any]:
        told: dict[str, Any] = {
            "source": video.description,
            "placed_by": self.clock.basis,
            "bound_s": self.clock.bound_s,
        }
        return told | (asdict(video.stats()) if isinstance(video, LiveVideo) else {})


def street_clock(sync: SyncState, *, rate_hz: int, is_live: bool, has_camera_clock: bool) -> WatchedClock:
    """Return the clock that takes off what was measured; pure.

    Without any measurement the camera's own clock is nearer to the truth than arrival. Where there is a
    measurement without the camera's clock, arrival alone counts: that is what was measured.

    Examples
    --------
    >>> clock = street_clock(not_needed(), rate_hz=48_000, is_live=True, has_camera_clock=True)
    >>> clock.camera_offset_s, clock.picture_offset_s
    (0.0, 0.0)
    """
    arrival, camera = sync.offsets.get("arrival"), sync.offsets.get("camera")
    camera_offset_s: float | None = None
    if has_camera_clock and (camera is not None or not sync.offsets):
        camera_offset_s = 0.0 if camera is None else camera.offset_s
    return WatchedClock(
        rate_hz=rate_hz,
        is_live=is_live,
        picture_offset_s=0.0 if arrival is None else arrival.offset_s,
        camera_offset_s=camera_offset_s,
    )


def sound_told(audio: AudioSource) -> dict[str, Any]:
    """Return how a source of sound is doing: rate against the monotonic clock, drift, xruns, losses."""
    told: dict[str, Any] = {"source": audio.description, "rate_hz": audio.rate_hz, "channels": audio.channels}
    if not isinstance(audio, DeviceSource):
        return told
    stats = audio.stats()
    measured_hz = stats.measured_rate_hz
    drift_ppm = None if measured_hz is None else (measured_hz / audio.rate_hz - 1.0) * 1e6
    return told | {
        "measured_rate_hz": measured_hz,
        "drift_ppm": drift_ppm,
        "xruns": stats.overflows,
        "queue_full": stats.queue_full,
        "stalls": stats.stalls,
        "reconnects": stats.reconnects,
        "lost_samples": stats.lost_samples,
    }


class Counter:
    """Counts what a run tells on its way out: events, and how many of them were sealed."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit
        self.events = 0
        self.sealed = 0

    @property
    def counts(self) -> dict[str, int]:
        """Both counts, as ``status`` tells them."""
        return {"events": self.events, "sealed": self.sealed}

    def emit(self, document: Any, human: str) -> None:
        """Hand a document on, and count it where it is an event."""
        if document.get("event") == "event":
            self.events += 1
            self.sealed += bool(document.get("sealed"))
        self._emit(document, human)
