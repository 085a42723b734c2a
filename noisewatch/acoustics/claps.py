"""From flashes that also sound to the offset between picture and sound. Pure: arrays in, a verdict out.

A camera sees a flash only from the first frame that shows it: the flash itself lies between the frame before
and that one. Every clap therefore gives an interval that must hold the offset, and claps at irregular moments
narrow it far below a frame. The offset is the middle of what most intervals share (Marzullo's algorithm, as
in RFC 5905 section 11.2.1), so a slammed door or a headlight does not move it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A clap and its flash are looked for this far from each other, in seconds.
REACH_S = 0.45
#: Two claps lie at least so far apart, in seconds.
PAUSE_S = 0.5
#: What the frames' own times wander, in seconds: intervals are widened by it.
SLACK_S = 0.003
#: Claps that must agree, their share of all, and the bound beyond which the result is of no use.
MINIMUM_CLAPS = 5
MINIMUM_SHARE = 0.7
MAXIMUM_BOUND_S = 0.015
#: A flash lifts the mean brightness by at least this much (of 255), and so often the usual change.
_LIFT = 2.0
_LIFT_FACTOR = 8.0
#: A clap is that many decibels above the street's median level of 1 ms, and within so many of the loudest.
_ABOVE_STREET_DB = 15.0
_BELOW_LOUDEST_DB = 20.0


@dataclass(frozen=True, slots=True)
class Flash:
    """One flash: the last frame without it and the first one that shows it, in seconds."""

    dark_s: float
    lit_s: float


@dataclass(frozen=True, slots=True)
class SyncVerdict:
    """What a row of claps says of the offset: how much later a picture comes than its sound, in seconds.

    ``bound_s`` is how far the offset can be off, ``spread_s`` the standard deviation of single claps,
    ``agreeing`` how many of the ``claps`` hold the offset.
    """

    accepted: bool
    why: str
    offset_s: float
    bound_s: float
    spread_s: float
    claps: int
    agreeing: int


def find_claps(samples: NDArray[np.float32], *, rate_hz: int) -> tuple[float, ...]:
    """Return when claps or beeps begin, in seconds after the first sample, right within 1 ms.

    Parameters
    ----------
    samples : ndarray, float32, shape (n,)
        One channel in any unit.
    rate_hz : int
        Sample rate in hertz.

    Examples
    --------
    >>> sound = np.zeros(48_000, np.float32)
    >>> sound[24_000:24_480] = 0.5
    >>> find_claps(sound, rate_hz=48_000)
    (0.5,)
    """
    step = max(1, rate_hz // 1000)
    whole = len(samples) // step * step
    if whole == 0:
        return ()
    # the difference of neighbours takes the rumble of the street away
    rough = np.diff(samples[:whole], prepend=samples[:1])
    power = np.mean(rough.reshape(-1, step).astype(np.float64) ** 2, axis=1)
    floor = np.median(power) * 10 ** (_ABOVE_STREET_DB / 10)
    least = max(floor, power.max() * 10 ** (-_BELOW_LOUDEST_DB / 10))
    if power.max() <= 0.0 or power.max() < floor:
        return ()
    loud = np.flatnonzero(power > least)
    begins = np.concatenate([[True], np.diff(loud) > PAUSE_S * rate_hz / step])
    return tuple(float(index) for index in loud[begins] * step / rate_hz)


def find_flashes(times_s: Sequence[float], brightness: NDArray[np.float64]) -> tuple[Flash, ...]:
    """Return the flashes of a row of frames.

    Parameters
    ----------
    times_s : sequence of float
        When each frame was shown, rising.
    brightness : ndarray, float64, shape (frames, cells)
        Mean luma (0 to 255) of each cell of a grid over the picture.

    Examples
    --------
    >>> light = np.full((50, 4), 60.0)
    >>> light[20:23] += 100.0
    >>> find_flashes([n / 25 for n in range(50)], light)
    (Flash(dark_s=0.76, lit_s=0.8),)
    """
    if len(times_s) != len(brightness):
        raise ValueError(f"{len(times_s)} times but {len(brightness)} frames")
    if len(times_s) < 3:
        return ()
    lifts = np.maximum(np.diff(brightness, axis=0), 0.0).mean(axis=1)
    least = max(_LIFT, _LIFT_FACTOR * float(np.median(lifts)))
    flashes: list[Flash] = []
    for index in np.flatnonzero(lifts > least).tolist():
        dark_s, lit_s = times_s[index], times_s[index + 1]
        if not flashes or lit_s - flashes[-1].lit_s > PAUSE_S:
            flashes.append(Flash(dark_s, lit_s))
    return tuple(flashes)


def offset_of(flashes: Sequence[Flash], claps_s: Sequence[float], *, delay_s: float = 0.0) -> SyncVerdict:
    """Judge a row of claps.

    Parameters
    ----------
    flashes, claps_s : sequences
        As found, both on the street's clock.
    delay_s : float
        How long the sound took from the clap to the microphone.

    Examples
    --------
    >>> claps = [1.0, 2.513, 4.027, 5.539, 7.061, 8.582]
    >>> seen = [Flash(n / 25 - 0.04 + 0.08, n / 25 + 0.08) for n in (25, 63, 101, 139, 177, 215)]
    >>> verdict = offset_of(seen, claps)
    >>> verdict.accepted, verdict.agreeing, abs(verdict.offset_s - 0.08) < 0.02
    (True, 6, True)
    """
    low: list[float] = []
    high: list[float] = []
    for flash in flashes:
        near = min(claps_s, key=lambda clap_s: abs(flash.lit_s - clap_s), default=None)
        if near is not None and abs(flash.lit_s - near) <= REACH_S:
            low.append(flash.dark_s - near + delay_s)
            high.append(flash.lit_s - near + delay_s)
    if not low:
        what = f"{len(flashes)} flashes and {len(claps_s)} claps, none of them together"
        return SyncVerdict(
            accepted=False, why=what, offset_s=0.0, bound_s=REACH_S, spread_s=0.0, claps=0, agreeing=0
        )
    start_s, end_s, agreeing = _shared(low, high)
    middles = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    offset_s, bound_s = (start_s + end_s) / 2, (end_s - start_s) / 2 + SLACK_S
    why = _against(agreeing, len(low), bound_s)
    return SyncVerdict(
        accepted=not why,
        why=why or f"{agreeing} of {len(low)} claps agree within {bound_s * 1e3:.0f} ms",
        offset_s=offset_s,
        bound_s=bound_s,
        spread_s=float(np.std(middles)),
        claps=len(low),
        agreeing=agreeing,
    )


def _shared(low: Sequence[float], high: Sequence[float]) -> tuple[float, float, int]:
    """Return the stretch that most intervals share, and how many they are."""
    edges = sorted(
        [(start - SLACK_S, 0) for start in low] + [(end + SLACK_S, 1) for end in high],
    )
    best, count, start_s, end_s = 0, 0, 0.0, 0.0
    for index, (edge_s, is_end) in enumerate(edges):
        if is_end:
            count -= 1
            continue
        count += 1
        if count > best:
            best, start_s, end_s = count, edge_s, edges[index + 1][0]
    # the widening is taken back where intervals overlap by more than it
    if end_s - start_s > 2 * SLACK_S:
        start_s, end_s = start_s + SLACK_S, end_s - SLACK_S
    return start_s, end_s, best


def _against(agreeing: int, claps: int, bound_s: float) -> str:
    """Return why a row of claps is not accepted; empty where it is."""
    if agreeing < MINIMUM_CLAPS:
        return f"only {agreeing} claps agree; {MINIMUM_CLAPS} are needed"
    if agreeing < MINIMUM_SHARE * claps:
        return f"only {agreeing} of {claps} claps agree; clap where nothing else flashes or bangs"
    if bound_s > MAXIMUM_BOUND_S:
        return (
            f"the claps leave {bound_s * 1e3:.0f} ms open (limit {MAXIMUM_BOUND_S * 1e3:.0f} ms); "
            "clap at irregular moments, more often"
        )
    return ""
