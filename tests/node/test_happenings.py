"""What the journal tells of samples and records lost, a clock that was set, a broker that went away."""

from __future__ import annotations

from noisewatch.node.happenings import EVERY_S, Counts, Happenings


def test_each_happening_is_told_once_and_at_once() -> None:
    seen = Happenings(rate_hz=48_000)
    assert seen.since(Counts(), now_s=0.0) == ()
    all_three = Counts(lost_samples=480, clock_steps=1, last_step_s=2.5, is_broker_away=True)
    told = seen.since(all_three, now_s=1.0)
    assert [(one.kind, one.sentence) for one in told] == [
        ("lost", "480 samples of sound were lost, 0.010 s"),
        ("clock", "the clock was set by +2.500 s"),
        ("broker", "the broker is away"),
    ]
    assert seen.since(all_three, now_s=3.0) == ()


def test_losses_of_a_bad_hour_are_summed_up_and_none_is_left_out() -> None:
    seen = Happenings(rate_hz=48_000)
    told = [
        one.details["samples"]
        for second in range(3601)
        for one in seen.since(Counts(lost_samples=10 * (second + 1)), now_s=float(second))
    ]
    assert len(told) == 1 + 3600 / EVERY_S
    assert sum(told) == 36_010


def test_a_clock_set_twice_and_a_broker_that_came_back_meanwhile() -> None:
    seen = Happenings(rate_hz=48_000)
    seen.since(Counts(clock_steps=1, last_step_s=1.0, is_broker_away=True), now_s=0.0)
    later = Counts(clock_steps=3, last_step_s=-4.0)
    assert seen.since(later, now_s=EVERY_S / 2) == ()
    told = [one.sentence for one in seen.since(later, now_s=EVERY_S)]
    assert told == ["the clock was set by -4.000 s, the last of 2 times", "the broker is back"]


def test_what_could_not_be_stored_is_told_with_its_reason_however_soon_it_is_over() -> None:
    seen = Happenings(rate_hz=48_000)
    full = Counts(not_stored=2, why_not_stored="no space left on the disk")
    assert [(one.kind, one.sentence, one.details) for one in seen.since(full, now_s=1.0)] == [
        ("disk", "2 records could not be stored, the last: no space left on the disk", {"records": 2})
    ]
    assert seen.since(full, now_s=2.0 + EVERY_S) == ()
    again = Counts(not_stored=3, why_not_stored="the disk can't be written")
    (one,) = seen.since(again, now_s=3.0 + EVERY_S)
    assert one.sentence == "1 record could not be stored, the last: the disk can't be written"
