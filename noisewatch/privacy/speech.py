"""Destroy every voice in a sound: what leaves is new noise and says only how loud each band was, slowly.

No detector decides anything: under an engine a voice cannot be found, so every sound is treated whole. The
sound itself is thrown away. Only the energy of each one-third-octave band in windows of 0.5 s passes, and
noise drawn from the system's entropy takes its place. Reversing this would need what was never kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Name and version of the method; it stands in each record.
METHOD = "third-octave-noise-1"
#: Energy is known no finer than this, in seconds.
WINDOW_S = 0.5
MIN_ENTROPY_BYTES = 32

_LOWEST_HZ = 20.0


@dataclass(frozen=True, slots=True)
class TreatedSound:
    """Sound without voices.

    Parameters
    ----------
    samples : ndarray, float32, shape (channels, n)
        Pascal, as the input's.
    method : str
        :data:`METHOD`.
    details : mapping
        Figures of this treatment: window in seconds, number of bands.
    """

    samples: NDArray[np.float32]
    method: str
    details: Mapping[str, float | str]


def destroy_voices(samples: NDArray[np.float32], *, rate_hz: int, entropy: bytes) -> TreatedSound:
    """Return the sound as noise that follows each one-third-octave band's energy in windows of 0.5 s.

    Parameters
    ----------
    samples : ndarray, float32, shape (channels, n)
        Sound pressure in pascal.
    rate_hz : int
        Sample rate in hertz, 4000 or more.
    entropy : bytes
        32 bytes or more from the system's source of randomness, for this sound only and never kept.

    Raises
    ------
    ValueError
        If the samples are not finite channels of sound, the rate is too low, or the entropy too short.

    Examples
    --------
    >>> import os
    >>> tone = np.sin(2 * np.pi * 500 * np.arange(32000) / 16000).astype(np.float32)[np.newaxis]
    >>> treated = destroy_voices(tone, rate_hz=16000, entropy=os.urandom(32))
    >>> treated.samples.shape, bool(abs(np.std(treated.samples) / np.std(tone) - 1) < 0.02)
    ((1, 32000), True)
    """
    _check(samples, rate_hz, entropy)
    edges_hz = _band_edges(rate_hz)
    treated = np.empty_like(samples)
    for number, channel in enumerate(samples):
        seed = entropy + number.to_bytes(4, "big")
        treated[number] = _treat(channel.astype(np.float64), rate_hz, edges_hz, seed)
    details = {"window_s": WINDOW_S, "bands": float(edges_hz.size - 1)}
    return TreatedSound(treated, METHOD, details)


def _check(samples: NDArray[np.float32], rate_hz: int, entropy: bytes) -> None:
    if samples.ndim != 2 or 0 in samples.shape or samples.dtype != np.float32:
        raise ValueError(f"voices are destroyed in float32 samples (channels, n), not {samples.dtype} "
                         f"{samples.shape}")  # fmt: skip
    if not np.all(np.isfinite(samples)):
        raise ValueError("the sound to treat holds samples that are not finite")
    if rate_hz < 4000:
        raise ValueError(f"a rate of {rate_hz} Hz is too low to be treated")
    if len(entropy) < MIN_ENTROPY_BYTES:
        raise ValueError(f"{len(entropy)} bytes of entropy are too few, {MIN_ENTROPY_BYTES} are needed")


def _band_edges(rate_hz: int) -> NDArray[np.float64]:
    """Return the edges of the bands in hertz: 0, one-third octaves on base 10, half the rate."""
    top = int(np.floor(10.0 * np.log10(0.45 * rate_hz)))
    edges = 10.0 ** ((np.arange(int(10 * np.log10(_LOWEST_HZ)) + 1, top + 1) - 0.5) / 10.0)
    return np.concatenate([[0.0], edges, [rate_hz / 2.0 + 1.0]])


def _treat(
    wave: NDArray[np.float64], rate_hz: int, edges_hz: NDArray[np.float64], seed: bytes
) -> NDArray[np.float64]:
    """Return noise with the band energies of one channel, frame by frame, at the same mean square."""
    half = max(round(WINDOW_S * rate_hz / 2), 1)
    size = 2 * half
    frames = -(-wave.size // half) + 1
    padded = np.zeros((frames + 1) * half)
    padded[half : half + wave.size] = wave
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    hertz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    band = np.searchsorted(edges_hz, hertz, side="right") - 1
    width = np.bincount(band, minlength=edges_hz.size - 1)
    phases = _uniform(seed, frames * hertz.size).reshape(frames, hertz.size)
    result = np.zeros_like(padded)
    for frame in range(frames):
        part = slice(frame * half, frame * half + size)
        power = np.abs(np.fft.rfft(padded[part] * window)) ** 2
        density = np.bincount(band, weights=power, minlength=width.size) / np.maximum(width, 1)
        spectrum = np.sqrt(density[band]) * np.exp(2j * np.pi * phases[frame])
        result[part] += np.fft.irfft(spectrum, size) * window
    noise = result[half : half + wave.size]
    before, after = float(np.mean(wave**2)), float(np.mean(noise**2))
    return np.asarray(noise * np.sqrt(before / after) if after > 0.0 else noise * 0.0)


def _uniform(seed: bytes, count: int) -> NDArray[np.float64]:
    """Return numbers from 0 to 1 drawn from an extendable-output function."""
    drawn = np.frombuffer(hashlib.shake_256(seed).digest(4 * count), dtype="<u4")
    return np.asarray(drawn / 2.0**32)
