"""Where along the street a sound comes from, over time, with two microphones or more. Pure.

Generalised cross-correlation with phase transform (Knapp and Carter 1976), summed over all pairs along
directions in the plane of the road (SRP-PHAT, DiBiase 2000). With one pair a direction is a hyperbola; the
microphones stand along the road and the road lies in front of them, so one pair is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from noisewatch.acoustics.levelshape import SOUND_MPS
from noisewatch.errors import InputError

Floats = NDArray[np.float64]

FRAME_S = 0.2
HOP_S = 0.06
LOWEST_HZ = 200.0
HIGHEST_HZ = 4000.0

_STEP_DEG = 2.0
_GRID_DEG = np.arange(-84.0, 84.0 + _STEP_DEG / 2, _STEP_DEG)
_SEGMENT_S = 0.04


@dataclass(frozen=True, slots=True)
class DirectionTrack:
    """Bearing of the strongest source over time.

    Parameters
    ----------
    time_s : ndarray, shape (n,)
        Middle of each frame, seconds after the first sample, as received.
    bearing_deg : ndarray, shape (n,)
        0 straight across the road, positive to the right as seen from the microphones.
    weight : ndarray, shape (n,)
        How far the best direction stands out, 0 (not at all) to 1.
    power : ndarray, shape (n,)
        Mean square of the first channel in the frame.
    """

    time_s: Floats
    bearing_deg: Floats
    weight: Floats
    power: Floats

    def shifted(self, by_s: float) -> DirectionTrack:
        """Return the same track on a clock that starts earlier by `by_s`."""
        return DirectionTrack(self.time_s + by_s, self.bearing_deg, self.weight, self.power)


def direction_track(
    samples: NDArray[np.floating], *, rate_hz: int, positions_m: Sequence[tuple[float, float, float]]
) -> DirectionTrack:
    """Return the bearing of the strongest source every 60 ms.

    Parameters
    ----------
    samples : ndarray, shape (channels, n)
        Two channels or more.
    rate_hz : int
        Sample rate in hertz.
    positions_m : sequence of (x, y, z)
        Place of each channel's microphone in metres: x along the road to the right, y towards the road, z up.

    Raises
    ------
    InputError
        If there are fewer than two channels, another number of positions, or less than one frame.

    Examples
    --------
    >>> noise = np.random.default_rng(1).standard_normal(16010)
    >>> heard = np.stack([noise[:16000], noise[5:16005]])  # 5 samples earlier at the right one
    >>> track = direction_track(heard, rate_hz=16000, positions_m=((0, 0, 0), (0.2, 0, 0)))
    >>> bool(abs(np.median(track.bearing_deg) - 32.4) < 2.0)
    True
    """
    channels, count = samples.shape if samples.ndim == 2 else (1, samples.size)
    if channels < 2 or len(positions_m) != channels:
        raise InputError(f"{channels} channels and {len(positions_m)} positions give no direction")
    segment = round(_SEGMENT_S * rate_hz)
    if count < round(FRAME_S * rate_hz):
        raise InputError(f"{count} samples are too few for a direction")
    phases = _phases(np.asarray(samples, dtype=np.float64), segment, rate_hz)
    steering = _steering(positions_m, phases.frequency_hz)
    # each frame sums the transforms of its half-overlapping segments before it is steered
    per_frame = round(FRAME_S / (_SEGMENT_S / 2)) - 1
    hop = HOP_S / (_SEGMENT_S / 2)
    starts = np.round(np.arange(0, phases.power.size - per_frame + 1, hop)).astype(int)
    running = np.concatenate([np.zeros((1, *phases.cross.shape[1:])), np.cumsum(phases.cross, axis=0)])
    summed = (running[starts + per_frame] - running[starts]) / per_frame
    scores = np.einsum("fpk,pkg->fg", summed, steering).real / (summed.shape[1] * summed.shape[2])
    loud = np.concatenate([[0.0], np.cumsum(phases.power)])
    power = (loud[starts + per_frame] - loud[starts]) / per_frame
    best = np.argmax(scores, axis=1)
    rows = np.arange(len(best))
    inner = np.clip(best, 1, scores.shape[1] - 2)
    left, peak, right = (scores[rows, inner + step] for step in (-1, 0, 1))
    bend = left - 2.0 * peak + right
    part = np.where(bend < -1e-12, 0.5 * (left - right) / np.minimum(bend, -1e-12), 0.0)
    part = np.where(best == inner, np.clip(part, -0.5, 0.5), 0.0)
    bearing = _GRID_DEG[best] + part * _STEP_DEG
    weight = np.clip(scores[rows, best] - np.median(scores, axis=1), 0.0, 1.0)
    middle_s = (starts + (per_frame + 1) / 2) * (segment // 2) / rate_hz
    return DirectionTrack(middle_s, bearing, weight, power)


@dataclass(frozen=True, slots=True)
class _Phases:
    """Whitened cross spectra, shape (segments, pairs, bins); bins' frequencies; power per segment."""

    cross: NDArray[np.complex128]
    frequency_hz: Floats
    power: Floats


def _phases(samples: Floats, segment: int, rate_hz: int) -> _Phases:
    hop = segment // 2
    count = (samples.shape[1] - segment) // hop + 1
    frames = np.lib.stride_tricks.sliding_window_view(samples, segment, axis=1)[:, ::hop][:, :count]
    spectra = np.fft.rfft(frames * np.hanning(segment), axis=2)
    frequency = np.fft.rfftfreq(segment, 1.0 / rate_hz)
    band = (frequency >= LOWEST_HZ) & (frequency <= min(HIGHEST_HZ, 0.45 * rate_hz))
    spectra = spectra[:, :, band]
    crosses = []
    for one, other in combinations(range(samples.shape[0]), 2):
        cross = spectra[one] * np.conj(spectra[other])
        crosses.append(cross / np.maximum(np.abs(cross), 1e-20))
    power = np.mean(frames[0] ** 2, axis=1)
    return _Phases(np.stack(crosses, axis=1), np.asarray(frequency[band], dtype=np.float64), power)


def _steering(
    positions_m: Sequence[tuple[float, float, float]], frequency_hz: Floats
) -> NDArray[np.complex128]:
    """Return the phase factors of each pair and direction, shape (pairs, bins, directions)."""
    bearing = np.deg2rad(_GRID_DEG)
    towards = np.stack([np.sin(bearing), np.cos(bearing), np.zeros_like(bearing)])
    places = np.asarray(positions_m, dtype=np.float64)
    factors = []
    for one, other in combinations(range(len(places)), 2):
        # the microphone further towards the source hears it earlier
        early_s = (places[other] - places[one]) @ towards / SOUND_MPS
        factors.append(np.exp(2j * np.pi * frequency_hz[:, None] * early_s[None, :]))
    return np.stack(factors)
