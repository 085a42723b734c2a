"""Figures of a report: each says where it comes from, and none is small enough to point at somebody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Counts from 1 to 4 are printed as "< 5": few cases on one street may be one person's.
SMALLEST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: ``value`` is None where it is unknown or suppressed, ``source`` is the query or test."""

    key: str
    value: float | int | str | None
    source: str
    is_suppressed: bool = False

    def document(self) -> dict[str, Any]:
        """Return the figure as JSON prints it."""
        return {
            "key": self.key,
            "value": self.value,
            "suppressed": self.is_suppressed,
            "source": self.source,
        }


def count(key: str, number: int, source: str) -> Figure:
    """Return a count, suppressed from 1 to 4.

    Examples
    --------
    >>> [count("exports", n, "custody log").value for n in (0, 1, 4, 5)]
    [0, None, None, 5]
    """
    hidden = 0 < number < SMALLEST_SHOWN
    return Figure(key, None if hidden else number, source, is_suppressed=hidden)


def share(key: str, part: int, whole: int, source: str) -> Figure:
    """Return a share, suppressed where it or its rest would tell a small count; None of nothing.

    Examples
    --------
    >>> share("yield", 30, 40, "verdicts").value, share("yield", 39, 40, "verdicts").is_suppressed
    (0.75, True)
    """
    if whole == 0:
        return Figure(key, None, source)
    if 0 < part < SMALLEST_SHOWN or 0 < whole - part < SMALLEST_SHOWN or whole < SMALLEST_SHOWN:
        return Figure(key, None, source, is_suppressed=True)
    return Figure(key, round(part / whole, 4), source)


def breakdown(key: str, counts: Mapping[str, int], source: str) -> tuple[Figure, ...]:
    """Return the parts of a sum that is printed too: one hidden part alone could be reckoned back.

    So where exactly one part is hidden, or each hidden part would have to be 1, the smallest of the others is
    hidden with it: one that could be shown, else one of zero.

    Examples
    --------
    >>> parts = breakdown("exports", {"complaint": 12, "order": 2, "appeal": 7}, "custody log")
    >>> [(part.key, part.value) for part in parts]
    [('exports: appeal', None), ('exports: complaint', 12), ('exports: order', None)]
    """
    hidden = {name for name, number in counts.items() if 0 < number < SMALLEST_SHOWN}
    if hidden and (len(hidden) == 1 or sum(counts[name] for name in hidden) == len(hidden)):
        others = [name for name in counts if name not in hidden]
        # a part of zero hides less than one that is larger: it comes last
        hidden |= set(sorted(others, key=lambda name: (counts[name] == 0, counts[name], name))[:1])
    return tuple(
        Figure(f"{key}: {name}", None if name in hidden else number, source, is_suppressed=name in hidden)
        for name, number in sorted(counts.items())
    )
