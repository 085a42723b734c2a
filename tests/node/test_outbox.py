"""What waits for the broker: in order, bounded, the least important given up first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from noisewatch.node.outbox import Kind, Message, Outbox


def message(number: int, kind: Kind = Kind.EVENT, topic: str = "n/event") -> Message:
    return Message(topic, str(number).encode(), kind)


def test_messages_leave_in_the_order_in_which_they_came_and_once() -> None:
    box = Outbox(maximum=10)
    for number in range(3):
        box.put(message(number))
    assert [m.payload for _, m in box.take(2)] == [b"0", b"1"]
    assert [m.payload for _, m in box.take(5)] == [b"2"]
    assert box.take(5) == []
    assert box.under_way == 3


def test_a_full_outbox_gives_up_the_oldest_hour_before_any_event() -> None:
    box = Outbox(maximum=3)
    box.put(message(0))
    box.put(message(1, Kind.HOUR, "n/hour"))
    box.put(message(2, Kind.HOUR, "n/hour"))
    box.put(message(3))
    assert [m.payload for _, m in box.take(9)] == [b"0", b"2", b"3"]
    assert box.dropped == 1


def test_an_hour_does_not_push_an_event_out() -> None:
    box = Outbox(maximum=2)
    box.put(message(0))
    box.put(message(1))
    box.put(message(2, Kind.HOUR, "n/hour"))
    assert [m.payload for _, m in box.take(9)] == [b"0", b"1"]
    assert box.dropped == 1


def test_a_state_replaces_the_older_one_of_its_topic_and_is_never_given_up() -> None:
    box = Outbox(maximum=2)
    box.put(message(0, Kind.STATE, "n/health"))
    box.put(message(1, Kind.STATE, "n/state"))
    for number in range(5):
        box.put(message(10 + number))
    box.put(message(2, Kind.STATE, "n/health"))
    states = [m.payload for _, m in box.take(9) if m.kind is Kind.STATE]
    assert states == [b"1", b"2"]


@given(
    st.lists(st.sampled_from([Kind.HOUR, Kind.EVENT, Kind.STATE]), max_size=60),
    st.integers(min_value=1, max_value=8),
)
def test_whatever_comes_the_outbox_stays_bounded_and_counts_what_it_gave_up(
    kinds: list[Kind], maximum: int
) -> None:
    box = Outbox(maximum=maximum)
    for number, kind in enumerate(kinds):
        box.put(message(number, kind, f"n/{kind.name}"))
    standing = [kind for kind in kinds if kind is not Kind.STATE]
    left = [m for _, m in box.take(1000)]
    assert len(left) <= maximum + 1
    assert sum(m.kind is not Kind.STATE for m in left) + box.dropped == len(standing)
    numbers = [int(m.payload) for m in left]
    assert numbers == sorted(numbers)
