"""Noise that follows the energy of bands slowly, and whose tone colour is blurred and drawn at random.

What passes from the sound to the noise is one number per one-third octave per 0.25 s, blurred over an octave
and changed by a random curve: enough for how loud and how dark, not for a vowel, and not for whose it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from noisewatch.privacy.randomness import normal, uniform

FloatArray = NDArray[np.float64]

_LOWEST_HZ = 20.0
_FLATTENINGS = 3  # passes that take the roughness out of the noise of one band
_TINY = 1e-20


@dataclass(frozen=True, slots=True)
class Recipe:
    """How much passes.

    Parameters
    ----------
    window_s : float
        Energy is known in windows this long, every half of it.
    blur_octaves : float
        Standard deviation of the bell over which the level of bands is averaged.
    colour_db : float
        Standard deviation of the random curve that is added to the spectrum, once for a sound.
    recognised_colour_db : float
        The same in seconds that a signature recognised: the same curve, drawn weaker.
    """

    window_s: float = 0.5
    blur_octaves: float = 1.0
    colour_db: float = 7.0
    recognised_colour_db: float = 3.0


def band_edges(rate_hz: int) -> FloatArray:
    """Return the edges of the bands in hertz: 0, one-third octaves on base 10, half the rate.

    Examples
    --------
    >>> [round(float(edge)) for edge in band_edges(16000)[[0, 1, 2, -2]]]
    [0, 28, 35, 7079]
    """
    top = int(np.floor(10.0 * np.log10(0.45 * rate_hz)))
    first = int(10.0 * np.log10(_LOWEST_HZ)) + 1
    edges = 10.0 ** ((np.arange(first, top + 1) + 0.5) / 10.0)
    return np.concatenate([[0.0], edges, [rate_hz / 2.0 + 1.0]])


def band_energies(wave: FloatArray, *, rate_hz: int, window_s: float) -> tuple[FloatArray, FloatArray]:
    """Return moments in seconds, shape (frames,), and mean squares per band, shape (frames, bands)."""
    edges = band_edges(rate_hz)
    half = max(round(window_s * rate_hz / 2), 1)
    size = 2 * half
    frames = -(-wave.size // half) + 1
    padded = np.zeros((frames + 1) * half)
    padded[half : half + wave.size] = wave
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    band = np.searchsorted(edges, fft.rfftfreq(size, 1.0 / rate_hz), side="right") - 1
    energies = np.empty((frames, edges.size - 1))
    for frame in range(frames):
        spectrum = fft.rfft(padded[frame * half : frame * half + size] * window)
        power = spectrum.real**2 + spectrum.imag**2
        energies[frame] = np.bincount(band, weights=power, minlength=edges.size - 1)
    return np.arange(frames) * half / rate_hz, energies * (4.0 / size**2)


def blurred(energies: FloatArray, *, edges_hz: FloatArray, octaves: float) -> FloatArray:
    """Return energies whose density in decibels is averaged over neighbouring bands with a bell."""
    if octaves <= 0.0:
        return energies
    place = np.log2(np.sqrt(np.maximum(edges_hz[:-1], _LOWEST_HZ / 2) * edges_hz[1:]))
    weights = np.exp(-0.5 * ((place[:, None] - place) / octaves) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    width = np.diff(edges_hz)
    floor = _TINY + 1e-7 * energies.max(axis=1, keepdims=True)
    density = np.log((energies + floor) / width)
    return np.asarray(np.exp(density @ weights.T) * width)


def random_colour(entropy: bytes, *, edges_hz: FloatArray, deviation_db: float) -> FloatArray:
    """Return a random smooth curve over the bands as amplitude factors, shape (bands,)."""
    place = np.log2(np.sqrt(np.maximum(edges_hz[:-1], _LOWEST_HZ / 2) * edges_hz[1:]))
    likeness = np.exp(-0.5 * (place[:, None] - place) ** 2) + 1e-6 * np.eye(place.size)
    curve = np.linalg.cholesky(likeness) @ normal(entropy, "colour", place.size)
    return np.asarray(10.0 ** (deviation_db * curve / 20.0))


def band_noise(
    wave: FloatArray, *, rate_hz: int, entropy: bytes, recipe: Recipe, colour: FloatArray
) -> FloatArray:
    """Return noise that takes the place of one channel, shape (n,).

    Parameters
    ----------
    wave : ndarray, shape (n,)
        The sound to replace.
    rate_hz : int
        Its rate.
    entropy : bytes
        For this channel alone.
    recipe : Recipe
        How much passes.
    colour : ndarray, shape (bands,)
        From :func:`random_colour`; the same for all channels, or their mean would undo it.
    """
    edges = band_edges(rate_hz)
    moments_s, energies = band_energies(wave, rate_hz=rate_hz, window_s=recipe.window_s)
    energies = blurred(energies, edges_hz=edges, octaves=recipe.blur_octaves) * colour**2
    size = int(fft.next_fast_len(wave.size, real=True))
    spacing_hz = rate_hz / size
    bounds = np.minimum(np.ceil(edges / spacing_hz).astype(int), size // 2)
    spectrum = np.zeros(size // 2 + 1, dtype=np.complex128)
    phases = uniform(entropy, "phases", spectrum.size)
    for band, (first, last) in enumerate(pairwise(bounds)):
        if last - first >= 2:
            amplitude = np.sqrt(energies[:, band])
            piece = _one_band(phases[first:last], moments_s, amplitude, size / rate_hz)
            spectrum[first:last] = piece * size
    return np.asarray(fft.irfft(spectrum, size)[: wave.size])


def _one_band(
    phases: FloatArray, moments_s: FloatArray, amplitude: FloatArray, duration_s: float
) -> NDArray[np.complex128]:
    """Return the spectrum of smooth noise of one band with an amplitude that changes in time.

    Dividing by the envelope and cutting back to the band, a few times, gives noise without the dips and
    crests of ordinary noise: otherwise they would stand for 1 dB in the level with time weighting F.
    """
    count = phases.size
    size = int(fft.next_fast_len(2 * count))
    band = np.zeros(size, dtype=np.complex128)
    band[:count] = np.exp(2j * np.pi * phases)
    signal = fft.ifft(band)
    for _ in range(_FLATTENINGS):
        envelope = np.abs(signal)
        band = fft.fft(signal / (envelope + 1e-3 * envelope.mean()))
        band[count:] = 0.0
        signal = fft.ifft(band)
    signal /= np.sqrt(np.mean(np.abs(signal) ** 2)) + _TINY
    signal *= np.interp(np.arange(size) * (duration_s / size), moments_s, amplitude)
    # the spectrum of a real signal of this mean square: half of the power at positive frequencies
    return np.asarray(fft.fft(signal)[:count] / size / np.sqrt(2.0))
