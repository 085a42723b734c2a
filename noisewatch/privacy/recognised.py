"""What more passes in seconds that a signature recognised: the spectrum of whole seconds, and the pulses.

Where the signature that caused an event matched, an engine is what is heard, and the clip shall show it.
There the noise keeps the spectrum of windows of 1 s line by line (new phases, so that nothing inside a
window is left in its place), and its loudness repeats with the firing as the sound's did. Words need what
happens within a second and are destroyed here as well. The random tone colour, which hides who spoke, is
weaker: in these seconds the engine helps to hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from noisewatch.acoustics.firing import ANALYSIS_HZ
from noisewatch.privacy.bandnoise import band_edges
from noisewatch.privacy.orders import averaged
from noisewatch.privacy.randomness import uniform

FloatArray = NDArray[np.float64]
#: Start and end of what was recognised, in seconds after the first sample.
Span = tuple[float, float]

WINDOW_S = 1.0
#: The rhythm of the firing is averaged over this long.
AVERAGE_S = 0.25

_EDGE_S = 0.25
_BANDS_HZ = (60.0, 400.0, 1500.0, 3500.0, 7600.0, 20_000.0)
#: Orders of the firing that the envelope may repeat with, by halves, and the highest of their frequencies.
_HALVES, _TO_HZ = 8, 500.0
_LOWEST_HZ = 16.0
_TINY = 1e-20


def course(spans: Sequence[Span], *, rate_hz: int, count: int) -> FloatArray:
    """Return how much each moment is one that was recognised, 0 to 1, shape (count,).

    Examples
    --------
    >>> course([(1.0, 2.0)], rate_hz=4, count=12)[[0, 6, 11]].round(2).tolist()
    [0.0, 1.0, 0.0]
    """
    inside = np.zeros(count)
    for start_s, end_s in spans:
        inside[max(0, round(start_s * rate_hz)) : max(0, round(end_s * rate_hz))] = 1.0
    if not inside.any() or inside.all():
        return inside
    return np.clip(averaged(inside, max(1, round(_EDGE_S * rate_hz))), 0.0, 1.0)


def engine_noise(
    rest: FloatArray, *, rate_hz: int, entropy: bytes, colour: FloatArray | None = None
) -> FloatArray:
    """Return noise with the spectrum that each window of 1 s had, and new phases, shape (n,).

    Parameters
    ----------
    rest : ndarray, shape (n,)
        One channel without the orders that pass by themselves.
    rate_hz : int
        Its rate.
    entropy : bytes
        For this channel alone.
    colour : ndarray, shape (bands,), optional
        Amplitude factors of the bands of :func:`~noisewatch.privacy.bandnoise.band_edges`, drawn smoothly
        between their centres; the same for all channels.
    """
    half = max(round(WINDOW_S * rate_hz / 2), 1)
    size = 2 * half
    frames = -(-rest.size // half) + 1
    padded = np.zeros((frames + 1) * half)
    padded[half : half + rest.size] = rest
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    phases = uniform(entropy, "recognised", frames * (half + 1)).reshape(frames, half + 1)
    gain = 1.0 if colour is None else _smooth_gain(colour, rate_hz=rate_hz, count=half + 1)
    made = np.zeros_like(padded)
    for frame in range(frames):
        part = slice(frame * half, frame * half + size)
        magnitude = gain * np.abs(fft.rfft(padded[part] * window))
        made[part] += window * fft.irfft(magnitude * np.exp(2j * np.pi * phases[frame]), size)
    return made[half : half + rest.size]


def _smooth_gain(colour: FloatArray, *, rate_hz: int, count: int) -> FloatArray:
    """Return the factors of bands at so many frequencies up to half the rate."""
    edges = band_edges(rate_hz)
    centres = np.sqrt(np.maximum(edges[:-1], edges[1] / 2.0) * edges[1:])
    hertz = np.maximum(np.linspace(0.0, rate_hz / 2.0, count), centres[0])
    return np.asarray(np.exp(np.interp(np.log(hertz), np.log(centres), np.log(colour))))


def with_pulses(noise: FloatArray, wave: FloatArray, *, rate_hz: int, cycles: FloatArray) -> FloatArray:
    """Return noise whose loudness, in five wide bands, repeats with the firing as the wave's does.

    Parameters
    ----------
    noise, wave : ndarray, shape (n,)
        What to change, and the channel it stands for.
    rate_hz : int
        Their rate.
    cycles : ndarray, shape (m,)
        Phase of the firing in cycles, at 4 kHz.
    """
    spectrum, of_noise = fft.rfft(wave), fft.rfft(noise)
    spacing_hz = rate_hz / wave.size
    at_s = np.arange(wave.size) / rate_hz
    slow_s = np.arange(cycles.size) / ANALYSIS_HZ
    result = noise.copy()
    for low_hz, high_hz in pairwise(_BANDS_HZ):
        first, last = (min(round(hertz / spacing_hz), spectrum.size) for hertz in (low_hz, high_hz))
        if last - first < 8:
            continue
        gain = np.maximum(1.0 + _rhythm(_envelope(spectrum[first:last], cycles.size), cycles), 0.05)
        band = np.zeros_like(of_noise)
        band[first:last] = of_noise[first:last]
        result += fft.irfft(band, noise.size) * (np.interp(at_s, slow_s, gain) - 1.0)
    return result


def _envelope(bins: NDArray[np.complex128], count: int) -> FloatArray:
    """Return the magnitude of the analytic signal of some bins, at as many moments as are wanted."""
    size = int(fft.next_fast_len(bins.size))
    magnitude = np.abs(fft.ifft(np.pad(bins, (0, size - bins.size))))
    return np.asarray(np.interp(np.arange(count) / count, np.arange(size) / size, magnitude))


def _rhythm(envelope: FloatArray, cycles: FloatArray) -> FloatArray:
    """Return what of an envelope repeats with the firing or its halves, relative to its mean."""
    window = round(AVERAGE_S * ANALYSIS_HZ)
    mean = averaged(envelope, window) + 1e-9 * float(envelope.max(initial=0.0)) + _TINY
    hertz = np.gradient(cycles) * ANALYSIS_HZ
    repeats = np.zeros_like(envelope)
    for order in np.arange(1, _HALVES + 1) / 2.0:
        weight = np.clip((_TO_HZ - order * hertz) / 100.0, 0.0, 1.0)
        weight *= np.clip((order * hertz - _LOWEST_HZ) / 6.0, 0.0, 1.0)
        if weight.any():
            carrier = np.exp(2j * np.pi * order * cycles)
            repeats += 2.0 * weight * np.real(averaged((envelope - mean) * carrier.conj(), window) * carrier)
    return np.asarray(repeats / mean)
