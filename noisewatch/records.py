"""The frozen records that flow from the microphone to the package. Units stand in every name.

The sample index that the audio source assigns is the only audio clock: sample ``n`` lies ``n / rate_hz``
seconds after the start of the stream. Records hold no behaviour beyond derived values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What every record and package says of its readings (design section 5).
INDICATION = "Readings are an indication for a technical inspection, not a type-approved legal measurement."


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """A run of sound without a gap, as it came from one source.

    Parameters
    ----------
    start_sample : int
        Index of the first sample since the stream began; assigned where the samples arrive.
    samples : ndarray, float32, shape (channels, n)
        Sound pressure in pascal after calibration.
    rate_hz : int
        Sample rate in hertz.
    monotonic_ns : int
        Monotonic time of arrival of the block's last sample; for files, the sample's own time.
    lost_before : int
        Samples that were lost right before this block. ``start_sample`` already counts them.
    """

    start_sample: int
    samples: NDArray[np.float32]
    rate_hz: int
    monotonic_ns: int
    lost_before: int = 0

    @property
    def end_sample(self) -> int:
        """Index one past the last sample."""
        return self.start_sample + int(self.samples.shape[1])


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What a decoder must know of an encoded stream: codec, extra data, size, time base."""

    codec: str
    extradata: bytes
    width: int
    height: int
    time_base_num: int
    time_base_den: int


@dataclass(frozen=True, slots=True)
class VideoPacket:
    """One encoded picture as it came from the camera, never decoded while nothing happens.

    ``pts`` and ``dts`` are in the stream's own time base; ``monotonic_ns`` is the arrival, for files the
    packet's own presentation time on the street's clock (audio sample 0 = 0 ns). ``captured_ns`` is the
    monotonic time of capture by the camera's own clock (RTCP sender reports), None where it tells none that
    can be believed.
    """

    data: bytes
    pts: int
    dts: int
    duration: int
    monotonic_ns: int
    is_keyframe: bool
    format: VideoFormat
    captured_ns: int | None = None

    @property
    def stream_s(self) -> float:
        """Presentation time in seconds on the stream's own clock."""
        return self.pts * self.format.time_base_num / self.format.time_base_den


@dataclass(frozen=True, slots=True)
class LevelFrame:
    """Sound levels of 125 ms, in decibels re 20 µPa (IEC 61672-1, IEC 61260-1).

    ``laf_db``, ``lcf_db`` and ``las_db`` are the time-weighted levels at the frame's last sample, the
    ``max`` and ``min`` values run over all of its samples. ``bands_db`` holds one-third octaves 25 Hz to
    20 kHz as Leq of the frame (30 values, NaN where the rate does not carry the band), or is empty.
    ``flags`` are names such as "overload", "under-range", "wind", "rain", "gap".
    """

    start_sample: int
    end_sample: int
    rate_hz: int
    laf_db: float
    lafmax_db: float
    lafmin_db: float
    las_db: float
    lasmax_db: float
    lcf_db: float
    laeq_db: float
    lceq_db: float
    lzeq_db: float
    lcpeak_db: float
    bands_db: tuple[float, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that carried a decision, in words a person understands, with its weight."""

    what: str
    weight: float


@dataclass(frozen=True, slots=True)
class Score:
    """What one signature says of one window of sound.

    ``classes`` holds the calibrated probability of every class that the model knows, so that vetoes can be
    judged on the same window; ``probability`` is the signature's own.
    """

    start_sample: int
    end_sample: int
    rate_hz: int
    signature: str
    version: str
    probability: float
    classes: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """A score together with the level of its window and what gate and vetoes said of it."""

    start_s: float
    end_s: float
    probability: float
    lafmax_db: float
    gate: bool
    vetoed_by: str | None
    match: bool


@dataclass(frozen=True, slots=True)
class Event:
    """What the trigger opened: one pass, or one bout of revving, of one signature.

    ``behaviour`` says how the vehicle was driven (``noisewatch.recognition.behaviour``), ``behaviour_why``
    in a sentence; the trigger leaves both open, they are judged when the clip is ready.
    """

    id: str
    onset_sample: int
    peak_sample: int
    end_sample: int
    rate_hz: int
    lafmax_db: float
    laeq_db: float
    lcpeak_db: float
    signature: str
    version: str
    signature_sha256: str
    probability: float
    windows: tuple[ScoredWindow, ...]
    why: str
    flags: tuple[str, ...] = ()
    expanded_uncertainty_db: float | None = None
    behaviour: str = "unknown"
    attribution: str = "unknown"
    gate_db: float | None = None
    threshold: float | None = None
    behaviour_confidence: float | None = None
    behaviour_why: str = ""

    @property
    def onset_s(self) -> float:
        """Onset in seconds since the stream began."""
        return self.onset_sample / self.rate_hz

    @property
    def peak_s(self) -> float:
        """Moment of the highest LAF in seconds since the stream began."""
        return self.peak_sample / self.rate_hz

    @property
    def end_s(self) -> float:
        """End in seconds since the stream began."""
        return self.end_sample / self.rate_hz


@dataclass(frozen=True, slots=True)
class ClipWindow:
    """Which samples a clip holds, and why these.

    ``ready_sample`` is the moment when the clip can be cut: the stream must have reached it, or ended.
    ``is_full`` is False where the stream does not hold ten seconds; such a clip is not evidence.
    """

    start_sample: int
    end_sample: int
    ready_sample: int
    rate_hz: int
    is_full: bool
    why: str

    @property
    def start_s(self) -> float:
        """Start in seconds since the stream began."""
        return self.start_sample / self.rate_hz

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return (self.end_sample - self.start_sample) / self.rate_hz


@dataclass(frozen=True, slots=True)
class ClockState:
    """Where UTC came from when a clip was stamped, and how far it can be off.

    ``source`` is "system" or "file"; ``bound_s`` is None where nobody can say. ``service`` names what keeps
    the clock (NTP), ``step_s`` by how much it was set between the clip's start and its sealing (the clip's
    times are those before it), ``is_before_build`` that it shows a time before this software was made.
    """

    source: str
    synchronised: bool
    bound_s: float | None
    service: str | None = None
    step_s: float = 0.0
    is_before_build: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """One sealed part of an event: what it is in the clear, and its ciphertext's hash."""

    name: str
    sha256: str
    size_bytes: int
    description: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """What the box signs. Everything a reader needs to recompute or doubt the decision.

    ``media_state`` is "pending" while clips are being sealed, "sealed" when all of them are on disk,
    "lost" when a crash or fault came between, "none" where there is no evidence to keep. ``statements``
    holds what may be said of the level: background, normalised level, and whether it is above the gate with
    its whole interval.
    """

    event: Event
    captured_at: datetime
    sealed_day: str
    expires_at: datetime
    site: Mapping[str, Any]
    clock: ClockState
    clip: ClipWindow
    calibration: Mapping[str, Any]
    privacy: Mapping[str, Any]
    losses: Mapping[str, int]
    software: str
    is_trial: bool
    is_evidence: bool
    not_evidence_because: tuple[str, ...]
    media_state: str
    media: tuple[Media, ...] = ()
    uncertainty: tuple[Mapping[str, Any], ...] = ()
    statements: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Who did what to what, why and when. ``action`` is one of the six of design section 7."""

    who: str
    action: str
    target: str
    why: str
    at: datetime
    details: Mapping[str, Any] = field(default_factory=dict)
