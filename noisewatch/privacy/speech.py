"""Destroy every voice in a sound: what leaves is new noise, the orders of an engine, and the level.

No detector decides whether: under an engine a voice cannot be found, so every sound is treated whole. The
sound itself is thrown away. What passes is, for each channel,

* how loud each one-third octave was in windows of 0.5 s, blurred over an octave and recoloured at random,
  carried by noise drawn from the system's entropy (:mod:`~noisewatch.privacy.bandnoise`);
* the orders of an engine where most of the low band repeats with its firing, averaged over 0.5 s
  (:mod:`~noisewatch.privacy.orders`);
* more of an engine in the seconds that the event's signature matched: the spectrum of whole seconds in a
  weaker random colour, orders whole, and pulses (:mod:`~noisewatch.privacy.recognised`);
* the moments of bangs, as bursts of one fixed shape (:mod:`~noisewatch.privacy.level`);
* the course of the A-weighted level, no finer than ``levels.csv`` states it.

There is nothing to reverse: with the entropy known too, no more than these figures could be had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisewatch.acoustics.firing import ANALYSIS_HZ
from noisewatch.privacy.bandnoise import Recipe, band_edges, band_noise, random_colour
from noisewatch.privacy.level import follow_level, with_bangs
from noisewatch.privacy.orders import engine_orders
from noisewatch.privacy.recognised import Span, course, engine_noise, with_pulses

FloatArray = NDArray[np.float64]

#: Name and version of the method; it stands in each record.
METHOD = "band-noise-and-orders-6"
MIN_ENTROPY_BYTES = 32

_RECIPE = Recipe()
_SHORTEST_FOR_ORDERS_S = 0.5


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
        Figures of the method: window in seconds, number of bands, blur in octaves, colours in dB,
        seconds that were recognised.
    """

    samples: NDArray[np.float32]
    method: str
    details: Mapping[str, float | str]


def destroy_voices(
    samples: NDArray[np.float32],
    *,
    rate_hz: int,
    entropy: bytes,
    recipe: Recipe = _RECIPE,
    recognised: Sequence[Span] = (),
) -> TreatedSound:
    """Return the sound without any voice in it, at the same level.

    Treat a sound once: two treatments of the same sound could be averaged, and say a little more of its tone
    colour than one.

    Parameters
    ----------
    samples : ndarray, float32, shape (channels, n)
        Sound pressure in pascal.
    rate_hz : int
        Sample rate in hertz, 4000 or more.
    entropy : bytes
        32 bytes or more from the system's source of randomness, for this sound only and never kept.
    recipe : Recipe
        How much passes; only tests and benchmarks take another than the default.
    recognised : sequence of (start_s, end_s)
        Where the signature that caused the event matched, in seconds after the first sample; nowhere by
        default.

    Raises
    ------
    ValueError
        If the samples are not finite channels of sound, the rate is too low, or the entropy too short.

    Examples
    --------
    >>> import os
    >>> tone = np.sin(2 * np.pi * 500 * np.arange(32000) / 16000).astype(np.float32)[np.newaxis]
    >>> treated = destroy_voices(tone, rate_hz=16000, entropy=os.urandom(32))
    >>> treated.samples.shape, treated.method == METHOD
    ((1, 32000), True)
    """
    _check(samples, rate_hz, entropy)
    edges = band_edges(rate_hz)
    colour = random_colour(entropy, edges_hz=edges, deviation_db=recipe.colour_db)
    # the same curve: two of them, each for a part of the clip, would average out
    weaker = colour ** (recipe.recognised_colour_db / recipe.colour_db if recipe.colour_db else 0.0)
    known = course(recognised, rate_hz=rate_hz, count=samples.shape[1])
    treated = np.zeros_like(samples)
    for number, channel in enumerate(samples):
        if np.any(channel):
            own = entropy + number.to_bytes(4, "big")
            treated[number] = _treat(
                channel.astype(np.float64), rate_hz, own, recipe, (colour, weaker), known
            )
    details: dict[str, float | str] = {
        "window_s": recipe.window_s,
        "bands": float(edges.size - 1),
        "blur_octaves": recipe.blur_octaves,
        "colour_db": recipe.colour_db,
        "recognised_colour_db": recipe.recognised_colour_db,
        "recognised_s": round(float(known.sum()) / rate_hz, 3),
    }
    return TreatedSound(treated, METHOD, details)


def _check(samples: NDArray[np.float32], rate_hz: int, entropy: bytes) -> None:
    if samples.ndim != 2 or 0 in samples.shape or samples.dtype != np.float32:
        raise ValueError(
            f"voices are destroyed in float32 (channels, n), not {samples.dtype} {samples.shape}"
        )
    if not np.all(np.isfinite(samples)):
        raise ValueError("the sound to treat holds samples that are not finite")
    if rate_hz < 4000:
        raise ValueError(f"a rate of {rate_hz} Hz is too low to be treated")
    if len(entropy) < MIN_ENTROPY_BYTES:
        raise ValueError(f"{len(entropy)} bytes of entropy are too few, {MIN_ENTROPY_BYTES} are needed")


def _treat(
    wave: FloatArray,
    rate_hz: int,
    entropy: bytes,
    recipe: Recipe,
    colours: tuple[FloatArray, FloatArray],
    known: FloatArray,
) -> FloatArray:
    """Return what takes the place of one channel; ``known`` says how much each moment was recognised.

    ``colours`` are the random curves of the other moments, and of these.
    """
    orders, cycles = np.zeros_like(wave), np.zeros(0)
    if wave.size >= _SHORTEST_FOR_ORDERS_S * rate_hz:
        moments_s = np.arange(-(-wave.size * ANALYSIS_HZ // rate_hz)) / ANALYSIS_HZ
        slow = np.interp(moments_s, np.arange(wave.size) / rate_hz, known)
        found = engine_orders(wave, rate_hz=rate_hz, recognised=slow)
        orders, cycles = found.sound, found.cycles
    rest = wave - orders
    noise = band_noise(rest, rate_hz=rate_hz, entropy=entropy, recipe=recipe, colour=colours[0])
    if known.any() and cycles.size:
        close = engine_noise(rest, rate_hz=rate_hz, entropy=entropy, colour=colours[1])
        close = with_pulses(close, wave, rate_hz=rate_hz, cycles=cycles)
        noise = np.sqrt(1.0 - known) * noise + np.sqrt(known) * close
    noise = with_bangs(noise, wave, rate_hz=rate_hz)
    return follow_level(orders + noise, wave, rate_hz=rate_hz)
