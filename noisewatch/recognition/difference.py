"""What changes between two signatures: their keys, and which recordings match in one of them only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noisewatch.errors import InputError
from noisewatch.recognition.signature import Signature

#: Keys that are compared, in the order of ``signature.toml``.
KEYS = (
    "name",
    "version",
    "description",
    "labels",
    "feature_set",
    "classes",
    "gate_db",
    "threshold",
    "opening",
    "minimum_duration_s",
    "behaviours",
    "hours",
    "budget_per_day",
    "sha256",
)


@dataclass(frozen=True, slots=True)
class Rated:
    """The probability that a signature gives to one recording, with the recording's name and label.

    ``is_match`` is what gate, vetoes, duration and threshold together make of it; None where only the
    probability was asked for, which then decides by the threshold.
    """

    name: str
    label: str
    probability: float
    is_match: bool | None = None

    def matches(self, threshold: float) -> bool:
        """Tell whether it would become an event, or reaches the threshold where that was not asked."""
        return self.probability >= threshold if self.is_match is None else self.is_match


@dataclass(frozen=True, slots=True)
class Change:
    """A recording on which two signatures do not agree."""

    name: str
    label: str
    before: float
    after: float
    is_gained: bool


def key_changes(before: Signature, after: Signature) -> dict[str, dict[str, Any]]:
    """Return ``{key: {"before": …, "after": …}}`` of every key that differs; vetoes by label.

    A veto that only one of the two has stands with None on the other side.
    """
    changes: dict[str, dict[str, Any]] = {}
    for key in KEYS:
        pair = (_plain(getattr(before, key)), _plain(getattr(after, key)))
        if pair[0] != pair[1]:
            changes[key] = {"before": pair[0], "after": pair[1]}
    old, new = ({veto.label: veto.margin for veto in item.vetoes} for item in (before, after))
    for label in sorted(old.keys() | new.keys()):
        if old.get(label) != new.get(label):
            changes[f"vetoes.{label}"] = {"before": old.get(label), "after": new.get(label)}
    return changes


def match_changes(
    before: Sequence[Rated], after: Sequence[Rated], *, thresholds: tuple[float, float]
) -> list[Change]:
    """Return the recordings whose match changes, the largest change of probability first.

    Parameters
    ----------
    before, after : sequence of Rated
        The same recordings in the same order, by either signature.
    thresholds : tuple of float
        Probability from which either signature matches.

    Raises
    ------
    InputError
        The two do not hold the same recordings.

    Examples
    --------
    >>> one, two = [Rated("a.wav", "horn", 0.7)], [Rated("a.wav", "horn", 0.2)]
    >>> [(change.name, change.is_gained) for change in match_changes(one, two, thresholds=(0.5, 0.5))]
    [('a.wav', False)]
    """
    if [(item.name, item.label) for item in before] != [(item.name, item.label) for item in after]:
        raise InputError("the two signatures were not rated on the same recordings")
    changes = []
    for old, new in zip(before, after, strict=True):
        was, is_now = old.matches(thresholds[0]), new.matches(thresholds[1])
        if was != is_now:
            changes.append(Change(old.name, old.label, old.probability, new.probability, is_now))
    return sorted(changes, key=lambda change: (-abs(change.after - change.before), change.name))


def counts_by_label(rated: Sequence[Rated], changes: Sequence[Change]) -> dict[str, dict[str, int]]:
    """Return for each label how many recordings there are, and how many now match or no longer do.

    Examples
    --------
    >>> counts_by_label([Rated("a.wav", "horn", 0.7)], [Change("a.wav", "horn", 0.7, 0.2, is_gained=False)])
    {'horn': {'clips': 1, 'gained': 0, 'lost': 1}}
    """
    counts = {label: {"clips": 0, "gained": 0, "lost": 0} for label in sorted({r.label for r in rated})}
    for item in rated:
        counts[item.label]["clips"] += 1
    for change in changes:
        counts[change.label]["gained" if change.is_gained else "lost"] += 1
    return counts


def difference(
    signatures: tuple[Signature, Signature], rated: tuple[Sequence[Rated], Sequence[Rated]] | None = None
) -> dict[str, Any]:
    """Return the whole difference as a document.

    Parameters
    ----------
    signatures : tuple of Signature
        The one before and the one after.
    rated : tuple of sequences of Rated, optional
        The same recordings by both; without, only the keys are compared.

    Returns
    -------
    dict
        ``before, after, same, keys`` and, with recordings, ``clips, gained, lost, by_label, changes``.
    """
    before, after = signatures
    keys = key_changes(before, after)
    document: dict[str, Any] = {
        "before": _named(before),
        "after": _named(after),
        "same": not keys,
        "keys": keys,
    }
    if rated is None:
        return document
    changes = match_changes(*rated, thresholds=(before.threshold, after.threshold))
    document["clips"] = len(rated[0])
    document["gained"] = sum(change.is_gained for change in changes)
    document["lost"] = len(changes) - document["gained"]
    document["by_label"] = counts_by_label(rated[0], changes)
    document["changes"] = [
        {
            "name": change.name,
            "label": change.label,
            "before": change.before,
            "after": change.after,
            "match": change.is_gained,
        }
        for change in changes
    ]
    return document


def _named(signature: Signature) -> Mapping[str, str]:
    return {"signature": signature.name, "version": signature.version, "sha256": signature.sha256}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
