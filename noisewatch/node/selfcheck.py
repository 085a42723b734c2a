"""The nightly look at a lamp that flashes and sounds: what error is left between sound and picture.

For one minute the run's own sound and picture are also held here, in memory, as its rings hold them; a thread
of its own then looks for flashes, so that the capture waits for nothing. Only the figure is kept, as a signed
record of the kind "self-check".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np

from noisewatch.acoustics.claps import Flash, SyncVerdict, find_claps, find_flashes, offset_of
from noisewatch.acoustics.range import ASSUMED_TEMPERATURE_C, speed_of_sound_mps
from noisewatch.capture.clapping import brightness
from noisewatch.capture.clock import StreetClock
from noisewatch.records import AudioBlock, VideoPacket

CHECK_S = 60.0
#: A minute of 8 Mbit/s; what comes beyond is left out, and the check then finds fewer flashes.
MAXIMUM_BYTES = 64 * 1024 * 1024


def is_due(now: datetime, *, hour: int | None, last: date | None) -> bool:
    """Tell whether the nightly check is to begin; pure.

    Parameters
    ----------
    now : datetime
        In the street's own time.
    hour : int or None
        When, 0 to 23; None: never.
    last : date or None
        Day of the last check.

    Examples
    --------
    >>> is_due(datetime(2026, 5, 10, 3, 20), hour=3, last=None)
    True
    >>> is_due(datetime(2026, 5, 10, 3, 40), hour=3, last=date(2026, 5, 10))
    False
    """
    return hour is not None and now.hour == hour and last != now.date()


@dataclass(slots=True)
class Held:
    """What one check has seen and heard so far; pictures stand where the run placed them."""

    rate_hz: int
    first_sample: int | None = None
    blocks: list[AudioBlock] = field(default_factory=list)
    pictures: list[tuple[float, VideoPacket]] = field(default_factory=list)
    size_bytes: int = 0

    @property
    def seconds(self) -> float:
        """How much sound was held, in seconds."""
        if self.first_sample is None:
            return 0.0
        return (self.blocks[-1].end_sample - self.first_sample) / self.rate_hz

    def take_block(self, block: AudioBlock) -> None:
        """Hold channel 0 of a block."""
        if self.first_sample is None:
            self.first_sample = block.start_sample
        self.blocks.append(block)

    def take_picture(self, street_s: float, packet: VideoPacket) -> None:
        """Hold a picture from the first keyframe on, while there is room."""
        if (self.pictures or packet.is_keyframe) and self.size_bytes + len(packet.data) <= MAXIMUM_BYTES:
            self.size_bytes += len(packet.data)
            self.pictures.append((street_s, packet))


def left_over(held: Held, *, distance_m: float) -> SyncVerdict:
    """Return what error is left after the run's own correction.

    Parameters
    ----------
    held : Held
        Of one check.
    distance_m : float
        From the lamp's buzzer to the microphone.
    """
    first = held.first_sample or 0
    sound = np.zeros(max(0, held.blocks[-1].end_sample - first) if held.blocks else 0, np.float32)
    for block in held.blocks:
        sound[block.start_sample - first : block.end_sample - first] = block.samples[0]
    claps_s = [first / held.rate_hz + clap_s for clap_s in find_claps(sound, rate_hz=held.rate_hz)]
    at_s = {packet.monotonic_ns: street_s for street_s, packet in held.pictures}
    seen = brightness(packet for _, packet in held.pictures)
    placed = sorted(((at_s[packet.monotonic_ns], cells) for packet, cells in seen), key=lambda item: item[0])
    flashes: Sequence[Flash] = ()
    if placed:
        flashes = find_flashes([time_s for time_s, _ in placed], np.stack([cells for _, cells in placed]))
    return offset_of(flashes, claps_s, delay_s=distance_m / speed_of_sound_mps(ASSUMED_TEMPERATURE_C))


class WatchedClock(StreetClock):
    """A street's clock that lets a check see what passes by.

    Parameters are those of :class:`StreetClock`. While :attr:`held` is set, blocks and pictures are held
    there too.
    """

    held: Held | None = None

    def observe(self, block: AudioBlock, *, arrived_ns: int | None = None) -> None:
        """Note when a block arrived, and hold it for a check that goes on."""
        super().observe(block, arrived_ns=arrived_ns)
        if self.held is not None:
            self.held.take_block(block)

    def street_s(self, packet: VideoPacket) -> float | None:
        """Return a packet's place on the street, and hold it for a check that goes on."""
        street_s = super().street_s(packet)
        if self.held is not None and street_s is not None:
            self.held.take_picture(street_s, packet)
        return street_s


class NightlyCheck:
    """Begins a check once a night, ends it after a minute, and hands what it found to ``found``.

    Parameters
    ----------
    clock : WatchedClock
        Of the run.
    hour : int or None
        From when on, in the street's own time; None: never.
    distance_m : float
        From the lamp's buzzer to the microphone.
    found : callable
        Gets the verdict on a thread of its own.
    """

    def __init__(
        self,
        clock: WatchedClock,
        *,
        hour: int | None,
        distance_m: float,
        found: Callable[[SyncVerdict], None],
    ) -> None:
        self._clock = clock
        self._hour = hour
        self._distance_m = distance_m
        self._found = found
        self._last: date | None = None
        self.thread: threading.Thread | None = None

    def look(self, now: datetime) -> None:
        """Begin or end a check where that is due; quick."""
        held = self._clock.held
        if held is not None:
            if held.seconds >= CHECK_S:
                self._clock.held = None
                self.thread = threading.Thread(
                    target=self._judge, args=(held,), name="self-check", daemon=True
                )
                self.thread.start()
            return
        if is_due(now, hour=self._hour, last=self._last):
            self._last = now.date()
            self._clock.held = Held(rate_hz=self._clock.rate_hz)

    def _judge(self, held: Held) -> None:
        self._found(left_over(held, distance_m=self._distance_m))
