"""What is wrong with a box that still hears and sees; pure: facts go in, sentences with a remedy come out."""

from __future__ import annotations

from dataclasses import dataclass

from noisewatch.node.health import Trouble

#: A day of many events is some hundred megabytes; below this the box soon stops keeping any.
MINIMUM_FREE_BYTES = 1_000_000_000
#: Fewer days of keys than this call for a new bundle; alerts begin earlier than the check fails.
FEWEST_KEY_DAYS = 14
#: So many events an hour that were wanted and got no clip are many.
MANY_REFUSALS = 5
#: Above this a processor slows itself down (Raspberry Pi: 80 °C soft limit).
HOT_C = 80.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run knows of itself at one moment; None where it can't be known.

    ``store_failure`` is what storing met last, while nothing could be stored since; ``broker_error`` and
    ``channel_error`` are the first lines of what could not be told. ``past_their_end`` counts clips that
    should be gone; ``late`` counts clips for which there was no room; ``refused_last_hour`` counts events
    within hours, behaviours and budget that got no clip all the same.
    """

    is_clock_kept: bool = True
    is_clock_before_build: bool = False
    is_calibrated: bool = True
    calibration: str = ""
    is_synchronised: bool = True
    sync: str = ""
    free_bytes: int | None = None
    key_days: int | None = None
    past_their_end: int = 0
    events_last_hour: int = 0
    flood_per_hour: int = 30
    late: int = 0
    store_failure: str | None = None
    broker_error: str | None = None
    broker_refused: int = 0
    channel_error: str | None = None
    temperature_c: float | None = None
    looks: tuple[Trouble, ...] = ()
    refused_last_hour: int = 0
    why_refused: str = ""


def troubles_of(facts: Facts) -> tuple[Trouble, ...]:
    """Return what is wrong, the most urgent first.

    Examples
    --------
    >>> [trouble.kind for trouble in troubles_of(Facts(free_bytes=10, is_clock_kept=False))]
    ['disk', 'clock']
    """
    found = [
        *_storage(facts),
        *_time(facts),
        *_trust(facts),
        *facts.looks,
        *_load(facts),
        *_telling(facts),
    ]
    return tuple(found)


def _storage(facts: Facts) -> list[Trouble]:
    found = []
    if facts.store_failure is not None:
        found.append(Trouble("disk", f"an event could not be stored: {facts.store_failure}"))
    elif facts.free_bytes is not None and facts.free_bytes < MINIMUM_FREE_BYTES:
        free = f"{facts.free_bytes / 1e9:.1f} GB are free"
        found.append(Trouble("disk", f"{free}; free space, or the box soon keeps no events"))
    if facts.past_their_end:
        count = facts.past_their_end
        found.append(Trouble("retention", f"{count} events are past their end: noisewatch retention enforce"))
    return found


def _time(facts: Facts) -> list[Trouble]:
    if facts.is_clock_before_build:
        return [Trouble("clock", "the clock stands before this software was made; nothing is evidence")]
    if not facts.is_clock_kept:
        return [Trouble("clock", "nothing keeps the clock: start chrony or systemd-timesyncd")]
    return []


def _trust(facts: Facts) -> list[Trouble]:
    found = []
    if facts.key_days is not None and facts.key_days < FEWEST_KEY_DAYS:
        left = f"keys for {facts.key_days} more days"
        found.append(Trouble("keys", f"{left}: ask the custodian for a new bundle"))
    if not facts.is_calibrated:
        found.append(Trouble("uncalibrated", _with_remedy(facts.calibration, "noisewatch calibrate level")))
    if not facts.is_synchronised:
        found.append(Trouble("unsynchronised", _with_remedy(facts.sync, "noisewatch calibrate sync")))
    return found


def _with_remedy(sentence: str, command: str) -> str:
    return sentence if command in sentence else f"{sentence}: {command}"


def _load(facts: Facts) -> list[Trouble]:
    found = []
    if facts.events_last_hour > facts.flood_per_hour:
        found.append(Trouble("flood", f"{facts.events_last_hour} events in an hour: what is loud here?"))
    if facts.refused_last_hour >= MANY_REFUSALS:
        count = facts.refused_last_hour
        found.append(Trouble("refusals", f"{count} events in an hour got no clip: {facts.why_refused}"))
    if facts.late:
        found.append(Trouble("late", f"{facts.late} clips came while too many waited to be sealed"))
    if facts.temperature_c is not None and facts.temperature_c >= HOT_C:
        found.append(Trouble("hot", f"processor at {facts.temperature_c:.0f} °C: give it air or shade"))
    return found


def _telling(facts: Facts) -> list[Trouble]:
    found = []
    if facts.broker_refused:
        found.append(Trouble("denied", f"the broker refused {facts.broker_refused} notices"))
    if facts.broker_error is not None:
        found.append(Trouble("broker", facts.broker_error))
    if facts.channel_error is not None:
        found.append(Trouble("channel", f"an alert could not be sent: {facts.channel_error}"))
    return found
