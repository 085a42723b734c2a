"""Which of the vehicles in the picture was heard: one, one of several, or none in view. Pure.

Each moving vehicle passes the microphone at its own moment; the sound has its own. How far the two lie apart,
against what either can be off, is the likelihood of each vehicle; a source that nobody sees is a possibility
too. The direction of arrival, where there is one, is compared frame by frame. A wrong vehicle is worse than
none: below `CERTAIN` the answer is "ambiguous".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisewatch.capture.hearing import Heard
from noisewatch.capture.passing import Passing, passings
from noisewatch.capture.tracking import SmallFilm, moving_things, shrink

ONE, AMBIGUOUS, NONE = "one vehicle", "ambiguous", "none in view"
METHOD = "attribution-2: background subtraction, closest approach by eye and ear"
#: Below this probability no vehicle is named.
CERTAIN = 0.97

#: The rule for "dominant": every other source is this much below, in dB.
DOMINANT_DB = 6.0

_UNSEEN, _UNSEEN_NO_PASS = 0.01, 0.3
# a loud exhaust is heard behind its vehicle and pulls away: its level peaks after the closest approach
_LATE_S, _LATE_SCATTER_S = 0.15, 0.2
_DISAGREES = 0.4
_APART_DB = 7.5
_NEAR_S, _AROUND_S = 0.35, 1.2
_STANDS_OUT_DB = 1.5
# levels of steps fluctuate: a source that is measured this much lower may be 6 dB below all the same
_MARGIN_DB = 0.5
# more than this above what the chosen vehicle's way leaves of its loudest is not its own sound
_UNEXPLAINED_DB = 6.0
_SEPARATE_DEG, _FITS_DEG, _SHARE = 15.0, 12.0, 0.2
_LEAST_SIGHTS = 7
_OUTLIER = 0.005
_SPAN_S = 10.0


@dataclass(frozen=True, slots=True)
class Box:
    """Where the vehicle is at one moment, as shares of the picture from the top left."""

    time_s: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """The answer.

    Parameters
    ----------
    kind : str
        "one vehicle", "ambiguous" or "none in view".
    n_vehicles : int
        How many moving vehicles the picture shows.
    probability : float
        Of the answer: that this vehicle was heard; or that the likeliest one was; or that none in view was.
    boxes : tuple of Box
        The vehicle's, one per frame in which it is seen; empty unless one vehicle was named.
    why : str
        A sentence for a person.
    method : str
        Name and version of the method.
    direction : str
        "to the right", "to the left", or "" where no vehicle was named.
    """

    kind: str
    n_vehicles: int
    probability: float
    boxes: tuple[Box, ...]
    why: str
    method: str = METHOD
    direction: str = ""

    @property
    def short(self) -> str:
        """Return the answer as `Event.attribution` says it."""
        if self.kind != AMBIGUOUS:
            return self.kind
        return f"ambiguous: {self.n_vehicles} vehicle{'s' if self.n_vehicles != 1 else ''}"

    def document(self) -> dict[str, Any]:
        """Return the answer for `EventRecord.statements["attribution"]`; boxes rounded to 0.1 permille."""
        boxes = [
            [round(value, digits) for value, digits in zip(_values(box), (3, 4, 4, 4, 4), strict=True)]
            for box in self.boxes
        ]
        return {
            "kind": self.kind,
            "n_vehicles": self.n_vehicles,
            "probability": round(self.probability, 4),
            "direction": self.direction,
            "boxes": boxes,
            "why": self.why,
            "method": self.method,
        }


def _values(box: Box) -> tuple[float, ...]:
    return (box.time_s, box.x, box.y, box.width, box.height)


def attribute(pictures: Iterable[tuple[float, NDArray[np.uint8]]], *, heard: Heard) -> Attribution:
    """Say which vehicle of the pictures was heard.

    Parameters
    ----------
    pictures : iterable of (time_s, picture)
        BGR, uint8, shape (height, width, 3), one at a time; times on the clock of `heard`.
    heard : Heard
        What the sound says, see `noisewatch.capture.hearing.hear`.

    Examples
    --------
    >>> street = [(number / 25, np.full((180, 320, 3), 90, np.uint8)) for number in range(250)]
    >>> attribute(street, heard=Heard(peak_s=6.0, closest_s=6.0, closest_scatter_s=0.1)).kind
    'none in view'
    """
    return attribute_film(shrink(pictures), heard=heard)


def attribute_film(film: SmallFilm, *, heard: Heard) -> Attribution:
    """Do the same for pictures that are small already."""
    if film.time_s.size < 5:
        return Attribution(NONE, 0, 1.0, (), "There is no picture of these seconds.")
    aspect = film.pictures.shape[2] / film.pictures.shape[1]
    seen = passings(moving_things(film), aspect=aspect, view_deg=heard.view_deg, pan_deg=heard.pan_deg)
    return choose(seen, heard=heard)


def choose(seen: Sequence[Passing], *, heard: Heard) -> Attribution:
    """Weigh the vehicles against each other and against a source that nobody sees."""
    if not seen:
        return Attribution(NONE, 0, 0.95, (), "No moving vehicle was found in the picture.")
    shares, unseen = posterior(seen, heard=heard)
    best = int(np.argmax(shares))
    count, probability = len(seen), float(shares[best])
    among = "the only moving vehicle" if count == 1 else f"one of {count} moving vehicles"
    if unseen > 0.5:
        why = f"No vehicle in view ({count}) was in front of the microphone when the sound was."
        return Attribution(NONE, count, unseen, (), why)
    if probability < CERTAIN:
        why = f"The sound fits more than one possibility; {count} moving, the likeliest at {probability:.0%}."
        return Attribution(AMBIGUOUS, count, probability, (), why)
    chosen = seen[best]
    if len(chosen.track.time_s) < _LEAST_SIGHTS:
        why = f"The likeliest vehicle ({count} moving) is seen too briefly to name it."
        return Attribution(AMBIGUOUS, count, probability, (), why)
    rival = _rival(chosen, seen, heard)
    if rival is not None:
        why = f"Another vehicle, {rival:.1f} s from the likeliest, was less than {DOMINANT_DB:.0f} dB below."
        return Attribution(AMBIGUOUS, count, probability, (), why)
    side = "to the right" if chosen.direction > 0 else "to the left"
    moment = heard.peak_s if heard.closest_s is None else heard.closest_s
    away_s = abs(chosen.closest_s + heard.travel_s - moment)
    why = f"The sound passed within {away_s + 0.05:.1f} s of {among}, which drove {side}."
    return Attribution(ONE, count, probability, _boxes(chosen), why, direction=side)


def posterior(seen: Sequence[Passing], *, heard: Heard) -> tuple[NDArray[np.float64], float]:
    """Return the probability of each vehicle, shape (n,), and of a source out of view."""
    is_pass = heard.closest_s is not None
    unseen = _UNSEEN if is_pass else _UNSEEN_NO_PASS
    logs = np.array([_log_time(passing, heard) + _log_direction(passing, heard) for passing in seen])
    logs += np.log((1.0 - unseen) / len(seen))
    nobody = np.log(unseen / _SPAN_S) + _log_nowhere(heard)
    top = max(float(logs.max()), nobody)
    parts = np.exp(logs - top)
    rest = float(np.exp(nobody - top))
    total = float(parts.sum()) + rest
    return parts / total, rest / total


def _log_time(passing: Passing, heard: Heard) -> float:
    moment = heard.peak_s if heard.closest_s is None else heard.closest_s
    parts = (
        heard.closest_scatter_s,
        passing.scatter_s,
        _LATE_SCATTER_S,
        0.25 * min(passing.own_length_s, 1.0),
        # a closest approach far from the loudest moment is less sure than its fit claims
        _DISAGREES * abs(moment - heard.peak_s),
    )
    scatter = float(np.sqrt(np.sum(np.square(parts))))
    away = (passing.closest_s + heard.travel_s + _LATE_S - moment) / scatter
    inside = np.exp(-(away**2) / 2) / (np.sqrt(2 * np.pi) * scatter)
    return float(np.log((1 - _OUTLIER) * inside + _OUTLIER / _SPAN_S))


def _rival(chosen: Passing, seen: Sequence[Passing], heard: Heard) -> float | None:
    """Return how many seconds away another vehicle passed that was not 6 dB below, None where all were.

    Without a direction it shows only where the chosen one's own sound has faded when the other one passed.
    """
    if heard.level_s is None or heard.level_db is None:
        return None
    least_db = float(heard.level_db.max()) - DOMINANT_DB - _MARGIN_DB
    for other in seen:
        near = np.abs(heard.level_s - other.closest_s - heard.travel_s) < _NEAR_S
        if other is chosen or not near.any():
            continue
        top_db = float(heard.level_db[near].max())
        if top_db <= least_db:
            continue
        faded_db = 10.0 * np.log10(1.0 + float(chosen.tangent(np.array([other.closest_s]))[0]) ** 2)
        own_db = float(heard.level_db.max()) - faded_db
        comes = _comes_from(chosen, other, heard, least_db=least_db)
        if comes is None:
            moment = other.closest_s + heard.travel_s
            comes = faded_db > _APART_DB and _stands_out(heard.level_s, heard.level_db, moment)
        if comes or top_db > own_db + _UNEXPLAINED_DB:
            return abs(other.closest_s - chosen.closest_s)
    return None


def _stands_out(time_s: NDArray[np.float64], level_db: NDArray[np.float64], moment_s: float) -> bool:
    """Tell whether the level has a top of its own at a moment."""
    away_s = np.abs(time_s - moment_s)
    top = int(np.argmax(np.where(away_s < _NEAR_S, level_db, -np.inf)))
    around = away_s < _AROUND_S
    before, after = level_db[:top][around[:top]], level_db[top + 1 :][around[top + 1 :]]
    if not before.size or not after.size:
        return False
    return bool(level_db[top] - max(before.min(), after.min()) > _STANDS_OUT_DB)


def _comes_from(chosen: Passing, other: Passing, heard: Heard, *, least_db: float) -> bool | None:
    """Tell whether loud sound came from another vehicle when it passed; None where no direction says so.

    It need not come from there all the time: of two sources that are alike now the one wins, now the other.
    """
    track = heard.direction
    if track is None or heard.level_s is None or heard.level_db is None:
        return None
    near = np.abs(track.time_s - heard.travel_s - other.closest_s) < _NEAR_S
    if not near.any():
        return None
    time_s, bearing = track.time_s[near] - heard.travel_s, track.bearing_deg[near]
    mine, theirs = (np.rad2deg(np.arctan(one.tangent(time_s))) for one in (chosen, other))
    separate = np.abs(mine - theirs) > _SEPARATE_DEG
    is_theirs = separate & (np.abs(bearing - theirs) < np.minimum(_FITS_DEG, np.abs(bearing - mine)))
    is_loud = np.interp(track.time_s[near], heard.level_s, heard.level_db) > least_db
    return bool(np.mean(is_theirs & is_loud) >= _SHARE)


_DIRECTION_DEG = 6.0
_REAR_M = 1.5
_DIRECTION_NEAR_S = 2.0
_DIRECTION_FRAMES = 8.0
_DIRECTION_OUTLIER = 0.02


def _direction_frames(heard: Heard) -> NDArray[np.float64] | None:
    """Return time, bearing and weight of the frames near the loudest moment, shape (3, n)."""
    track = heard.direction
    if track is None:
        return None
    moment = heard.peak_s if heard.closest_s is None else heard.closest_s
    near = np.abs(track.time_s - moment) < _DIRECTION_NEAR_S
    if not near.any():
        return None
    weight = track.weight[near] * track.power[near] / max(float(track.power[near].max()), 1e-30)
    if weight.sum() <= 0.0:
        return None
    return np.stack([track.time_s[near], track.bearing_deg[near], weight / weight.sum()])


def _log_direction(passing: Passing, heard: Heard) -> float:
    """Compare where the sound came from with where the vehicle was, frame by frame."""
    frames = _direction_frames(heard)
    if frames is None:
        return 0.0
    time_s, bearing, weight = frames
    middle = passing.tangent(time_s - heard.travel_s)
    # a vehicle sounds from anywhere between its middle and its rear, where the exhaust ends
    half = max(0.5 * passing.own_length_s / passing.width_s, _REAR_M / heard.lane_distance_m)
    ends = np.rad2deg(np.arctan(np.sort([middle, middle - passing.direction * half], axis=0)))
    away = (bearing - np.clip(bearing, ends[0], ends[1])) / _DIRECTION_DEG
    inside = np.exp(-(away**2) / 2) / (np.sqrt(2 * np.pi) * _DIRECTION_DEG)
    logs = np.log((1 - _DIRECTION_OUTLIER) * inside + _DIRECTION_OUTLIER / 180.0)
    return float(_DIRECTION_FRAMES * np.sum(weight * logs))


def _log_nowhere(heard: Heard) -> float:
    """Return the same of a source that may be anywhere."""
    return 0.0 if _direction_frames(heard) is None else float(_DIRECTION_FRAMES * np.log(1 / 180.0))


def _boxes(passing: Passing) -> tuple[Box, ...]:
    track = passing.track
    return tuple(
        Box(float(time_s), *(float(value) for value in box))
        for time_s, box in zip(track.time_s, track.boxes, strict=True)
    )
