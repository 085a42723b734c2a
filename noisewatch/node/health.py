"""How alive a node is: a state machine that is pure, and says what must be done, not how.

::

    healthy ──trouble──► degraded          sound gone ──► deaf ──too long──► restart ─► recovering
       ▲                    │              picture gone ► blind ─too long──► restart ─► recovering
       └──── recovering ◄───┴── all back ── deaf, blind, failed      no restarts left ─► failed

Sources come back by themselves; a restart of the whole run is for what does not. Restarts have a budget an
hour, so that a broken cable does not make a box restart all night: it says "failed" and stays up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

#: Times are in seconds of one monotonic clock; the budget outlives a restart by the journal.
HOUR_S = 3600.0


class State(StrEnum):
    """How alive a node is, in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DEAF = "deaf"
    BLIND = "blind"
    RECOVERING = "recovering"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be; ``kind`` is a short word, stable for alerts."""

    kind: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Signs:
    """What was seen of a node at one moment.

    ``sound_age_s`` and ``picture_age_s`` are the time since the last block and frame that can be used; None
    for the picture where there is no camera. ``troubles`` degrade without stopping anything.
    """

    now_s: float
    sound_age_s: float
    picture_age_s: float | None = None
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """From when silence is deafness, how long it may last, and how often the run may be restarted."""

    deaf_after_s: float = 5.0
    blind_after_s: float = 10.0
    restart_after_s: float = 120.0
    settle_s: float = 30.0
    restarts_an_hour: int = 3


@dataclass(frozen=True, slots=True)
class Health:
    """The state, since when, why, and when restarts were asked for in the last hour."""

    state: State
    since_s: float
    reasons: tuple[str, ...] = ()
    restarts_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """Effect: the state became another; for journal, alerts and broker."""

    before: State
    after: State
    why: str


@dataclass(frozen=True, slots=True)
class Restart:
    """Effect: end the run so that its supervisor starts it again."""

    why: str


Effect = Changed | Restart


def step(health: Health, signs: Signs, rules: Rules | None = None) -> tuple[Health, tuple[Effect, ...]]:
    """Return the next state and what must be done.

    Parameters
    ----------
    health : Health
        The state until now.
    signs : Signs
        What is seen now.
    rules : Rules, optional
        Times and budget.

    Examples
    --------
    >>> begun = Health(State.HEALTHY, since_s=0.0)
    >>> deaf, effects = step(begun, Signs(now_s=60.0, sound_age_s=7.0))
    >>> deaf.state.value, effects[0].why
    ('deaf', 'no sound for 7 s')
    """
    rules = rules or Rules()
    recent = tuple(s for s in health.restarts_s if signs.now_s - s < HOUR_S)
    health = replace(health, restarts_s=recent)
    lost = _lost(signs, rules)
    if lost is None:
        return _with_sources(health, signs, rules)
    state, why = lost
    if health.state is State.FAILED:
        return replace(health, reasons=(why,)), ()
    if health.state is not state and not (health.state is State.RECOVERING and recent):
        return _become(health, state, signs.now_s, (why,))
    if signs.now_s - health.since_s < rules.restart_after_s:
        return replace(health, reasons=(why,)), ()
    if len(recent) >= rules.restarts_an_hour:
        sentence = f"{why}; {len(recent)} restarts in an hour did not help"
        return _become(health, State.FAILED, signs.now_s, (sentence,))
    again, changes = _become(health, State.RECOVERING, signs.now_s, (f"{why}: restarting",))
    again = replace(again, since_s=signs.now_s, restarts_s=(*recent, signs.now_s))
    return again, (*changes, Restart(why))


def _lost(signs: Signs, rules: Rules) -> tuple[State, str] | None:
    """Return which sense is lost, and why; hearing counts before sight."""
    if signs.sound_age_s > rules.deaf_after_s:
        return State.DEAF, f"no sound for {signs.sound_age_s:.0f} s"
    if signs.picture_age_s is not None and signs.picture_age_s > rules.blind_after_s:
        return State.BLIND, f"no picture for {signs.picture_age_s:.0f} s"
    return None


def _with_sources(health: Health, signs: Signs, rules: Rules) -> tuple[Health, tuple[Effect, ...]]:
    """Return the state where sound and picture are there."""
    reasons = tuple(trouble.sentence for trouble in signs.troubles)
    if health.state in (State.DEAF, State.BLIND, State.FAILED):
        return _become(health, State.RECOVERING, signs.now_s, ("sound and picture are back",))
    if health.state is State.RECOVERING and signs.now_s - health.since_s < rules.settle_s:
        return health, ()
    after = State.DEGRADED if reasons else State.HEALTHY
    if after is health.state:
        return replace(health, reasons=reasons), ()
    return _become(health, after, signs.now_s, reasons)


def _become(
    health: Health, state: State, now_s: float, reasons: tuple[str, ...]
) -> tuple[Health, tuple[Effect, ...]]:
    if health.state is state:
        return replace(health, reasons=reasons), ()
    changed = Changed(health.state, state, "; ".join(reasons) or "nothing is wrong")
    return replace(health, state=state, since_s=now_s, reasons=reasons), (changed,)
