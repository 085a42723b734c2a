"""What somebody with a treated sound would try, for bench/privacy.py and the tests; and sound from levels.

Each attack takes the treated sound alone (``as if`` it had been scrambled in the known ways), except
``with_code_and_entropy``, which is given what noisewatch never keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from noisewatch.acoustics.meter import Meter
from noisewatch.acoustics.weighting import goal_db
from noisewatch.evidence.levels import LevelTable, levels_to_csv, read_levels
from noisewatch.privacy.bandnoise import Recipe, band_edges, random_colour
from noisewatch.recognition.voicefree import voice_free_features, voice_free_names

Array = NDArray[np.float64]


def fixed_length(wave: Array, rate_hz: int) -> Array:
    """Turn every 130 ms round: undoes reversal with a fixed length."""
    return _each_reversed(wave, list(range(0, wave.size, round(0.13 * rate_hz))))


def fade_dips(wave: Array, rate_hz: int) -> Array:
    """Turn round what lies between dips of the envelope: undoes reversal with random lengths and fades."""
    envelope = signal.sosfiltfilt(signal.butter(2, 30.0, fs=rate_hz, output="sos"), np.abs(wave))
    dips, _ = signal.find_peaks(-envelope, distance=round(0.08 * rate_hz))
    return _each_reversed(wave, [0, *(int(dip) for dip in dips)])


def whole_reversal(wave: Array, rate_hz: int) -> Array:
    """Play it backwards."""
    del rate_hz
    return np.asarray(wave[::-1])


def continuity(wave: Array, rate_hz: int) -> Array:
    """Put pieces of 0.25 s in the order in which each begins as the last one ended: undoes a shuffle."""
    size = round(0.25 * rate_hz)
    pieces = wave[: wave.size // size * size].reshape(-1, size)
    edge = round(0.05 * rate_hz)
    first = np.log(np.abs(np.fft.rfft(pieces[:, :edge], axis=1)) + 1e-9)
    last = np.log(np.abs(np.fft.rfft(pieces[:, -edge:], axis=1)) + 1e-9)
    order, left = [0], set(range(1, len(pieces)))
    while left:
        near = min(left, key=lambda piece: float(np.sum((first[piece] - last[order[-1]]) ** 2)))
        order.append(near)
        left.remove(near)
    return np.asarray(pieces[order].ravel())


def sharpening(wave: Array, rate_hz: int) -> Array:
    """Raise the envelope of every one-third octave to its third power, with 30 ms resolution."""
    size = 512
    _, _, spectra = signal.stft(wave, fs=rate_hz, nperseg=size, noverlap=size * 3 // 4)
    hertz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    band = np.searchsorted(band_edges(rate_hz), hertz, side="right") - 1
    for number in np.unique(band):
        rows = band == number
        envelope = np.sqrt(np.mean(np.abs(spectra[rows]) ** 2, axis=0)) + 1e-12
        spectra[rows] *= (envelope / envelope.mean()) ** 2
    return np.asarray(signal.istft(spectra, fs=rate_hz, nperseg=size, noverlap=size * 3 // 4)[1][: wave.size])


def code_without_entropy(wave: Array, rate_hz: int) -> Array:
    """Take the colour back with a guessed entropy: 32 zeros."""
    return _uncoloured(wave, rate_hz, bytes(32))


def with_code_and_entropy(wave: Array, rate_hz: int, entropy: bytes) -> Array:
    """Take the colour back with the true entropy, then sharpen: what the method alone protects."""
    return sharpening(_uncoloured(wave, rate_hz, entropy), rate_hz)


def _uncoloured(wave: Array, rate_hz: int, entropy: bytes) -> Array:
    edges = band_edges(rate_hz)
    colour = random_colour(entropy, edges_hz=edges, deviation_db=Recipe().colour_db)
    spectrum = np.fft.rfft(wave)
    band = np.searchsorted(edges, np.fft.rfftfreq(wave.size, 1.0 / rate_hz), side="right") - 1
    return np.asarray(np.fft.irfft(spectrum / colour[band], wave.size))


def _each_reversed(wave: Array, cuts: list[int]) -> Array:
    ends = [*cuts[1:], wave.size]
    return np.concatenate([wave[first:last][::-1] for first, last in zip(cuts, ends, strict=True)])


ATTACKS = {
    "fixed length": fixed_length,
    "fade dips": fade_dips,
    "whole reversal": whole_reversal,
    "continuity": continuity,
    "sharpening": sharpening,
    "code without entropy": code_without_entropy,
}


def band_vectors(wave: Array, *, rate_hz: int, step_s: float) -> Array:
    """Return the mean squares of one-third octaves per step, shape (steps, bands): what an event may hold."""
    size = round(step_s * rate_hz)
    rows = wave[: wave.size // size * size].reshape(-1, size)
    power = np.abs(np.fft.rfft(rows, axis=1)) ** 2 * (2.0 / size**2)
    edges = band_edges(rate_hz)
    band = np.searchsorted(edges, np.fft.rfftfreq(size, 1.0 / rate_hz), side="right") - 1
    return np.stack([np.bincount(band, weights=row, minlength=edges.size - 1) for row in power])


def stored_levels(wave: Array, rate_hz: int) -> LevelTable:
    """Return ``levels.csv`` of a sound as a package holds it, written and read back."""
    meter = Meter(rate_hz=rate_hz)
    frames = [*meter.push(wave.astype(np.float32)), *meter.finish()]
    return read_levels(levels_to_csv(frames, clip_start_sample=0))


def stored_rows(wave: Array, rate_hz: int) -> list[list[float]]:
    """Return the voice-free rows of a sound's whole seconds, rounded as a record holds them."""
    seconds = wave[: wave.size // rate_hz * rate_hz].reshape(-1, rate_hz)
    return [[round(float(value), 2) for value in voice_free_features(second)] for second in seconds]


def from_stored(vectors: Array, table: LevelTable, *, rate_hz: int, step_s: float) -> Array:
    """Return the sound that fits what is stored: the level gives bands their height, A and C their course."""
    levels = {name: np.nan_to_num(values, nan=-20.0) for name, values in table.levels_db.items()}
    energy = 10.0 ** (levels["laeq_db"] / 10.0)
    if len(vectors) <= energy.size:
        steps = np.array_split(energy, len(vectors))
        vectors = vectors * np.array([[step.mean()] for step in steps])
    return from_bands(
        vectors, rate_hz=rate_hz, step_s=step_s, levels_db=levels["laeq_db"], levels_c_db=levels["lceq_db"]
    )


def vectors_of_rows(rows: Sequence[Sequence[float]], *, rate_hz: int) -> Array:
    """Return band vectors from the voice-free rows of a record, shape (seconds, bands), as far as they go."""
    edges, names = band_edges(rate_hz), voice_free_names()
    places = [place for place, name in enumerate(names) if name.startswith(("low_band_", "high_band_"))]
    centres = 10.0 ** (3.0 + np.arange(-14, 9) / 10.0)
    vectors = np.full((len(rows), edges.size - 1), 1e-9)
    inside = np.searchsorted(edges, centres, side="right") - 1
    for vector, row in zip(vectors, rows, strict=True):
        vector[inside] = 10.0 ** (np.asarray(row)[places] / 10.0)
    return vectors


def from_bands(
    vectors: Array,
    *,
    rate_hz: int,
    step_s: float,
    levels_db: Array | None = None,
    levels_c_db: Array | None = None,
    rounds: int = 12,
) -> Array:
    """Return the sound that fits band energies per step, and levels every 125 ms where they are given.

    ``levels_db`` are A-weighted; with ``levels_c_db`` as well, their difference says every 125 ms how dark
    the sound was, and the two are fitted in turn, each where it weighs more.

    The magnitudes of a spectrogram of 32 ms are optimised until their band sums and levels fit (steps that
    multiply, from a spectrum that is smooth in time), then phases are found with Griffin and Lim's method.
    """
    size, hop = 512, 128
    count = round(vectors.shape[0] * step_s * rate_hz)
    frames = count // hop + 1
    hertz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    edges = band_edges(rate_hz)
    band = np.searchsorted(edges, hertz, side="right") - 1
    bins = np.maximum(np.bincount(band, minlength=edges.size - 1), 1)
    moments = np.arange(frames) * hop / rate_hz
    centres = (np.arange(vectors.shape[0]) + 0.5) * step_s
    power = np.stack([np.interp(moments, centres, row) for row in (vectors / bins).T])[band]
    step = np.minimum((moments / step_s).astype(int), vectors.shape[0] - 1)
    for _ in range(rounds):
        sums = np.stack([np.bincount(step, weights=row, minlength=vectors.shape[0]) for row in power])
        counts = np.bincount(step, minlength=vectors.shape[0])
        totals = np.stack([sums[band == b].sum(axis=0) for b in range(edges.size - 1)]) / counts
        power *= (vectors.T / (totals + 1e-20))[band][:, step] ** 0.5
        if levels_db is not None:
            curves = {"A": levels_db} if levels_c_db is None else {"A": levels_db, "C": levels_c_db}
            power = _fitted_to_levels(power, hertz, moments, curves)
    return _phases_found(np.sqrt(power), rate_hz, size, hop, count)


def _fitted_to_levels(power: Array, hertz: Array, moments: Array, curves: Mapping[str, Array]) -> Array:
    """Return the power of a spectrogram moved towards levels every 125 ms by their frequency weighting."""
    if len(curves) == 1:
        gains = {curve: np.ones_like(hertz) for curve in curves}
    else:
        gains = {curve: 10.0 ** (goal_db(curve, np.maximum(hertz, 10.0)) / 10.0) for curve in curves}
    whole = sum(gain**0.5 for gain in gains.values())
    for curve, levels_db in curves.items():
        slot = np.minimum((moments / 0.125).astype(int), levels_db.size - 1)
        heard = np.bincount(slot, weights=gains[curve] @ power, minlength=levels_db.size)
        wanted = 10.0 ** (levels_db / 10.0) * np.bincount(slot, minlength=levels_db.size)
        ratio = ((wanted / wanted.mean()) / (heard / heard.mean() + 1e-12))[slot]
        power = power * ratio[np.newaxis, :] ** (0.5 * gains[curve] ** 0.5 / whole)[:, np.newaxis]
    return power


def _phases_found(magnitude: Array, rate_hz: int, size: int, hop: int, count: int) -> Array:
    rng = np.random.default_rng(1)
    phases = np.exp(2j * np.pi * rng.random(magnitude.shape))
    wave = np.zeros(count)
    for _ in range(30):
        _, wave = signal.istft(magnitude * phases, fs=rate_hz, nperseg=size, noverlap=size - hop)
        _, _, spectra = signal.stft(wave, fs=rate_hz, nperseg=size, noverlap=size - hop)
        spectra = spectra[:, : magnitude.shape[1]]
        spectra = np.pad(spectra, ((0, 0), (0, magnitude.shape[1] - spectra.shape[1])))
        phases = np.exp(1j * np.angle(spectra))
    return np.asarray(np.pad(wave, (0, max(count - wave.size, 0)))[:count])
