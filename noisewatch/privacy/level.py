"""Give treated sound its level back: the course of LAF, and bangs as bursts of one fixed shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from noisewatch.acoustics.weighting import goal_db
from noisewatch.privacy.orders import averaged

FloatArray = NDArray[np.float64]

#: The level is followed no finer than this, in seconds: the time constant F that ``levels.csv`` states.
F_S = 0.125
#: A cell of 10 ms that stands this far above the cells around it is a bang.
BANG_DB = 9.0

_CELL_S = 0.01
_AROUND_S = 0.6
_APART_S = 0.25
_DECAY_S = 0.012
_SMOOTH_S = 0.125
_PASSES = 8
#: The gain is found at about this rate, and drawn smoothly between.
_COURSE_HZ = 1000
_MOST_GAIN = 8.0
_BUMP_S = 0.3
_BUMPS = 8
_NEAR_DB = 0.1
_GIVEN_BACK_DB = 0.35


def a_weighted(wave: FloatArray, *, rate_hz: int) -> FloatArray:
    """Return one channel weighted with the design goal of curve A (IEC 61672-1:2013, Annex E)."""
    size = int(fft.next_fast_len(wave.size, real=True))
    hertz = np.maximum(fft.rfftfreq(size, 1.0 / rate_hz), 1.0)
    gain = 10.0 ** (goal_db("A", hertz) / 20.0)
    return np.asarray(fft.irfft(fft.rfft(wave, size) * gain, size)[: wave.size])


def fast_energy(weighted: FloatArray, *, rate_hz: int) -> FloatArray:
    """Return the square with time weighting F, shape (n,)."""
    decay = float(np.exp(-1.0 / (F_S * rate_hz)))
    return np.asarray(signal.lfilter([1.0 - decay], [1.0, -decay], weighted**2))


def follow_level(treated: FloatArray, untouched: FloatArray, *, rate_hz: int) -> FloatArray:
    """Return the treated channel with the untouched one's course of LAF, LAFmax and LAeq.

    The gain is one curve for all frequencies, smooth over 0.125 s: it says nothing that the stored levels do
    not say. Revs that follow each other stay apart; over 0.25 s one in eight merged with its neighbour.
    """
    heard = a_weighted(untouched, rate_hz=rate_hz)
    cell = max(rate_hz // _COURSE_HZ, 1)
    wanted, got = (_means(x**2, cell) for x in (heard, a_weighted(treated, rate_hz=rate_hz)))
    log_gain = _course(wanted, got, rate_hz=rate_hz / cell)
    moments = (np.arange(log_gain.size) + 0.5) * cell
    result = treated * np.exp(np.interp(np.arange(treated.size), moments, log_gain))
    sound = float(np.sum(a_weighted(result, rate_hz=rate_hz) ** 2))
    if not sound > 0.0:
        return np.zeros_like(result)
    energy = float(np.sum(heard**2))
    result = _same_maximum(result * np.sqrt(energy / sound), fast_energy(heard, rate_hz=rate_hz), rate_hz)
    # moving the maximum moved the mean: give back so much of it that both stay within their limits
    moved_db = 10.0 * np.log10(energy / float(np.sum(a_weighted(result, rate_hz=rate_hz) ** 2)))
    return np.asarray(result * 10.0 ** (float(np.clip(moved_db, -_GIVEN_BACK_DB, _GIVEN_BACK_DB)) / 20.0))


def _means(values: FloatArray, cell: int) -> FloatArray:
    """Return the mean of each so many values; the last ones may be fewer."""
    starts = np.arange(0, values.size, cell)
    return np.asarray(np.add.reduceat(values, starts) / np.diff(np.append(starts, values.size)))


def _course(wanted: FloatArray, got: FloatArray, *, rate_hz: float) -> FloatArray:
    """Return the gain, as a natural logarithm, that brings one course of LAF to another, smooth.

    Both are powers of the weighted sound about every millisecond: a gain this smooth changes the weighted
    sound as it changes the sound, so that the curve can be found without filtering anew.
    """
    decay = float(np.exp(-1.0 / (F_S * rate_hz)))
    weights = ([1.0 - decay], [1.0, -decay])
    wanted = signal.lfilter(*weights, wanted)
    smooth = max(round(_SMOOTH_S * rate_hz), 1)
    lag = round(F_S * rate_hz)  # the level with time weighting F lags by its time constant
    floor = 1e-9 * float(wanted.max()) + 1e-20
    most = float(np.log(_MOST_GAIN))
    log_gain = np.zeros_like(wanted)
    for _ in range(_PASSES):
        now = signal.lfilter(*weights, got * np.exp(2.0 * log_gain))
        ratio = 0.5 * np.log((wanted + floor) / (now + floor))
        ahead = np.concatenate([ratio[lag:], np.full(lag, ratio[-1])])[: ratio.size]
        curve = averaged(np.pad(ahead, smooth, mode="edge"), smooth)[smooth : smooth + ratio.size]
        log_gain += np.clip(curve, -most, most)
    return log_gain


def _same_maximum(treated: FloatArray, wanted: FloatArray, rate_hz: int) -> FloatArray:
    """Return the sound with its highest LAF moved to the wanted one, by short smooth gains at the peaks."""
    bump = signal.windows.hann(round(_BUMP_S * rate_hz) + 2)[1:-1]
    top, result = int(np.argmax(wanted)), treated.copy()
    for _ in range(_BUMPS):
        got = fast_energy(a_weighted(result, rate_hz=rate_hz), rate_hz=rate_hz)
        peak = int(np.argmax(got))
        excess_db = 10.0 * np.log10(got[peak] / wanted[top])
        if abs(excess_db) < _NEAR_DB:
            break
        # too high: lower where it is highest; too low: raise where the untouched sound was highest
        centre = (peak if excess_db > 0.0 else top) - round(F_S * rate_hz / 2)
        wanted_db = -excess_db if excess_db > 0.0 else 10.0 * np.log10(wanted[top] / (got[top] + 1e-30))
        gain_db = float(np.clip(wanted_db, -6.0, 6.0))
        first = centre - bump.size // 2
        inside = slice(max(first, 0), max(min(first + bump.size, result.size), 0))
        part = bump[inside.start - first : inside.stop - first]
        result[inside] *= 10.0 ** (gain_db * part / 20.0)
    return result


def with_bangs(noise: FloatArray, untouched: FloatArray, *, rate_hz: int) -> FloatArray:
    """Return the noise with a burst wherever the untouched sound had a bang.

    A bang is a cell of 10 ms whose energy stands 9 dB above the 85th percentile of the cells within 0.6 s; at
    most one in 0.25 s counts. Its burst is the noise itself under a decay of 12 ms, higher in steps of 3 dB:
    of a plosive, its moment would pass and no more.
    """
    cell = max(round(_CELL_S * rate_hz), 1)
    count = untouched.size // cell
    if count < 8:
        return noise
    excess_db = _standing_out_db(untouched[: count * cell].reshape(count, cell))
    gain = np.ones_like(noise)
    shape = np.exp(-np.arange(round(8 * _DECAY_S * rate_hz)) / (_DECAY_S * rate_hz))
    for index in _bangs(excess_db):
        steps = np.floor(excess_db[index] / 3.0) * 3.0
        room = gain[index * cell : index * cell + shape.size]
        room += (10.0 ** (steps / 20.0)) * shape[: room.size]
    return np.asarray(noise * gain)


def _standing_out_db(cells: FloatArray) -> FloatArray:
    energy = np.mean(cells**2, axis=1)
    level = 10.0 * np.log10(energy + 1e-9 * float(energy.max()) + 1e-20)
    reach = max(1, min(round(_AROUND_S / _CELL_S), level.size - 1))
    padded = np.pad(level, reach, mode="symmetric")
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    return np.asarray(level - np.percentile(views, 85, axis=1))


def _bangs(excess_db: FloatArray) -> list[int]:
    """Return the cells of the bangs, the strongest of each 0.25 s."""
    apart = round(_APART_S / _CELL_S)
    peaks, _ = signal.find_peaks(excess_db, height=BANG_DB, distance=apart)
    return [int(peak) for peak in peaks]
