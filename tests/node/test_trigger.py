"""Level and signature open an event; one pass is one event."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.node.schedule import Calendar, Gate, wanted_at
from noisewatch.node.trigger import Trigger, TriggerRules, energy_mean_db, judge, loud_span
from noisewatch.records import Event, LevelFrame, Reason, Score

RATE_HZ = 48000
FRAME = 6000
START = datetime(2026, 11, 22, 23, 59, 50, tzinfo=UTC)


def rules(**changes: float) -> TriggerRules:
    values: dict[str, float] = {
        "gate_db": 80.0,
        "threshold": 0.5,
        "minimum_duration_s": 1.0,
        "merge_gap_s": 3.0,
        "cooldown_s": 2.0,
        "longest_event_s": 30.0,
        "budget_per_day": 100,
    } | changes
    return TriggerRules(signature="exhaust", version="1", signature_sha256="0" * 64, **values)  # type: ignore[arg-type]


def frame(index: int, laf_db: float, flags: tuple[str, ...] = ()) -> LevelFrame:
    return LevelFrame(
        start_sample=index * FRAME,
        end_sample=(index + 1) * FRAME,
        rate_hz=RATE_HZ,
        laf_db=laf_db,
        lafmax_db=laf_db,
        lafmin_db=laf_db,
        las_db=laf_db,
        lasmax_db=laf_db,
        lcf_db=laf_db + 3,
        laeq_db=laf_db,
        lceq_db=laf_db + 3,
        lzeq_db=laf_db + 4,
        lcpeak_db=laf_db + 15,
        flags=flags,
    )


def score(index: int, probability: float, veto: bool = False) -> Score:
    return Score(
        start_sample=index * RATE_HZ // 2,
        end_sample=index * RATE_HZ // 2 + RATE_HZ,
        rate_hz=RATE_HZ,
        signature="exhaust",
        version="1",
        probability=probability,
        classes={"siren": 0.99 if veto else 0.0},
    )


def trigger(the_rules: TriggerRules) -> Trigger:
    return Trigger(
        the_rules,
        veto_of=lambda s: "siren" if s.classes["siren"] > 0.9 else None,
        new_id=lambda sample: f"event-{sample:08d}",
        day_of=lambda sample: (START + timedelta(seconds=sample / RATE_HZ)).date(),
    )


def street(
    seconds: int, loud: list[tuple[float, float]], scored: list[tuple[float, float]], **changes: object
) -> tuple[list[LevelFrame], list[Score]]:
    """Frames at 90 dB inside `loud`, 60 dB outside; scores 0.95 where a window touches `scored`."""
    frames = [frame(i, 90.0 if any(a <= i / 8 < b for a, b in loud) else 60.0) for i in range(seconds * 8)]
    scores = [
        score(i, 0.95 if any(i / 2 < b and i / 2 + 1 > a for a, b in scored) else 0.1)
        for i in range(seconds * 2 - 1)
    ]
    return frames, scores


def run(the_trigger: Trigger, frames: list[LevelFrame], scores: list[Score]) -> list[Event]:
    return the_trigger.push(frames, scores) + the_trigger.finish()


def test_level_and_signature_together_open_one_event() -> None:
    events = run(trigger(rules()), *street(30, [(10, 14)], [(10, 14)]))
    assert len(events) == 1
    assert events[0].onset_s == pytest.approx(10.0)
    assert events[0].end_s == pytest.approx(14.0)
    assert events[0].lafmax_db == 90.0
    assert "LAFmax 90.0 dB" in events[0].why
    assert "no veto" in events[0].why


def test_level_alone_opens_nothing() -> None:
    assert run(trigger(rules()), *street(30, [(10, 14)], [])) == []


def test_signature_alone_opens_nothing() -> None:
    assert run(trigger(rules()), *street(30, [], [(10, 14)])) == []


def test_a_loud_start_and_a_quiet_end_still_pass_the_gate() -> None:
    """Gate and score look at the same window, not at the last block (Rail4Earth's mistake)."""
    events = run(trigger(rules()), *street(30, [(10.0, 10.125)], [(10, 12)]))
    assert len(events) == 1


def test_a_match_shorter_than_the_minimum_is_refused_and_counted() -> None:
    the_trigger = trigger(rules(minimum_duration_s=4.0))
    assert run(the_trigger, *street(30, [(10, 12)], [(10, 12)])) == []
    assert the_trigger.refused["shorter than the minimum duration"] == 1


def test_a_short_clear_sound_is_an_event_and_a_long_weak_one_is_none() -> None:
    frames = [frame(i, 90.0) for i in range(60 * 8)]
    eased = rules(opening=0.3)
    clear = [score(i, 0.95 if i in (40, 41) else 0.1) for i in range(119)]
    assert len(run(trigger(eased), frames, clear)) == 1
    weak_trigger = trigger(eased)
    assert run(weak_trigger, frames, [score(i, 0.45) for i in range(119)]) == []
    assert weak_trigger.refused["not clear enough as a whole"] >= 1


def test_an_event_says_what_carried_it_and_what_came_next() -> None:
    frames, scores = street(30, [(10, 14)], [(10, 14)])
    reasons = (Reason("regular firing (comb of orders)", 2.0), Reason("tone colour", -0.5))
    told = [replace(s, reasons=reasons, classes={**s.classes, "engine": 0.2}) for s in scores]
    why = run(trigger(rules()), frames, told)[0].why
    assert "carried by regular firing (comb of orders) (+2.0)" in why
    assert "tone colour" not in why
    assert "next class engine 0.20" in why


def test_a_pause_shorter_than_the_merge_gap_is_one_event() -> None:
    assert len(run(trigger(rules()), *street(40, [(10, 13), (15, 18)], [(10, 13), (15, 18)]))) == 1


def test_a_pause_longer_than_the_merge_gap_makes_two_events() -> None:
    events = run(trigger(rules()), *street(60, [(10, 13), (25, 28)], [(10, 13), (25, 28)]))
    assert [round(event.onset_s) for event in events] == [10, 25]


def test_the_cool_down_keeps_the_next_event_shut() -> None:
    events = run(trigger(rules(cooldown_s=60)), *street(60, [(10, 13), (25, 28)], [(10, 13), (25, 28)]))
    assert len(events) == 1


def test_a_veto_leaves_a_window_out() -> None:
    frames, _ = street(30, [(10, 14)], [])
    scores = [score(i, 0.9, veto=True) for i in range(59)]
    assert run(trigger(rules()), frames, scores) == []


def test_an_endless_noise_is_cut_into_events_of_bounded_length() -> None:
    events = run(trigger(rules(longest_event_s=10.0, cooldown_s=0)), *street(60, [(5, 55)], [(5, 55)]))
    assert len(events) >= 4
    assert all(event.end_s - event.onset_s <= 10.0 + 2.0 for event in events)


def test_events_beyond_the_daily_budget_say_so_and_midnight_resets_it() -> None:
    loud = [(2.0, 4.0), (20.0, 22.0), (40.0, 42.0)]
    events = run(trigger(rules(budget_per_day=1)), *street(60, loud, loud))
    # START is ten seconds before midnight UTC
    assert ["over-budget" in event.flags for event in events] == [False, False, True]


def test_an_event_going_on_at_the_end_of_the_stream_is_not_lost() -> None:
    events = run(trigger(rules()), *street(20, [(16, 20)], [(16, 20)]))
    assert len(events) == 1
    assert events[0].end_s == pytest.approx(20.0)


def test_flags_of_the_frames_stand_in_the_event() -> None:
    frames, scores = street(30, [(10, 14)], [(10, 14)])
    frames[84] = frame(84, 90.0, ("wind",))
    assert run(trigger(rules()), frames, scores)[0].flags == ("wind",)


def test_a_lorry_that_passed_two_seconds_before_is_not_the_peak() -> None:
    frames, scores = street(30, [(6, 14)], [(11, 14)])
    frames[52] = frame(52, 99.0)  # the lorry, at 6.5 s
    events = run(trigger(rules()), frames, scores)
    assert events[0].lafmax_db == 90.0
    assert events[0].onset_s >= 9.0


@given(cuts=st.lists(st.integers(1, 239), max_size=12), lag=st.integers(0, 40))
def test_the_cut_into_blocks_changes_nothing(cuts: list[int], lag: int) -> None:
    frames, scores = street(30, [(5, 8), (14, 17)], [(5, 8), (14, 17)])
    expected = run(trigger(rules()), frames, scores)
    cut_trigger, events, given_scores = trigger(rules()), [], 0
    borders = [0, *sorted(set(cuts)), len(frames)]
    for a, b in itertools.pairwise(borders):
        ready = sum(1 for s in scores if s.end_sample <= (b - lag) * FRAME)
        events += cut_trigger.push(frames[a:b], scores[given_scores : max(ready, given_scores)])
        given_scores = max(ready, given_scores)
    events += cut_trigger.push([], scores[given_scores:]) + cut_trigger.finish()
    assert events == expected


def test_judge_explains_gate_and_veto() -> None:
    window = judge(score(0, 0.9), [frame(0, 79.9)], rules=rules(), vetoed_by=None)
    assert (window.gate, window.match) == (False, False)
    window = judge(score(0, 0.9), [frame(0, 80.0)], rules=rules(), vetoed_by="siren")
    assert (window.gate, window.match, window.vetoed_by) == (True, False, "siren")


def test_without_a_loud_frame_there_is_no_span() -> None:
    assert loud_span([frame(0, 60.0)], first_s=0.0, last_s=0.125, gate_db=80.0) == ()


def test_the_energy_mean_of_equal_levels_is_the_level() -> None:
    assert energy_mean_db([70.0, 70.0]) == pytest.approx(70.0)
    assert date(2026, 11, 22) == START.date()


def test_an_event_outside_the_hours_is_marked_told_and_not_budgeted() -> None:
    frames, scores = street(60, [(5, 9), (25, 29), (45, 49)], [(5, 9), (25, 29), (45, 49)])
    strict = Trigger(
        rules(budget_per_day=1),
        veto_of=lambda _: None,
        new_id=str,
        day_of=lambda _: date(2026, 11, 22),
        # START is ten seconds to midnight UTC; an hour earlier it is so in Brussels
        hours_at=lambda sample: wanted_at(
            ["00:00-00:01"], START + timedelta(seconds=sample / RATE_HZ - 3600), Calendar()
        ),
    )
    events = run(strict, frames, scores)
    assert [event.flags for event in events] == [("outside-hours",), (), ("over-budget",)]
    assert "23:59 Europe/Brussels lies outside 00:00-00:01" in events[0].why


def test_a_period_lends_its_gate_and_its_name() -> None:
    frames, scores = street(30, [(5, 9), (20, 24)], [(5, 9), (20, 24)])
    school = Trigger(
        rules(gate_db=95.0),
        veto_of=lambda _: None,
        new_id=str,
        day_of=lambda _: date(2026, 11, 22),
        gate_at=lambda sample: Gate(75.0, "school") if sample >= 15 * RATE_HZ else Gate(95.0, ""),
    )
    (event,) = run(school, frames, scores)
    assert event.gate_db == 75.0
    assert 19.0 <= event.onset_s <= 21.0
    assert "reached the gate of 75.0 dB (school)" in event.why


def test_an_event_is_told_without_waiting_for_a_window_that_can_only_come_too_late() -> None:
    frames, scores = street(30, [(10, 13)], [(10, 13)])
    waiting = trigger(rules())
    told_s = []
    for each in scores:
        upto = [f for f in frames if f.end_sample <= each.end_sample]
        told_s += [each.end_sample / RATE_HZ for _ in waiting.push(upto, [each])]
        frames = frames[len(upto) :]
    # the last match ends at 13.5 s; the window from 16 s is the last that could have joined it
    assert told_s == [17.0]


class Patient(Trigger):
    """Waits for the window that can only come too late, as the rule is written down."""

    def _is_last(self, current: object, window: object) -> bool:
        return False


@given(
    loud=st.lists(st.booleans(), min_size=20, max_size=60),
    gap_s=st.sampled_from([0.5, 1.0, 2.0, 3.0, 3.3]),
    cooldown_s=st.sampled_from([0.0, 2.0, 5.0]),
)
def test_who_does_not_wait_hears_the_same_events(loud: list[bool], gap_s: float, cooldown_s: float) -> None:
    the_rules = rules(merge_gap_s=gap_s, cooldown_s=cooldown_s, longest_event_s=12.0)
    frames = [frame(i, 90.0 if loud[i // 4] else 60.0) for i in range(len(loud) * 4)]
    scores = [score(i, 0.95 if loud[i] else 0.1) for i in range(len(loud) - 1)]
    usual = trigger(the_rules)
    patient = Patient(the_rules, veto_of=usual._veto_of, new_id=usual._new_id, day_of=usual._day_of)
    assert run(usual, frames, scores) == run(patient, frames, scores)
