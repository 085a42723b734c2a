"""Write the figures of bench/privacy.py as JSON, as ``noisewatch privacy dpia`` quotes them."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: What a figure names as its source.
COMMAND = "python bench/privacy.py --record FILE --figures FILE"
_PACKAGES = ("numpy", "scipy", "pystoi", "faster-whisper", "ctranslate2", "pocketsphinx", "librosa")


def write_figures(
    path: Path,
    figures: Sequence[Mapping[str, Any]],
    missed: Sequence[str],
    speakers: Mapping[str, Mapping[str, float]] | None,
    *,
    method: str,
) -> None:
    """Write the date, method, versions, every figure, what is missed, and the worst of each kind.

    Parameters
    ----------
    path : Path
        Where to.
    figures, missed : sequences
        As ``privacy_listening.summary`` and ``misses`` return them.
    speakers : mapping, optional
        Equal error rates; those of an earlier run are kept where this one has none.
    method : str
        The treatment's name and version.
    """
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept = before.get("speakers") if before.get("method") == method else None
    document = {
        "bench": COMMAND,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "method": method,
        "machine": platform.machine(),
        "versions": _versions(),
        "judges": sorted({f"{one['judge']}, {one['language']}" for one in figures if one.get("counts")}),
        "worst": _worst(figures),
        "speakers": speakers or kept,
        "missed": list(missed),
        "figures": list(figures),
    }
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found | {"whisper": os.environ.get("NOISEWATCH_WHISPER_SOURCE", "see bench/privacy_judges.py")}


def _worst(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the worst figure of each measure over treated sound, and over what was attacked or rebuilt."""
    kinds = {"treated": ("treated",), "attacked": ("attack",), "rebuilt": ("stored",)}
    found: dict[str, Any] = {}
    for kind, begin in kinds.items():
        ones = [one for one in figures if one["way"].startswith(begin) and one.get("counts", True)]
        for measure in ("words_wrong", "content_words", "stoi", "estoi"):
            of_measure = [one for one in ones if one["measure"] == measure]
            if of_measure:
                worst = (min if measure == "words_wrong" else max)(
                    of_measure, key=lambda one: one.get("worst", one["value"])
                )
                found[f"{kind}_{measure}"] = worst
    return found


def markdown(figures: Sequence[Mapping[str, Any]]) -> str:
    """Return the figures as the tables of docs/privacy.md: words by recogniser, and intelligibility."""
    by: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    clear: dict[str, dict[str, Mapping[str, Any]]] = {}
    for one in figures:
        if "judge" in one:
            note = "" if one["counts"] else " (does not count)"
            by.setdefault((one["way"], f"{one['judge']}, {one['language']}{note}"), {})[one["measure"]] = one
        else:
            clear.setdefault(one["way"], {})[one["measure"]] = one
    lines = ["| sound | recogniser | clips | WER (95 %) | content words |", "|---|---|---|---|---|"]
    for (way, who), found in by.items():
        words, content = found["words_wrong"], found["content_words"]
        span = f"{words['low']:.0%} to {words['high']:.0%}"
        lines.append(
            f"| {way} | {who} | {words['clips']} | {words['value']:.1%} ({span}) "
            f"| {content['of']} = {content['value']:.1%} |"
        )
    lines += ["", "| sound | clips | STOI (worst) | ESTOI (worst) |", "|---|---|---|---|"]
    for way, found in clear.items():
        cells = [f"{found[key]['value']:.2f} ({found[key]['worst']:.2f})" for key in ("stoi", "estoi")]
        lines.append(f"| {way} | {found['stoi']['clips']} | {' | '.join(cells)} |")
    return "\n".join(lines)
