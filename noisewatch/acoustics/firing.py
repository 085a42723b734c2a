"""The firing-frequency track of an engine: how often its cylinders fire, four times a second.

An engine's sound is a series of lines at half orders of the crank; the lines of the firing order stand out of
it. The spacing of the strong lines is read from the cepstrum of a compressed, whitened spectrum, and a path
through the frames of a pass is found by dynamic programming. The spacing says nothing of the number of
cylinders, and the half-order lines between the firing lines can be mistaken for firing lines: so halves,
doubles and the like are reported as alternatives, and a crank speed only ever per cylinder count.

Sources: A. M. Noll, "Cepstrum pitch determination", JASA 41 (1967); crank orders of a four-stroke engine: the
firing frequency is rpm / 60 x cylinders / 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from noisewatch.acoustics.estimate import CONFIDENT, Alternative, Estimate, unknown
from noisewatch.errors import InputError

ANALYSIS_HZ = 4000
HOP_S = 0.25
WINDOW_S = 1.0
HOP_S = 0.25
FIRING_MIN_HZ = 20.0
FIRING_MAX_HZ = 430.0
TOLERANCE = 0.03

_FFT = 8192
_AT_ONCE = 4  # frames
_STEP = 0.006  # width of a grid bin in the natural logarithm of the frequency
_COMPRESSION = 0.6  # between amplitude (strong lines rule) and logarithm (noise between lines rules)
_WHITEN_HZ = 250.0
_LINES_TO_HZ = 1300.0  # above it Doppler and wander smear the lines into each other
_FADE_HZ = 300.0
_HIGH_PREFERENCE = 0.5  # exponent: of two octaves the lower wins only if it is 1.4 times as strong
_PERIODS = (0.30, 0.25, 0.20, 0.15, 0.10)  # one to five periods: a pipe's resonance dies out, lines do not
_FLOOR = 0.03  # salience below this is noise and speaks against a path
_APART = 20  # bins, 12 %: a lower peak that is another series
_MAX_MOVE = 14  # bins per hop: Doppler at 100 km/h and 3 m is 8 % in 0.25 s
_MOVE_COST = 0.06
_JUMP_COST = 6.0  # a gear change: any frequency at once
_NOISE = 0.02  # standard deviation of the salience of noise

#: What the strongest line spacing may be instead of the firing frequency.
RIVAL_RATIOS = (0.5, 2.0, 1 / 3, 3.0, 2 / 3, 1.5, 0.25, 4.0)
_RATIO_NAMES = (
    "half", "twice", "a third of", "three times", "two thirds of", "1.5 times", "a quarter of", "four times",
)  # fmt: skip
# Logistic fit on development passes and noise: constant, log strength, strongest other peak, strongest lower
# peak, the eight rivals, log frequency. The constant is 1.1 below the fit: wrong costs more than unknown.
_CONFIDENCE = (4.08, 1.21, -0.12, -4.93, 0.87, -0.07, 1.06, -0.58, 2.70, -4.91, -2.84, -0.86, 0.91)

#: Natural logarithmic grid of candidate firing frequencies in hertz, shape (512,).
GRID_HZ: NDArray[np.float64] = np.exp(np.arange(np.log(FIRING_MIN_HZ), np.log(FIRING_MAX_HZ), _STEP))


def decimate_for_analysis(samples: NDArray[np.floating], rate_hz: int) -> NDArray[np.float64]:
    """Return one channel, shape (n,), at :data:`ANALYSIS_HZ`, with its mean removed.

    Raises
    ------
    InputError
        If the samples are not one channel, fewer than 50 ms, or not finite, or the rate is below 4 kHz.
    """
    wave: NDArray[np.float32] = np.asarray(samples, dtype=np.float32)
    if wave.ndim != 1 or rate_hz < ANALYSIS_HZ or wave.size < rate_hz // 20:
        what = f"engine analysis needs one channel of at least 50 ms at 4 kHz or more, not {wave.shape}"
        raise InputError(what, where=f"{rate_hz} Hz", remedy="pass one channel of the recording")
    if not np.all(np.isfinite(wave)):
        raise InputError("engine analysis got samples that are not finite", remedy="repair the recording")
    if rate_hz == ANALYSIS_HZ:
        return np.asarray(wave - wave.mean(), dtype=np.float64)
    # only here: who has sound at this rate need not wait for scipy
    from scipy.signal import resample_poly

    ratio = Fraction(ANALYSIS_HZ, int(rate_hz))
    taps = _decimation_taps(ratio.denominator)
    slow = resample_poly(wave, ratio.numerator, ratio.denominator, window=taps).astype(np.float64)
    return np.asarray(slow - slow.mean())


@lru_cache(maxsize=16)
def _decimation_taps(down: int) -> NDArray[np.float32]:
    """Return a low-pass that keeps aliases out of the band of the lines, and no more."""
    from scipy.signal import firwin

    rate_hz = ANALYSIS_HZ * down
    stop_hz = ANALYSIS_HZ - _LINES_TO_HZ - _FADE_HZ
    width_hz = stop_hz - _LINES_TO_HZ - _FADE_HZ
    count = int(3.6 * rate_hz / width_hz) | 1
    taps = firwin(count, 0.5 * ANALYSIS_HZ, window=("kaiser", 6.0), fs=rate_hz)
    return np.asarray(taps, dtype=np.float32)


def salience(wave: NDArray[np.float64], centres_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how strongly each candidate frequency spaces the lines round each moment.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        Sound at :data:`ANALYSIS_HZ`.
    centres_s : ndarray, shape (frames,)
        Centres of the windows of 1 s; what lies outside the sound counts as silence.

    Returns
    -------
    ndarray, shape (frames, len(GRID_HZ))
        Cepstral salience; 1 is a perfect series of equal lines without noise, noise lies round 0.
    """
    return _salience_and_power(wave, centres_s)[0]


def _salience_and_power(
    wave: NDArray[np.float64], centres_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return salience and the pre-emphasised power spectra, a few frames at a time."""
    width = int(WINDOW_S * ANALYSIS_HZ)
    padded = np.concatenate([np.zeros(width), wave, np.zeros(width)])
    starts = np.round(centres_s * ANALYSIS_HZ).astype(int) + width // 2
    window = np.hanning(width)
    strength = np.empty((starts.size, GRID_HZ.size))
    power = np.empty((starts.size, _band()[0].size))
    for first in range(0, starts.size, _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        frames = np.stack([padded[start : start + width] for start in starts[part]]) * window
        strength[part], power[part] = _frames_salience(frames)
    return strength, power


def _frames_salience(frames: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    hertz, fade = _band()
    spectrum = np.fft.rfft(frames, _FFT, axis=1)[:, : hertz.size]
    power = (spectrum.real**2 + spectrum.imag**2) * (np.maximum(hertz, 15.0) / 1000.0) ** 2
    magnitude = power ** (0.5 * _COMPRESSION)
    envelope = uniform_filter1d(magnitude, int(_WHITEN_HZ / ANALYSIS_HZ * _FFT) | 1, axis=1)
    sounding = envelope > 1e-12
    flat = np.where(sounding, magnitude / np.where(sounding, envelope, 1.0) - 1.0, 0.0) * fade
    cepstrum = np.fft.irfft(flat, 2 * _FFT, axis=1)  # lags of half a sample
    cepstrum *= 2.0 * _FFT / np.sum(fade)
    strength = np.zeros((frames.shape[0], GRID_HZ.size))
    for periods, weight in enumerate(_PERIODS, start=1):
        lags = periods * 2.0 * ANALYSIS_HZ / GRID_HZ
        below = lags.astype(int)
        part = lags - below
        # the whitening takes part of the wide spacings away, and adds to the narrower ones
        lost = np.maximum(1.0 - np.sinc(periods * _WHITEN_HZ / GRID_HZ), 0.5)
        strength += weight / lost * (cepstrum[:, below] * (1.0 - part) + cepstrum[:, below + 1] * part)
    return strength, power


@lru_cache(maxsize=1)
def _band() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequency and weight of the spectral bins that the salience reads."""
    count = int((_LINES_TO_HZ + _FADE_HZ) / ANALYSIS_HZ * _FFT)
    hertz = np.arange(count, dtype=np.float64) * (ANALYSIS_HZ / _FFT)
    fade = np.clip(1.0 - (hertz - _LINES_TO_HZ) / _FADE_HZ, 0.0, 1.0) * np.clip(hertz / 20.0, 0.0, 1.0)
    return hertz, fade


def best_path(strength: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the grid bin of the most likely path through the frames, shape (frames,).

    Parameters
    ----------
    strength : ndarray, shape (frames, bins)
        Salience of :func:`salience`.

    Notes
    -----
    Dynamic programming: the path's sum of salience, higher octaves preferred, less a cost per bin moved; a
    gear change may jump anywhere at a fixed cost.
    """
    gain = (strength - _FLOOR) / _NOISE * (GRID_HZ / GRID_HZ[0]) ** _HIGH_PREFERENCE / 2.0
    frames, bins = gain.shape
    moves = np.arange(-_MAX_MOVE, _MAX_MOVE + 1)
    cost = _MOVE_COST * np.abs(moves)[:, None]
    came_from = np.zeros((frames, bins), dtype=np.intp)
    total = gain[0].copy()
    padded = np.full(bins + 2 * _MAX_MOVE, -np.inf)
    for frame in range(1, frames):
        padded[_MAX_MOVE:-_MAX_MOVE] = total
        reached = sliding_window_view(padded, bins) - cost
        choice = np.argmax(reached, axis=0)
        value = reached[choice, np.arange(bins)]
        top = int(np.argmax(total))
        jumps = value < total[top] - _JUMP_COST
        came_from[frame] = np.where(jumps, top, np.arange(bins) + choice - _MAX_MOVE)
        total = np.where(jumps, total[top] - _JUMP_COST, value) + gain[frame]
    path = np.empty(frames, dtype=np.intp)
    path[-1] = int(np.argmax(total))
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return path


@dataclass(frozen=True, slots=True)
class FiringTrack:
    """The firing frequency, its confidence and its rivals, one row per :data:`HOP_S`.

    Parameters
    ----------
    time_s : ndarray, shape (frames,)
        Middle of each frame, seconds since the first sample.
    candidate_hz : ndarray, shape (frames,)
        The most likely firing frequency as received (Doppler included), however unlikely.
    confidence : ndarray, shape (frames,)
        Probability that the candidate is within 3 % of the firing frequency.
    harmonicity : ndarray, shape (frames,)
        Share of the pre-emphasised power up to 1.3 kHz that repeats with the candidate's period, 0 to 1.
    rivals : ndarray, shape (frames, 8)
        Strength of :data:`RIVAL_RATIOS` times the candidate, against the candidate's own.
    """

    time_s: NDArray[np.float64]
    candidate_hz: NDArray[np.float64]
    confidence: NDArray[np.float64]
    harmonicity: NDArray[np.float64]
    rivals: NDArray[np.float64]

    @property
    def firing_hz(self) -> NDArray[np.float64]:
        """The track with NaN wherever it is unknown."""
        return np.where(self.confidence >= CONFIDENT, self.candidate_hz, np.nan)

    def at(self, time_s: float) -> Estimate:
        """Return the firing frequency in hertz at one moment; halves, doubles and thirds are alternatives."""
        if not self.time_s[0] - HOP_S <= time_s <= self.time_s[-1] + HOP_S:
            return unknown("Hz", why=f"{time_s:.2f} s lies outside the track")
        log_hz = np.interp(time_s, self.time_s, np.log(self.candidate_hz))
        nearest = int(np.argmin(np.abs(self.time_s - time_s)))
        return self._estimate(float(np.exp(log_hz)), nearest, float(self.confidence[nearest]))

    def _estimate(self, hertz: float, frame: int, confidence: float) -> Estimate:
        belief = self.rivals[frame] ** 2
        belief = belief * (1.0 - confidence) / max(float(belief.sum()), 1e-9)
        others = [
            Alternative(hertz * ratio, round(float(weight), 4), f"{name} the strongest line spacing")
            for ratio, name, weight in zip(RIVAL_RATIOS, _RATIO_NAMES, belief, strict=True)
            if weight > 0 and FIRING_MIN_HZ / 2 <= hertz * ratio <= FIRING_MAX_HZ * 2
        ]
        others.sort(key=lambda other: -other.weight)
        if confidence < CONFIDENT:
            best = Alternative(hertz, confidence, "the strongest line spacing")
            why = "no harmonic series stands out of the sound and of its own halves and doubles"
            return unknown("Hz", confidence, why=why, alternatives=(best, *others))
        interval = (hertz * (1 - TOLERANCE), hertz * (1 + TOLERANCE))
        why = "lines that are spaced by this frequency stand out; the number of cylinders is not heard"
        return Estimate(hertz, "Hz", confidence, interval, tuple(others), why)


def firing_track(samples: NDArray[np.floating], *, rate_hz: int) -> FiringTrack:
    """Track the firing frequency of the loudest engine.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        One channel of sound; the unit does not matter.
    rate_hz : int
        Sample rate in hertz, 4000 or more.

    Raises
    ------
    InputError
        See :func:`decimate_for_analysis`.

    Examples
    --------
    >>> time_s = np.arange(16000) / 8000
    >>> pulses = np.cos(2 * np.pi * 75 * time_s) ** 21  # 75 firings a second
    >>> estimate = firing_track(pulses, rate_hz=8000).at(1.0)
    >>> round(estimate.value)
    75
    """
    wave = decimate_for_analysis(samples, rate_hz)
    duration_s = wave.size / ANALYSIS_HZ
    time_s = (np.arange(max(1, round(duration_s / HOP_S)), dtype=np.float64) + 0.5) * HOP_S
    strength, power = _salience_and_power(wave, time_s)
    path = best_path(strength)
    candidate_hz = GRID_HZ[path] * np.exp(_STEP * _peak_offset(strength, path))
    rivals, features = _rivals(strength, path)
    log_odds = _CONFIDENCE[0] + features @ np.asarray(_CONFIDENCE[1:])
    heard = np.clip((_NOISE * np.exp(features[:, 0]) - _FLOOR) / _FLOOR, 0.0, 1.0)
    return FiringTrack(
        time_s=time_s,
        candidate_hz=candidate_hz,
        confidence=heard / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0))),
        harmonicity=_harmonicity(power, candidate_hz),
        rivals=rivals,
    )


def _peak_offset(strength: NDArray[np.float64], path: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return where between the bins the peak of each frame lies, -0.5 to 0.5."""
    inside = np.clip(path, 1, GRID_HZ.size - 2)
    rows = np.arange(path.size)
    left, here, right = (strength[rows, inside + step] for step in (-1, 0, 1))
    bend = left - 2.0 * here + right
    offset = np.where(bend < -1e-9, 0.5 * (left - right) / np.minimum(bend, -1e-9), 0.0)
    return np.where(inside == path, np.clip(offset, -0.5, 0.5), 0.0)


def _rivals(
    strength: NDArray[np.float64], path: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the strength of the rivals against the path, and what the confidence is made of."""
    rows = np.arange(path.size)
    own = strength[rows, path]
    near = np.maximum(_mean_of_five(own), 1e-3)
    rivals = np.zeros((path.size, len(RIVAL_RATIOS)))
    for column, ratio in enumerate(RIVAL_RATIOS):
        bins = path + round(np.log(ratio) / _STEP)
        heard = (bins >= 3) & (bins < GRID_HZ.size - 3)
        reach = np.clip(bins, 3, GRID_HZ.size - 4)[:, None] + np.arange(-3, 4)
        other = np.where(heard, strength[rows[:, None], reach].max(axis=1), 0.0)
        rivals[:, column] = np.maximum(_mean_of_five(other) * ratio**_HIGH_PREFERENCE / near, 0.0)
    preferred = np.maximum(strength - _FLOOR, 0.0) * GRID_HZ**_HIGH_PREFERENCE
    away = np.abs(np.arange(GRID_HZ.size) - path[:, None]) * _STEP > TOLERANCE
    best_other = np.where(away, preferred, 0.0).max(axis=1)
    against = np.clip(best_other / np.maximum(preferred[rows, path], 1e-6), 0.0, 3.0)
    below = np.arange(GRID_HZ.size) < path[:, None] - _APART
    lower = np.where(below, strength, 0.0).max(axis=1)
    lower = np.minimum(_mean_of_five(lower) / near, 4.0)
    columns = [
        np.log(near / _NOISE),
        against,
        lower,
        *np.minimum(rivals, 2.0).T,
        np.log(GRID_HZ[path] / 80.0),
    ]
    features = np.stack(columns, axis=1)
    return rivals, features


def _mean_of_five(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(uniform_filter1d(values, 5, mode="nearest"))


def _harmonicity(power: NDArray[np.float64], candidate_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the autocorrelation of each frame at its candidate's period, corrected for the window."""
    hertz, _ = _band()
    period_s = 1.0 / candidate_hz
    wave = np.cos(2.0 * np.pi * hertz * period_s[:, None])
    repeated = np.einsum("fb,fb->f", power, wave) / np.maximum(power.sum(axis=1), 1e-30)
    return np.asarray(np.clip(repeated, 0.0, 1.0))


def crank_speeds(firing_hz: float) -> tuple[Alternative, ...]:
    """Return what crank speed in rpm a firing frequency means, per number of cylinders (four-stroke).

    Only speeds from 500 to 14000 rpm are given. The weights are equal: sound alone does not count cylinders.

    Examples
    --------
    >>> [(round(speed.value), speed.why) for speed in crank_speeds(100.0)][:2]
    [(12000, '1 cylinder'), (6000, '2 cylinders')]
    """
    speeds = [(120.0 * firing_hz / count, count) for count in (1, 2, 3, 4, 5, 6, 8)]
    speeds = [(rpm, count) for rpm, count in speeds if 500.0 <= rpm <= 14000.0]
    return tuple(
        Alternative(rpm, 1.0 / len(speeds), f"{count} cylinder{'s' if count > 1 else ''}")
        for rpm, count in speeds
    )
