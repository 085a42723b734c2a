"""A camera that shows no street, a microphone in a plastic bag: seen by comparing a day with itself; pure.

Both work on a handful of figures in memory that are never stored, so after a restart they learn anew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisewatch.node.health import Trouble
from noisewatch.node.hours import Hour

#: How often one picture is looked at, in seconds.
LOOK_EVERY_S = 600.0
#: So many equal looks in a row are a frozen camera: half an hour.
FROZEN_LOOKS = 4
#: Two pictures of a living camera differ by at least this much on average, of 255.
FROZEN_CHANGE = 0.02
#: For so long no look shows a street before the camera counts as covered: longer than any night, in hours.
COVERED_H = 20.0
#: A street in daylight or under lamps has at least this spread of brightness, of 255.
FLAT = 8.0
#: Hours that are compared with the hours before, and how many of these there must be.
RECENT_HOURS, KNOWN_HOURS, FEWEST_KNOWN = 12, 14 * 24, 48
#: A shift of the levels by so much, in the median, is no weather, in dB.
SHIFT_DB = 6.0
#: What C-weighted energy gains on A-weighted when something covers the microphone, in dB.
MUFFLED_DB = 4.0


@dataclass(frozen=True, slots=True)
class Look:
    """One small grey picture in figures: its spread of brightness, and itself at 64 pixels for comparison."""

    at_s: float
    spread: float
    small: NDArray[np.float32]


def look_of(grey: NDArray[np.uint8], *, at_s: float) -> Look:
    """Return the figures of a grey picture, uint8 (height, width)."""
    rows = np.array_split(grey.astype(np.float32), 36, axis=0)
    small = np.array([[cell.mean() for cell in np.array_split(row, 64, axis=1)] for row in rows])
    return Look(at_s=at_s, spread=float(grey.std()), small=small.astype(np.float32))


class Eyes:
    """Remembers the looks of a day and judges them."""

    def __init__(self) -> None:
        self._looks: deque[Look] = deque(maxlen=int(24 * 3600 / LOOK_EVERY_S))

    def see(self, look: Look) -> None:
        """Take one more look."""
        self._looks.append(look)

    def troubles(self) -> tuple[Trouble, ...]:
        """Return what is wrong with the picture.

        Examples
        --------
        >>> eyes = Eyes()
        >>> for number in range(4):
        ...     eyes.see(look_of(np.full((72, 128), 90, np.uint8), at_s=600.0 * number))
        >>> eyes.troubles()[0].kind
        'camera'
        """
        looks = list(self._looks)
        found = []
        last = looks[-FROZEN_LOOKS:]
        if len(last) == FROZEN_LOOKS and all(_is_same(last[0], other) for other in last[1:]):
            minutes = (last[-1].at_s - last[0].at_s) / 60
            what = f"the picture has not changed for {minutes:.0f} minutes: restart the camera"
            found.append(Trouble("camera", what))
        elif looks and _is_covered(looks):
            what = "the picture has shown no street since a day: is the camera covered or turned away?"
            found.append(Trouble("camera", what))
        return tuple(found)


def _is_same(one: Look, other: Look) -> bool:
    return bool(np.abs(one.small - other.small).mean() < FROZEN_CHANGE)


def _is_covered(looks: list[Look]) -> bool:
    recent = [look for look in looks if looks[-1].at_s - look.at_s <= COVERED_H * 3600]
    is_long = recent[-1].at_s - recent[0].at_s >= 0.95 * COVERED_H * 3600
    return is_long and all(look.spread < FLAT for look in recent)


class Ears:
    """Remembers the hours of two weeks and tells when half a day is unlike them."""

    def __init__(self) -> None:
        self._hours: deque[Hour] = deque(maxlen=KNOWN_HOURS + RECENT_HOURS)

    def hear(self, hour: Hour) -> None:
        """Take one more hour; what was heard for less than half of it says little."""
        if hour.heard_s >= 1800.0 and np.isfinite(hour.laeq_db) and np.isfinite(hour.lceq_db):
            self._hours.append(hour)

    def troubles(self) -> tuple[Trouble, ...]:
        """Return what is wrong with the sound.

        Each recent hour is compared with the median of the same hour of other days, so that a quiet Sunday
        night is not taken for a bag.
        """
        hours = list(self._hours)
        known, recent = hours[:-RECENT_HOURS], hours[-RECENT_HOURS:]
        if len(known) < FEWEST_KNOWN:
            return ()
        shifts = [shift for hour in recent if (shift := _shift(hour, known)) is not None]
        if len(shifts) < RECENT_HOURS // 2:
            return ()
        quiet_db, loud_db, muffled_db = np.median(np.array(shifts), axis=0)
        if abs(quiet_db) >= SHIFT_DB and abs(loud_db) >= SHIFT_DB:
            what = f"levels moved by {loud_db:+.0f} dB in half a day: look at microphone, windscreen and gain"
            return (Trouble("microphone", what),)
        if muffled_db >= MUFFLED_DB:
            what = f"high sounds lost {muffled_db:.0f} dB in half a day: is the microphone covered or wet?"
            return (Trouble("microphone", what),)
        return ()


def _shift(hour: Hour, known: list[Hour]) -> tuple[float, float, float] | None:
    """Return by how much L90, LAeq and LCeq - LAeq differ from the same hour of other days, in dB."""
    same = [other for other in known if other.start.hour == hour.start.hour]
    if len(same) < 2:
        return None
    usual = [float(np.median([_figures(other)[i] for other in same])) for i in range(3)]
    quiet_db, loud_db, muffled_db = (now - then for now, then in zip(_figures(hour), usual, strict=True))
    return quiet_db, loud_db, muffled_db


def _figures(hour: Hour) -> tuple[float, float, float]:
    return hour.l90_db, hour.laeq_db, hour.lceq_db - hour.laeq_db
