"""What the sound says of where and when its vehicle passed: attribution without a picture. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisewatch.acoustics.direction import DirectionTrack, direction_track
from noisewatch.acoustics.doppler import PassBy, pass_by
from noisewatch.acoustics.estimate import Estimate

Floats = NDArray[np.float64]

#: Where no lane distance is configured.
ASSUMED_DISTANCE_M = 8.0

_STEP_S = 0.0625
_AROUND_S = 3.0
_LEAST_SCATTER_S = 0.06
_VAGUE_SCATTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the sound says, on the clock of the pictures.

    Parameters
    ----------
    peak_s : float
        Moment of the highest level, as received.
    closest_s : float or None
        Closest approach as received; None where no pass is heard (the level does not rise and fall).
    closest_scatter_s : float
        Its standard deviation.
    width_s : float or None
        Distance over speed, from the level's hump or the Doppler curve.
    speed_mps : float or None
        Speed, where the Doppler curve gives one.
    level_s, level_db : ndarray, shape (n,)
        Level of the measuring channel in steps of 62.5 ms, low frequencies weighed down, dB re anything.
    direction : DirectionTrack, optional
        Bearing over time, where two microphones or more have configured places.
    lane_distance_m : float
        From microphone to lane, for the sound's way.
    temperature_c : float
        Of the air, for the speed of sound.
    view_deg, pan_deg : float or None, float
        The camera's horizontal angle of view, None where nobody configured it; and how far to the right of
        straight across the road it looks.
    """

    peak_s: float
    closest_s: float | None
    closest_scatter_s: float = _VAGUE_SCATTER_S
    width_s: float | None = None
    speed_mps: float | None = None
    level_s: Floats | None = None
    level_db: Floats | None = None
    direction: DirectionTrack | None = None
    lane_distance_m: float = ASSUMED_DISTANCE_M
    temperature_c: float = 15.0
    view_deg: float | None = None
    pan_deg: float = 0.0

    @property
    def travel_s(self) -> float:
        """How long the sound of the closest approach travelled."""
        return self.lane_distance_m / (331.3 + 0.606 * self.temperature_c)


def hear(
    samples: NDArray[np.floating],
    *,
    rate_hz: int,
    start_s: float,
    peak_s: float,
    lane_distance_m: float | None = None,
    temperature_c: float = 15.0,
    positions_m: Sequence[tuple[float, float, float]] = (),
    view_deg: float | None = None,
    pan_deg: float = 0.0,
) -> Heard:
    """Listen to the ten seconds of a clip.

    Parameters
    ----------
    samples : ndarray, shape (channels, n)
        Sound pressure; channel 0 measures.
    rate_hz : int
        Sample rate in hertz, 4000 or more.
    start_s : float
        The first sample on the clock of the pictures.
    peak_s : float
        Moment of the highest level on the same clock.
    lane_distance_m : float, optional
        From the microphone to the middle of the nearest lane.
    temperature_c : float
        Air temperature.
    positions_m : sequence of (x, y, z)
        Places of the microphones, x along the road to the right; empty or fewer than the channels: no
        direction.
    view_deg, pan_deg : float, optional
        See `Heard`.
    """
    wave = samples[0]
    # a second vehicle seconds away would pull at the hump's floor: only the surroundings of the peak count
    first = max(0, round((peak_s - start_s - _AROUND_S) * rate_hz))
    last = min(wave.size, round((peak_s - start_s + _AROUND_S) * rate_hz))
    motion = pass_by(wave[first:last], rate_hz=rate_hz, slant_distance_m=lane_distance_m)
    closest_s, scatter_s = _closest(motion)
    step = max(1, round(_STEP_S * rate_hz))
    # the slope of the pressure weighs low frequencies down, about as A does
    slope = np.diff(np.asarray(wave, np.float64), prepend=wave[:1])[: wave.size // step * step]
    energy = np.mean(slope.reshape(-1, step) ** 2, axis=1)
    direction = None
    if len(positions_m) >= 2 and len(positions_m) == samples.shape[0]:
        direction = direction_track(samples, rate_hz=rate_hz, positions_m=positions_m).shifted(start_s)
    speed_kmh = motion.speed_kmh.value
    return Heard(
        peak_s=peak_s,
        closest_s=None if closest_s is None else closest_s + start_s + first / rate_hz,
        closest_scatter_s=scatter_s,
        width_s=motion.level.width_s if motion.level.has_hump else None,
        speed_mps=None if speed_kmh is None else speed_kmh / 3.6,
        level_s=start_s + (np.arange(energy.size) + 0.5) * step / rate_hz,
        level_db=10.0 * np.log10(np.maximum(energy, 1e-14)),
        direction=direction,
        lane_distance_m=ASSUMED_DISTANCE_M if lane_distance_m is None else lane_distance_m,
        temperature_c=temperature_c,
        view_deg=view_deg,
        pan_deg=pan_deg,
    )


def _closest(motion: PassBy) -> tuple[float | None, float]:
    """Return the moment and its scatter; a moment that nobody vouches for gets a wide one."""
    if not motion.level.has_hump:
        return None, _VAGUE_SCATTER_S
    found: Estimate = motion.closest_s
    if found.value is not None and found.interval is not None:
        half_s = (found.interval[1] - found.interval[0]) / 2
        return found.value, max(_LEAST_SCATTER_S, half_s / 2)
    if not found.alternatives:
        return None, _VAGUE_SCATTER_S
    return found.alternatives[0].value, max(0.25, 0.35 * motion.level.width_s)
