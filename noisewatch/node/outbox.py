"""Notices that wait for the broker: bounded, in order, in memory only; what must go goes by a rule.

In memory only, because an event's level and time would otherwise lie on the box in the clear. A restart
forgets what waits; that is said in the health notice, and the events themselves are sealed in the store.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    """What a message is; where room runs out, the lower goes first."""

    HOUR = 0
    EVENT = 1
    STATE = 2


@dataclass(frozen=True, slots=True)
class Message:
    """One message: a state replaces the older one of its topic, others stand in line."""

    topic: str
    payload: bytes
    kind: Kind


class Outbox:
    """Keeps messages until the broker has taken them.

    Parameters
    ----------
    maximum : int
        How many may wait.

    Attributes
    ----------
    dropped : int
        Messages that were given up for want of room.

    Examples
    --------
    >>> box = Outbox(maximum=2)
    >>> for text in (b"1", b"2", b"3"):
    ...     box.put(Message("n/hour", text, Kind.HOUR))
    >>> [message.payload for _, message in box.take(5)], box.dropped
    ([b'2', b'3'], 1)
    """

    def __init__(self, *, maximum: int) -> None:
        self.dropped = 0
        self._maximum = maximum
        self._next = 0
        self._waiting: OrderedDict[int, Message] = OrderedDict()
        self._under_way: set[int] = set()

    def __len__(self) -> int:
        """Return how many messages wait, those under way included."""
        return len(self._waiting)

    def put(self, message: Message) -> None:
        """Let a message wait; a full outbox gives up the oldest of the least important kind."""
        if message.kind is Kind.STATE:
            self._take_out_states(message.topic)
        elif len(self._waiting) >= self._maximum and not self._make_room(message.kind):
            self.dropped += 1
            return
        self._waiting[self._next] = message
        self._next += 1

    def take(self, most: int) -> list[tuple[int, Message]]:
        """Return up to `most` messages that are not under way, oldest first, and count them as under way."""
        found: list[tuple[int, Message]] = []
        for number, message in self._waiting.items():
            if len(found) >= most:
                break
            if number not in self._under_way:
                found.append((number, message))
        self._under_way.update(number for number, _ in found)
        return found

    @property
    def under_way(self) -> int:
        """How many were handed out and are not yet settled."""
        return len(self._under_way)

    def settle(self, number: int) -> None:
        """Forget a message: the broker has it, or will never take it."""
        self._waiting.pop(number, None)
        self._under_way.discard(number)

    def _take_out_states(self, topic: str) -> None:
        for number in [n for n, m in self._waiting.items() if m.kind is Kind.STATE and m.topic == topic]:
            self.settle(number)

    def _make_room(self, kind: Kind) -> bool:
        """Give up the oldest message of the least important kind; False where all are more important."""
        kinds = [message.kind for message in self._waiting.values() if message.kind <= kind]
        if not kinds:
            return False
        least = min(kinds)
        oldest = next(number for number, message in self._waiting.items() if message.kind is least)
        self.settle(oldest)
        self.dropped += 1
        return True
