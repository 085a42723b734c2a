"""The orders of an engine, made again from their track: what repeats with the firing, averaged over 0.5 s.

A voice has lines too, but its pitch never holds still: along a track that is smooth over half a second its
lines average out. What then remains of the low band says how much of it repeats, and only where most of it
does (an engine) the orders pass; elsewhere they are noise like everything else. This decides what an engine
sounds like afterwards, not whether anything is treated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from noisewatch.acoustics.firing import ANALYSIS_HZ, decimate_for_analysis, firing_track

FloatArray = NDArray[np.float64]
Values = TypeVar("Values", FloatArray, NDArray[np.complex128])

#: Orders above this frequency are noise.
TO_HZ = 1300.0
#: Orders are averaged over windows this long.
AVERAGE_S = 0.5
#: The same in seconds that a signature recognised.
RECOGNISED_AVERAGE_S = 0.25
#: Share of the low band that repeats, from which orders begin to pass, and from which they pass whole.
SHARE_FROM, SHARE_WHOLE = 0.2, 0.45

_ORDERS = 16
_FRAME_S = 0.5
_FFT = 8192
_SLOPES_PER_S = np.linspace(-0.6, 0.6, 13)
_FINE = 1.0 + np.linspace(-0.04, 0.04, 41)
_REFINE_TO_HZ = 1000.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What repeats with the firing in one channel.

    Parameters
    ----------
    sound : ndarray, shape (n,)
        The orders that pass, at the channel's rate.
    share : ndarray, shape (m,)
        Share of the low band that repeats, 0 to 1, at 4 kHz.
    passing : ndarray, shape (m,)
        How much of the orders passes, 0 to 1, at 4 kHz.
    cycles : ndarray, shape (m,)
        Phase of the firing in cycles, at 4 kHz.
    """

    sound: FloatArray
    share: FloatArray
    passing: FloatArray
    cycles: FloatArray


def engine_orders(wave: FloatArray, *, rate_hz: int, recognised: FloatArray | None = None) -> Orders:
    """Return the orders of the loudest engine of one channel, shape (n,); none where nothing repeats.

    Parameters
    ----------
    wave : ndarray, shape (n,)
        One channel, 50 ms or more.
    rate_hz : int
        Its rate, 4 kHz or more.
    recognised : ndarray, shape (m,), optional
        How much each moment is one in which a signature matched, 0 to 1, at 4 kHz: there all that repeats
        passes, averaged over 0.25 s only, because revs run up fast and most engines are mostly noise.
    """
    slow = decimate_for_analysis(wave, rate_hz)
    cycles, hertz = _firing_cycles(slow)
    low = signal.sosfiltfilt(_low_band(), slow)
    window = round(AVERAGE_S * ANALYSIS_HZ)
    repeating = _repeating(slow, cycles, hertz, window)
    heard = signal.sosfiltfilt(_low_band(), repeating)
    energy = averaged(low**2, window)
    tiny = 1e-12 * float(energy.max()) + 1e-20
    share = np.clip(averaged(heard**2, window) / (energy + tiny), 0.0, 1.0)
    passing = np.clip((share - SHARE_FROM) / (SHARE_WHOLE - SHARE_FROM), 0.0, 1.0)
    passing = np.clip(averaged(passing, window // 2), 0.0, 1.0)
    if recognised is not None and recognised.any():
        known = np.pad(recognised[: slow.size], (0, max(0, slow.size - recognised.size)), mode="edge")
        closer = _repeating(slow, cycles, hertz, round(RECOGNISED_AVERAGE_S * ANALYSIS_HZ))
        repeating = (1.0 - known) * passing * repeating + known * closer
        passing = np.maximum(passing, known)
        return Orders(_at_rate(repeating, rate_hz, wave.size), share, passing, cycles)
    return Orders(_at_rate(repeating * passing, rate_hz, wave.size), share, passing, cycles)


def _repeating(slow: FloatArray, cycles: FloatArray, hertz: FloatArray, window: int) -> FloatArray:
    """Return what repeats with the firing up to :data:`TO_HZ`, averaged over a window."""
    repeating = np.zeros_like(slow)
    for order in range(1, _ORDERS + 1):
        weight = np.clip((TO_HZ - order * hertz) / 100.0, 0.0, 1.0)
        if weight.any():
            carrier = np.exp(2j * np.pi * order * cycles)
            line = averaged(slow * carrier.conj(), window)
            repeating += 2.0 * weight * np.real(line * carrier)
    return repeating


def averaged(values: Values, window: int) -> Values:
    """Return a running mean under a Hann window, same shape; outside lies zero."""
    kernel = signal.windows.hann(window + 2)[1:-1]
    result: Values = signal.oaconvolve(values, kernel / kernel.sum(), mode="same")
    return result


def _low_band() -> FloatArray:
    return np.asarray(
        signal.butter(4, [40.0, _REFINE_TO_HZ], "bandpass", fs=ANALYSIS_HZ, output="sos"), dtype=np.float64
    )


def _at_rate(slow: FloatArray, rate_hz: int, count: int) -> FloatArray:
    """Return a sound at 4 kHz at another rate, exactly as long as the channel."""
    common = int(np.gcd(ANALYSIS_HZ, rate_hz))
    fast = signal.resample_poly(slow, rate_hz // common, ANALYSIS_HZ // common)
    result = np.zeros(count)
    result[: min(count, fast.size)] = fast[:count]
    return result


def _firing_cycles(slow: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the phase of the firing in cycles and its frequency in hertz, each shape (m,)."""
    track = firing_track(slow, rate_hz=ANALYSIS_HZ)
    finer_hz = _finer(slow, track.time_s, track.candidate_hz)
    time_s = np.arange(slow.size) / ANALYSIS_HZ
    hertz = np.exp(np.interp(time_s, track.time_s, np.log(finer_hz)))
    for _ in range(2):
        hertz = _pulled_in(slow, hertz)
    return np.cumsum(hertz) / ANALYSIS_HZ, hertz


def _finer(slow: FloatArray, moments_s: FloatArray, candidates_hz: FloatArray) -> FloatArray:
    """Return the track within 4 % of the candidates whose lines are highest, for a steady rise or fall."""
    width = round(_FRAME_S * ANALYSIS_HZ)
    padded = np.concatenate([np.zeros(width), slow, np.zeros(width)])
    at_s = (np.arange(width) - width / 2) / ANALYSIS_HZ
    window = np.hanning(width)
    # reading the frame where the phase of a rising tone has grown by equal steps makes its line narrow
    read_s = np.stack([np.interp(at_s, at_s + slope * at_s**2 / 2, at_s) for slope in _SLOPES_PER_S])
    found = np.empty_like(candidates_hz)
    for number, (moment_s, candidate_hz) in enumerate(zip(moments_s, candidates_hz, strict=True)):
        start = int(moment_s * ANALYSIS_HZ) + width - width // 2
        frame = padded[start : start + width]
        power = np.abs(np.fft.rfft(np.interp(read_s, at_s, frame) * window, _FFT, axis=1)) ** 2
        tried_hz = candidate_hz * _FINE
        orders = np.arange(1, max(1, int(min(8.0, _REFINE_TO_HZ // candidate_hz))) + 1)
        bins = np.round(orders[:, None] * tried_hz * (_FFT / ANALYSIS_HZ)).astype(int)
        height = np.einsum("sot,o->st", power[:, bins], orders.astype(np.float64))
        found[number] = tried_hz[int(np.argmax(height.max(axis=0)))]
    return found


def _pulled_in(slow: FloatArray, hertz: FloatArray) -> FloatArray:
    """Return the frequency corrected by how fast the phases of the lines drift, at most 3 %."""
    cycles = np.cumsum(hertz) / ANALYSIS_HZ
    drift, weight = np.zeros_like(slow), np.full_like(slow, 1e-20)
    for order in range(1, 9):
        carrier = np.exp(2j * np.pi * order * cycles)
        line = averaged(slow * carrier.conj(), ANALYSIS_HZ // 4) * (order * hertz < _REFINE_TO_HZ)
        turned = np.imag(line[:-1].conj() * line[1:]) * ANALYSIS_HZ / (2.0 * np.pi)
        drift[:-1] += order * turned
        weight += order**2 * np.abs(line) ** 2
    window = round(0.4 * ANALYSIS_HZ)
    shift = averaged(drift, window) / (averaged(weight, window) + 1e-30)
    return np.asarray(hertz * np.clip(1.0 + shift / hertz, 0.97, 1.03))
