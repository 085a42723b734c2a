"""Figures that were measured on the software itself: each with the test or benchmark that it came from."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from noisewatch.evidence.figures import Figure

_ENCODER = "Resemblyzer"


def measured(language: str, live: tuple[Figure, ...] = ()) -> list[dict[str, str]]:
    """Return the measured figures, each with the test or query: of the software, then of this deployment.

    Parameters
    ----------
    language : str
        nl, fr or en.
    live : tuple of Figure
        What was counted on this deployment.
    """
    not_measured = tomllib.loads(_text("dpia.toml"))["not_measured"][language]
    rows = []
    for entry in tomllib.loads(_text("measured.toml")).values():
        found = _of_bench(entry["figure"]) if "figure" in entry else (entry["value"], entry["source"])
        rows.append({"what": entry[language], "value": found[0] or not_measured, "source": found[1]})
    return rows + [
        {
            "what": figure.key.replace("_", " "),
            "value": "< 5" if figure.is_suppressed else "–" if figure.value is None else str(figure.value),
            "source": figure.source,
        }
        for figure in live
    ]


def speech_figures() -> Mapping[str, Any]:
    """Return what ``bench/privacy.py --figures`` wrote: every figure, the method and the versions."""
    document: Mapping[str, Any] = json.loads(_text("privacy_figures.json"))
    return document


@cache
def _text(name: str) -> str:
    return (resources.files("noisewatch.evidence") / "templates" / name).read_text(encoding="utf-8")


def _of_bench(key: str) -> tuple[str, str]:
    """Return a figure of the benchmark as people read it, and where it came from; empty where it has none."""
    from noisewatch.privacy.speech import METHOD

    document = speech_figures()
    source = f"{document['bench']} ({document['date']}, {document['method']})"
    if document["method"] != METHOD:
        source += f"; not measured anew for {METHOD}"
    if key == "speakers":
        return _speakers(document["speakers"]), source
    one = document["worst"].get(key)
    if one is None:
        return "", source
    who = f"{one['judge']}, {one['language']}, " if "judge" in one else ""
    where = f"{who}{one['way']}, {one['clips']} clips"
    if "worst" in one:
        return f"{one['worst']:.2f} ({where})", source
    return f"{one['value']:.1%} ({one['low']:.1%} to {one['high']:.1%}; {where})", source


def _speakers(rates: Mapping[str, Any] | None) -> str:
    if rates is None or _ENCODER not in rates:
        return ""
    found, known = rates[_ENCODER], ""
    if "recognised throughout" in found:
        known = (
            f"; {found['recognised throughout']:.1%} of a voice alone in which a signature matched throughout"
        )
    return f"{found['treated']:.1%} ({_ENCODER}, {rates['people']['speakers']} speakers{known})"
