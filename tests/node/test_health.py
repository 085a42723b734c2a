"""How alive a node is: each way between the states, and that restarts have an end."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from noisewatch.node.health import Changed, Health, Restart, Rules, Signs, State, Trouble, step

RULES = Rules()
BEGUN = Health(State.HEALTHY, since_s=0.0)
DARK = Trouble("camera", "the picture is dark")


def signs(now_s: float, *, sound: float = 0.1, picture: float | None = 0.1, trouble: bool = False) -> Signs:
    return Signs(now_s, sound, picture, (DARK,) if trouble else ())


def test_what_is_whole_stays_healthy_without_any_effect() -> None:
    assert step(BEGUN, signs(10.0)) == (BEGUN, ())


def test_a_trouble_degrades_and_its_end_heals() -> None:
    degraded, effects = step(BEGUN, signs(10.0, trouble=True))
    assert degraded.state is State.DEGRADED
    assert degraded.reasons == ("the picture is dark",)
    assert effects == (Changed(State.HEALTHY, State.DEGRADED, "the picture is dark"),)
    healed, effects = step(degraded, signs(20.0))
    assert healed.state is State.HEALTHY
    assert effects == (Changed(State.DEGRADED, State.HEALTHY, "nothing is wrong"),)


def test_no_sound_is_deaf_no_picture_is_blind_and_hearing_counts_first() -> None:
    assert step(BEGUN, signs(60.0, sound=6.0))[0].state is State.DEAF
    assert step(BEGUN, signs(60.0, picture=11.0))[0].state is State.BLIND
    assert step(BEGUN, signs(60.0, sound=6.0, picture=11.0))[0].state is State.DEAF
    assert step(BEGUN, signs(60.0, picture=None))[0].state is State.HEALTHY


def test_what_comes_back_settles_before_it_is_healthy() -> None:
    deaf, _ = step(BEGUN, signs(60.0, sound=6.0))
    back, effects = step(deaf, signs(70.0))
    assert back.state is State.RECOVERING
    assert isinstance(effects[0], Changed)
    assert step(back, signs(80.0))[0].state is State.RECOVERING
    assert step(back, signs(70.0 + RULES.settle_s))[0].state is State.HEALTHY


def run_deaf(health: Health, *, until_s: float, begin_s: float = 0.0) -> tuple[Health, list[float]]:
    restarts = []
    now_s = begin_s
    while now_s < until_s:
        now_s += 1.0
        health, effects = step(health, signs(now_s, sound=now_s - begin_s))
        restarts += [now_s for effect in effects if isinstance(effect, Restart)]
    return health, restarts


def test_a_cable_that_stays_broken_restarts_three_times_then_fails_and_stays_up() -> None:
    health, restarts = run_deaf(BEGUN, until_s=1800.0)
    assert len(restarts) == RULES.restarts_an_hour
    assert all(later - earlier >= RULES.restart_after_s for earlier, later in itertools.pairwise(restarts))
    assert health.state is State.FAILED
    assert "no sound" in health.reasons[0]
    assert step(health, signs(1900.0))[0].state is State.RECOVERING


def test_restarts_that_a_journal_remembers_count_against_the_budget() -> None:
    remembered = Health(State.RECOVERING, since_s=0.0, restarts_s=(-300.0, -200.0, -100.0))
    health, restarts = run_deaf(remembered, until_s=600.0)
    assert restarts == []
    assert health.state is State.FAILED


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 400), st.booleans()), max_size=80))
def test_whatever_is_seen_restarts_keep_their_budget_and_a_change_names_both_states(
    seen: list[tuple[float, float, bool]],
) -> None:
    health, now_s = BEGUN, 0.0
    restarts: list[float] = []
    for sound, picture, trouble in seen:
        now_s += 40.0
        before = health.state
        health, effects = step(health, signs(now_s, sound=sound, picture=picture, trouble=trouble))
        changes = [effect for effect in effects if isinstance(effect, Changed)]
        assert [(c.before, c.after) for c in changes] == (
            [] if before is health.state else [(before, health.state)]
        )
        restarts += [now_s for effect in effects if isinstance(effect, Restart)]
    for first in restarts:
        assert sum(first <= other < first + 3600.0 for other in restarts) <= RULES.restarts_an_hour
