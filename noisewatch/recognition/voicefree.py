"""The voice-free features: bands over one second and engine scalars, from which no speech can be recovered.

One row says of a whole second how its power lies over one-third octaves, how regular its firing is, how it
pulses, and how its level moves: nothing in it has an order in time that a word would need. It is the only
set that may ever be stored for a street, one row a second at most. Relative to the window's own power, up to
7 kHz, above a pink floor 40 dB down: neither level nor sample rate can be learnt.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from noisewatch.acoustics.firing import GRID_HZ, decimate_for_analysis, salience

FloatArray = NDArray[np.float64]

#: Name of the set; a change of any number below needs a new one.
NAME = "voice-free-1"
#: Rows that may be stored of one second of street.
ROWS_PER_S = 1
_RATE_HZ = 16_000
_FLOOR_DB = -40.0
_TINY = 1e-12
_LEVEL_ROWS = 8
#: One-third octaves by number (IEC 61260-1: base ten, 0 is 1 kHz), 40 Hz to 6.3 kHz.
_BANDS = range(-14, 9)
_LOW_BANDS = 11  # up to 400 Hz, where exhausts have their first orders
_TONAL_HZ = ((40.0, 400.0), (400.0, 1500.0), (1500.0, 6500.0))
_ENVELOPE_HZ = ((60, 400), (400, 1500), (1500, 6500))
_ENVELOPE_RATE_HZ = 1000
_MODULATION_HZ = (2.0, 5.0, 10.0, 20.0, 35.0, 60.0, 100.0, 160.0, 250.0, 400.0)
_APART = 20  # grid bins, 12 %: a peak that is another series


def voice_free_features(window: FloatArray) -> FloatArray:
    """Describe one second of sound by what may be stored of it.

    Parameters
    ----------
    window : ndarray, float64, shape (16000,)
        Sound at 16 kHz in any unit; multiplying it by a constant changes nothing.

    Returns
    -------
    ndarray, float64
        The values that :func:`voice_free_names` names, all finite.

    Examples
    --------
    >>> hiss = np.random.default_rng(1).standard_normal(16000)
    >>> bool(np.allclose(voice_free_features(hiss), voice_free_features(0.01 * hiss), atol=1e-3))
    True
    """
    return np.concatenate([np.atleast_1d(part) for _, part in _described(window)], dtype=np.float64)


@lru_cache(maxsize=1)
def voice_free_names() -> tuple[str, ...]:
    """Return the names of the features, in the order of :func:`voice_free_features`."""
    names: list[str] = []
    for name, part in _described(np.random.default_rng(0).standard_normal(_RATE_HZ)):
        size = np.atleast_1d(part).size
        names.extend([name] if size == 1 else [f"{name}_{index}" for index in range(size)])
    return tuple(names)


def _described(window: FloatArray) -> list[tuple[str, FloatArray]]:
    centred = window - window.mean()
    power = float(np.mean(centred * centred))
    scaled = centred / np.sqrt(power) if power > 1e-24 else centred
    spectrum = fft.rfft(scaled)
    return [*_bands(scaled), *_firing(scaled), *_pulsing(spectrum, scaled), *_level(scaled)]


def _bands(scaled: FloatArray) -> list[tuple[str, FloatArray]]:
    """One-third octaves over the whole second, how tonal three ranges are, and where the power lies."""
    taper, matrix, floor, octave = _tables()
    spectrum = fft.rfft(scaled * taper)
    power = spectrum.real**2 + spectrum.imag**2
    level_db = 10 * np.log10(power @ matrix + floor)
    share = 10 ** (level_db / 10)
    share /= share.sum()
    centroid = float(share @ octave)
    tonal = []
    for low_hz, high_hz in _TONAL_HZ:
        part = power[int(low_hz) : int(high_hz)] + _TINY
        tonal.append(float(np.log(part).mean() - np.log(part.mean())))
    spread = float(np.sqrt(max(float(share @ octave**2) - centroid**2, 0.0)))
    return [
        ("low_band", level_db[:_LOW_BANDS]),
        ("high_band", level_db[_LOW_BANDS:]),
        ("tonality", np.maximum(tonal, -12.0)),
        ("middle", np.array([centroid, spread])),
    ]


def _firing(scaled: FloatArray) -> list[tuple[str, FloatArray]]:
    """How strong and how high the strongest series of lines is, and its rivals."""
    found = salience(decimate_for_analysis(scaled, _RATE_HZ), np.array([0.5]))[0]
    best = int(found.argmax())
    others = found.copy()
    others[max(best - _APART, 0) : best + _APART] = -np.inf
    octave = round(np.log(2) / 0.006)
    lower, higher = found[max(best - octave, 0)], found[min(best + octave, found.size - 1)]
    return [
        ("firing_strength", np.array([found[best], others.max(), found[best] - others.max()])),
        ("firing_height", np.array([np.log2(GRID_HZ[best] / 100.0)])),
        ("firing_octaves", np.array([lower, higher, float(found.std())])),
    ]


def _pulsing(spectrum: FloatArray, scaled: FloatArray) -> list[tuple[str, FloatArray]]:
    """How the envelopes of three ranges pulse, 2 to 400 Hz, summed over the second."""
    envelopes = np.stack([_envelope(spectrum, low, high, scaled.size) for low, high in _ENVELOPE_HZ]) + 1e-3
    shape = envelopes / envelopes.mean(axis=1, keepdims=True) - 1.0
    modulation = np.abs(fft.rfft(shape * signal.windows.hann(shape.shape[1]), axis=1)) ** 2
    edges = np.searchsorted(np.arange(modulation.shape[1]) * 1.0, _MODULATION_HZ)
    sums = np.add.reduceat(modulation, edges, axis=1)[:, :-1]
    firing = modulation[:, edges[3] : edges[-1]]
    spread = shape.std(axis=1)
    squared = scaled * scaled
    return [
        ("modulation", (10 * np.log10(sums / shape.shape[1] ** 2 + 1e-7)).ravel()),
        ("modulation_peak", np.log10(firing.max(axis=1) / (firing.mean(axis=1) + _TINY) + _TINY)),
        ("envelope_spread", spread),
        ("envelope_skew", (shape * shape * shape).mean(axis=1) / (spread**3 + 1e-6)),
        ("envelope_link", np.array([_link(shape[0], shape[1]), _link(shape[1], shape[2])])),
        ("peaked", np.array([20 * np.log10(np.abs(scaled).max() + _TINY), np.log(squared.var() + 1e-3)])),
        ("lopsided", np.array([float(np.mean(squared * scaled))])),
    ]


def _level(scaled: FloatArray) -> list[tuple[str, FloatArray]]:
    """How the level of 125 ms moves in the second: spread, range and trend, not the moves."""
    parts = (scaled * scaled).reshape(_LEVEL_ROWS, -1).mean(axis=1)
    level_db = 10 * np.log10(parts + 1e-4)
    time_s = np.arange(_LEVEL_ROWS) / _LEVEL_ROWS - 0.4375
    slope = float(time_s @ level_db / (time_s @ time_s))
    return [("level_move", np.array([level_db.std(), np.ptp(level_db), slope]))]


def _envelope(spectrum: FloatArray, low_hz: int, high_hz: int, size: int) -> FloatArray:
    """Magnitude of a range, a thousand times a second: its part of the spectrum moved to zero."""
    factor = -(-(high_hz - low_hz) // _ENVELOPE_RATE_HZ)
    moved = np.zeros(factor * _ENVELOPE_RATE_HZ, dtype=np.complex128)
    moved[: high_hz - low_hz] = spectrum[low_hz:high_hz]
    magnitude = np.abs(fft.ifft(moved)) * (2 * moved.size / size)
    return np.asarray(magnitude.reshape(-1, factor).mean(axis=1))


def _link(one: FloatArray, other: FloatArray) -> float:
    return float(one @ other / (np.sqrt((one @ one) * (other @ other)) + _TINY))


@lru_cache(maxsize=1)
def _tables() -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the taper, the bands, the floor in each band, and the bands' places in octaves from 1 kHz."""
    taper = signal.windows.hann(_RATE_HZ, sym=False)
    taper /= np.sqrt(_RATE_HZ * np.sum(taper**2) / 2)
    hertz = fft.rfftfreq(_RATE_HZ, 1 / _RATE_HZ)
    columns, centres_hz = [], [1000.0 * 10 ** (number / 10) for number in _BANDS]
    for centre_hz in centres_hz:
        low_hz, high_hz = centre_hz * 10**-0.05, centre_hz * 10**0.05
        columns.append(((hertz >= low_hz) & (hertz < high_hz)).astype(np.float64))
    matrix = np.stack(columns, axis=1)
    pink = np.where((hertz >= 35) & (hertz <= 7000), 1 / np.maximum(hertz, 1.0), 0.0)
    pink *= 10 ** (_FLOOR_DB / 10) / pink.sum()
    return taper, matrix, np.asarray(pink @ matrix), np.log2(np.array(centres_hz) / 1000.0)
