"""Whom to wake: once for what lasts, never for what flickers, and once more when it is over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from noisewatch.node.alerts import DAY_S, HOLD_S, Alert, Book, decide

DEAF = {"deaf": "no sound for 40 s"}


def play(times: list[tuple[float, dict[str, str]]]) -> list[tuple[float, Alert]]:
    book, told = Book(), []
    for now_s, conditions in times:
        book, alerts = decide(book, conditions, now_s=now_s)
        told += [(now_s, alert) for alert in alerts]
    return told


def test_what_is_short_wakes_nobody() -> None:
    assert play([(0, DEAF), (10, DEAF), (20, {}), (100, {})]) == []


def test_what_lasts_is_told_once_and_its_end_as_well() -> None:
    told = play([(float(s), DEAF if s < 300 else {}) for s in range(0, 600, 10)])
    assert [(at, alert.is_over) for at, alert in told] == [(30.0, False), (330.0, True)]
    assert told[1][1].sentence == "over: no sound for 40 s"


def test_what_flickers_is_one_alert() -> None:
    # gone for ten seconds of every minute
    told = play([(float(s), {} if s % 60 >= 50 else DEAF) for s in range(0, 1200, 5)])
    assert [alert.is_over for _, alert in told] == [False]


def test_what_stays_open_is_told_again_after_a_day() -> None:
    told = play([(float(s), DEAF) for s in range(0, int(2.5 * DAY_S), 600)])
    assert [alert.is_over for _, alert in told] == [False, False, False]


@given(st.lists(st.lists(st.sampled_from(sorted(HOLD_S)), max_size=4, unique=True), max_size=60))
def test_open_and_over_take_turns_for_each_kind(seen: list[list[str]]) -> None:
    times = [(300.0 * number, dict.fromkeys(kinds, "x")) for number, kinds in enumerate(seen)]
    told = play(times)
    for kind in HOLD_S:
        states = [alert.is_over for _, alert in told if alert.kind == kind]
        assert states == [False, True] * (len(states) // 2) + [False] * (len(states) % 2)
