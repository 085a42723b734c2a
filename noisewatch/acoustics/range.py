"""How long sound takes from the lane to the microphone, and what a record says of it. Pure.

Light arrives at once, sound does not: over 7.5 m it is 22 ms late. A clip holds the sound as the microphone
heard it, beside the picture of the same instant; what is stated here lets a reader take the delay off.
"""

from __future__ import annotations

import math
from typing import Any

#: Assumed where no air temperature is known; the error is 0.9 % for every 5 kelvin beside it.
ASSUMED_TEMPERATURE_C = 15.0
#: How far the assumed temperature may be off, for the bound that is stated.
_ASSUMED_SPREAD_C = 20.0
_ZERO_CELSIUS_K = 273.15
#: Speed of sound in dry air at 20 °C in metres a second (ISO 9613-1, 4.1) and that temperature in kelvin.
_REFERENCE_MPS = 343.2
_REFERENCE_K = 293.15


def speed_of_sound_mps(temperature_c: float) -> float:
    """Return the speed of sound in air in metres a second (ISO 9613-1).

    Raises
    ------
    ValueError
        The temperature is none that air has outdoors.

    Examples
    --------
    >>> round(speed_of_sound_mps(20.0), 1), round(speed_of_sound_mps(0.0), 1)
    (343.2, 331.3)
    """
    if not -60.0 <= temperature_c <= 70.0:
        raise ValueError(f"{temperature_c} °C is no temperature of air outdoors")
    return _REFERENCE_MPS * math.sqrt((temperature_c + _ZERO_CELSIUS_K) / _REFERENCE_K)


def range_correction(distance_m: float, temperature_c: float | None = None) -> dict[str, Any]:
    """Return what a record states of the sound's way: delay, the figures it rests on, and a bound.

    Parameters
    ----------
    distance_m : float
        From the microphone to the middle of the nearest lane, in metres.
    temperature_c : float, optional
        Of the air, in °C; :data:`ASSUMED_TEMPERATURE_C` where nobody measured it.

    Returns
    -------
    dict
        ``delay_s`` (how much later the microphone hears than the camera sees), ``bound_s`` (how far the
        temperature can move it), ``distance_m``, ``temperature_c``, ``is_assumed``, ``speed_mps``,
        ``is_applied`` (always false: the clip keeps the sound as it was heard).

    Examples
    --------
    >>> said = range_correction(7.5)
    >>> round(said["delay_s"], 4), said["is_assumed"], said["is_applied"]
    (0.022, True, False)
    """
    if not (math.isfinite(distance_m) and distance_m > 0.0):
        raise ValueError(f"a distance is a positive number of metres, not {distance_m}")
    degrees = ASSUMED_TEMPERATURE_C if temperature_c is None else temperature_c
    delay_s = distance_m / speed_of_sound_mps(degrees)
    spread_c = _ASSUMED_SPREAD_C if temperature_c is None else 1.0
    slowest_s = distance_m / speed_of_sound_mps(degrees - spread_c)
    return {
        "delay_s": delay_s,
        "bound_s": slowest_s - delay_s,
        "distance_m": distance_m,
        "temperature_c": degrees,
        "is_assumed": temperature_c is None,
        "speed_mps": speed_of_sound_mps(degrees),
        "is_applied": False,
    }
