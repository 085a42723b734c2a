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
from scipy.special import gammaln

from noisewatch.capture.hearing import Heard
from noisewatch.capture.linking import Track
from noisewatch.capture.passing import Passing, passings, unclear
from noisewatch.capture.tracking import SmallFilm, moving_things, shrink

ONE, AMBIGUOUS, NONE = "one vehicle", "ambiguous", "none in view"
METHOD = "attribution-3: background subtraction, closest approach by eye and ear"
#: Below this probability no vehicle is named.
CERTAIN = 0.97

# another vehicle with more than this share of the likeliest one's probability forbids a name
_MOST_RIVAL = 0.015
_LEAST_OWN, _LEAST_SURE_S, _LOST_NEAR_S, _LOST_SIGHTS = 0.6, 0.3, 1.0, 3

# distance over speed, as heard and as seen: of 149 right ones none was further apart than a factor of 3.7
_MOST_WIDTH = 1.5

#: The rule for "dominant": every other source is this much below, in dB.
DOMINANT_DB = 6.0

_UNSEEN, _UNSEEN_NO_PASS = 0.01, 0.3
# a loud exhaust is heard behind its vehicle and pulls away: late by seconds, shares of distance over speed
_LOUDEST_LATE_S, _LOUDEST_LATE, _MIDDLE_LATE_S, _MIDDLE_LATE = 0.08, 0.35, 0.05, 0.23
# how far either moment is off: seconds, and shares of distance over speed; correlation; degrees of freedom
_LOUDEST_S, _LOUDEST, _MIDDLE_S, _MIDDLE = 0.1, 0.45, 0.2, 0.22
_TOGETHER_OFF, _FREEDOM, _WIDEST_S = 0.7, 4.5, 2.0
_HUMP_S, _BED_PERCENT = 1.5, 10.0
_APART_DB = 7.5
_NEAR_S, _AROUND_S = 0.35, 1.2
_STANDS_OUT_DB = 1.5
# levels of steps fluctuate: a source that is measured this much lower may be 6 dB below all the same
_MARGIN_DB = 0.5
# more than this above what the chosen vehicle's way leaves of its loudest is not its own sound
_UNEXPLAINED_DB = 6.0
_SEPARATE_DEG, _FITS_DEG, _SHARE = 15.0, 12.0, 0.2
_LEAST_SIGHTS = 7
_SPAN_S, _MOMENTS_APART_S = 10.0, 1.0


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
    tracks = moving_things(film)
    seen = passings(tracks, aspect=aspect, view_deg=heard.view_deg, pan_deg=heard.pan_deg)
    lost = unclear(tracks, seen, aspect=aspect, view_deg=heard.view_deg, pan_deg=heard.pan_deg)
    return choose(seen, heard=heard, lost=lost)


def choose(seen: Sequence[Passing], *, heard: Heard, lost: Sequence[Track] = ()) -> Attribution:
    """Weigh the vehicles against each other and against a source that nobody sees.

    Parameters
    ----------
    seen : sequence of Passing
        The vehicles, see `noisewatch.capture.passing.passings`.
    heard : Heard
        What the sound says.
    lost : sequence of Track
        What drove and was lost, see `noisewatch.capture.passing.unclear`: near the sound it forbids a name.
    """
    if not seen:
        return Attribution(NONE, 0, 0.95, (), "No moving vehicle was found in the picture.")
    shares, unseen = posterior(seen, heard=heard)
    best = int(np.argmax(shares))
    count, probability = len(seen), float(shares[best])
    among = "the only moving vehicle" if count == 1 else f"one of {count} moving vehicles"
    if unseen > 0.5:
        why = f"No vehicle in view ({count}) was in front of the microphone when the sound was."
        return Attribution(NONE, count, unseen, (), why)
    others = np.delete(shares, best)
    if probability < CERTAIN or (others.size and float(others.max()) > _MOST_RIVAL * probability):
        why = f"The sound fits more than one possibility; {count} moving, the likeliest at {probability:.0%}."
        return Attribution(AMBIGUOUS, count, probability, (), why)
    chosen = seen[best]
    n_own = np.count_nonzero(chosen.is_own)
    if n_own < max(_LEAST_SIGHTS, _LEAST_OWN * chosen.is_own.size) or (
        count > 1 and chosen.scatter_s > _LEAST_SURE_S
    ):
        why = f"The likeliest vehicle ({count} moving) is seen too briefly or too badly to name it."
        return Attribution(AMBIGUOUS, count, probability, (), why)
    moment = heard.peak_s if heard.closest_s is None else heard.closest_s
    if heard.width_s is not None and abs(np.log(heard.width_s / chosen.width_s)) > _MOST_WIDTH:
        why = f"What was heard passed at another pace than the likeliest vehicle ({count} moving)."
        return Attribution(AMBIGUOUS, count, probability, (), why)
    near = (np.count_nonzero(np.abs(one.time_s + heard.travel_s - moment) < _LOST_NEAR_S) for one in lost)
    if max(near, default=0) >= _LOST_SIGHTS:
        why = f"Beside {count} moving, something drove by near the sound that could not be followed."
        return Attribution(AMBIGUOUS, count, probability, (), why)
    rival = _rival(chosen, seen, heard)
    if rival is None:
        rival = _lost_rival(chosen, lost, heard)
    if rival is not None:
        why = f"Another vehicle, {rival:.1f} s from the likeliest, was less than {DOMINANT_DB:.0f} dB below."
        return Attribution(AMBIGUOUS, count, probability, (), why)
    side = "to the right" if chosen.direction > 0 else "to the left"
    away_s = abs(chosen.closest_s + heard.travel_s - moment)
    why = f"The sound passed within {away_s + 0.05:.1f} s of {among}, which drove {side}."
    return Attribution(ONE, count, probability, _boxes(chosen), why, direction=side)


def posterior(seen: Sequence[Passing], *, heard: Heard) -> tuple[NDArray[np.float64], float]:
    """Return the probability of each vehicle, shape (n,), and of a source out of view."""
    is_pass = heard.closest_s is not None
    unseen = _UNSEEN if is_pass else _UNSEEN_NO_PASS
    logs = np.array([_log_time(passing, heard) + _log_direction(passing, heard) for passing in seen])
    logs += np.log((1.0 - unseen) / len(seen))
    moments = 2 if is_pass else 1
    nobody = np.log(unseen) - np.log(_SPAN_S) - (moments - 1) * np.log(_MOMENTS_APART_S) + _log_nowhere(heard)
    top = max(float(logs.max()), nobody)
    parts = np.exp(logs - top)
    rest = float(np.exp(nobody - top))
    total = float(parts.sum()) + rest
    return parts / total, rest / total


def _log_time(passing: Passing, heard: Heard) -> float:
    """Weigh two moments of the sound, the loudest and the middle of its hump, against a passing.

    How far they are off was measured on streets with known vehicles: it grows with distance over speed, the
    two are off together, and neither the fit nor its claimed scatter says when it is far off. Hence Student's
    distribution with few degrees of freedom.
    """
    passed_s, width_s = passing.closest_s + heard.travel_s, min(passing.width_s, _WIDEST_S)
    own = passing.scatter_s**2 + (0.25 * min(passing.own_length_s, 1.0)) ** 2
    scale = float(np.sqrt(_LOUDEST_S**2 + (_LOUDEST * width_s) ** 2 + own))
    loudest = (heard.peak_s - passed_s - _LOUDEST_LATE_S - _LOUDEST_LATE * width_s) / scale
    middle_s = _middle_s(heard)
    if middle_s is None:
        return _student(loudest**2, 1) - float(np.log(scale))
    middle_scale = float(np.sqrt(_MIDDLE_S**2 + (_MIDDLE * width_s) ** 2 + own))
    middle = (middle_s - passed_s - _MIDDLE_LATE_S - _MIDDLE_LATE * width_s) / middle_scale
    square = (middle**2 + loudest**2 - 2 * _TOGETHER_OFF * middle * loudest) / (1 - _TOGETHER_OFF**2)
    spread = np.log(scale * middle_scale) + 0.5 * np.log(1 - _TOGETHER_OFF**2)
    return _student(float(square), 2) - float(spread)


def _middle_s(heard: Heard) -> float | None:
    """Return the middle of the hump: between the fitted closest approach and the centre of its energy."""
    if heard.closest_s is None or heard.level_s is None or heard.level_db is None:
        return heard.closest_s
    energy = np.convolve(10.0 ** (heard.level_db / 10.0), np.full(3, 1 / 3), "same")
    near = np.abs(heard.level_s - heard.peak_s) < _HUMP_S
    above = np.maximum(energy[near] - np.percentile(energy, _BED_PERCENT), 0.0)
    if not above.any():
        return heard.closest_s
    return 0.5 * (heard.closest_s + float(np.average(heard.level_s[near], weights=above)))


def _student(square: float, dimensions: int) -> float:
    """Return the log density of Student's distribution at a squared distance."""
    half = (_FREEDOM + dimensions) / 2
    norm = gammaln(half) - gammaln(_FREEDOM / 2) - dimensions / 2 * np.log(_FREEDOM * np.pi)
    return float(norm - half * np.log1p(square / _FREEDOM))


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


def _lost_rival(chosen: Passing, lost: Sequence[Track], heard: Heard) -> float | None:
    """Return the same of what drove by and was lost: the level has a top of its own while it was in view."""
    if heard.level_s is None or heard.level_db is None:
        return None
    least_db = float(heard.level_db.max()) - DOMINANT_DB - _MARGIN_DB
    faded_db = 10.0 * np.log10(1.0 + chosen.tangent(heard.level_s - heard.travel_s) ** 2)
    for one in lost:
        first_s, last_s = one.time_s[0] + heard.travel_s, one.time_s[-1] + heard.travel_s
        here = (heard.level_s > first_s - _NEAR_S) & (heard.level_s < last_s + _NEAR_S)
        tops = here & (heard.level_db > least_db) & (faded_db > _APART_DB)
        for moment_s in heard.level_s[tops].tolist():
            if _stands_out(heard.level_s, heard.level_db, moment_s):
                return float(abs(moment_s - heard.travel_s - chosen.closest_s))
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
    # a closest approach that is unsure makes every bearing unsure, most of all straight ahead
    unsure_deg = np.rad2deg(passing.scatter_s / passing.width_s) / (1.0 + middle**2)
    scale_deg = np.hypot(_DIRECTION_DEG, unsure_deg)
    away = (bearing - np.clip(bearing, ends[0], ends[1])) / scale_deg
    inside = np.exp(-(away**2) / 2) / (np.sqrt(2 * np.pi) * scale_deg)
    logs = np.log((1 - _DIRECTION_OUTLIER) * inside + _DIRECTION_OUTLIER / 180.0)
    return float(_DIRECTION_FRAMES * np.sum(weight * logs))


def _log_nowhere(heard: Heard) -> float:
    """Return the same of a source that may be anywhere."""
    return 0.0 if _direction_frames(heard) is None else float(_DIRECTION_FRAMES * np.log(1 / 180.0))


def _boxes(passing: Passing) -> tuple[Box, ...]:
    track = passing.track
    return tuple(
        Box(float(time_s), *(float(value) for value in box))
        for time_s, box in zip(track.time_s[passing.is_own], track.boxes[passing.is_own], strict=True)
    )
