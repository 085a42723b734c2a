"""What a person asks of a signature: the keys they wrote, and which recordings these claim."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from noisewatch.errors import ConfigurationError
from noisewatch.recognition.features import FEATURE_SET
from noisewatch.recognition.featuresets import NAMES
from noisewatch.recognition.folder import Wish
from noisewatch.recognition.signature import Signature, Veto, read_wish_keys
from noisewatch.recognition.tables import Table


def read_wish(folder: Path) -> Wish | None:
    """Return what ``signature.toml`` of a folder asks for; None where the folder has no such file.

    Threshold, features and hash, which training finds, may be there from an earlier time or be missing.

    Raises
    ------
    ConfigurationError
        A key is unknown, missing or out of range.
    """
    path = folder / "signature.toml"
    if not path.is_file():
        return None
    keys = read_wish_keys(path)
    return Wish(
        name=keys.name,
        version=keys.version,
        description=keys.description,
        labels=tuple(keys.labels),
        sublabels=tuple(keys.sublabels),
        unclear=tuple(keys.unclear),
        limits=tuple(keys.limits),
        gate_db=keys.gate_db,
        minimum_duration_s=keys.minimum_duration_s,
        behaviours=tuple(keys.behaviours),
        hours=tuple(keys.hours),
        budget_per_day=keys.budget_per_day,
        feature_set=_wanted_set(keys.feature_set, path),
        vetoes=tuple(Veto(veto.label, veto.margin) for veto in keys.vetoes),
    )


def _wanted_set(name: str | None, path: Path) -> str:
    """Return the feature set that is asked for; an earlier full set is followed by the present one."""
    if name is None or name.startswith("full-"):
        return FEATURE_SET
    if name not in NAMES:
        raise ConfigurationError(
            f"key 'feature_set': {name[:40]!r} is not known here", where=path, remedy=f"use one of {NAMES}"
        )
    return name


def is_claimed(label: str, sublabel: str, *, labels: Collection[str], sublabels: Collection[str]) -> bool:
    """Tell whether a signature with these labels and sublabels means a recording.

    Examples
    --------
    >>> is_claimed("exhaust", "motorcycle", labels=["exhaust"], sublabels=["motorcycle", "superbike"])
    True
    >>> is_claimed("exhaust", "sport_car", labels=["exhaust"], sublabels=["motorcycle", "superbike"])
    False
    >>> is_claimed("exhaust", "", labels=["exhaust"], sublabels=[])
    True
    """
    return label in labels and (not sublabels or sublabel in sublabels)


def claimed(table: Table, wish: Wish | Signature) -> Table:
    """Return a table in which the signature's own clips bear its name, and the unclear ones are left out.

    What has one of the labels but not one of the sublabels stays as its label's class: it competes.
    """
    kept = table.only(lambda clip: clip.label not in wish.labels or clip.sublabel not in wish.unclear)
    clips = tuple(
        replace(
            clip,
            own_class=(
                wish.name
                if is_claimed(clip.label, clip.sublabel, labels=wish.labels, sublabels=wish.sublabels)
                else ""
            ),
        )
        for clip in kept.clips
    )
    return replace(kept, clips=clips)
