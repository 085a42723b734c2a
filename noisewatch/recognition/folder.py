"""Writing a signature folder: ``signature.toml``, ``model.skops`` and ``card.md``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisewatch.errors import InputOutputError
from noisewatch.recognition.features import FEATURE_SET
from noisewatch.recognition.model import save_model
from noisewatch.recognition.signature import Veto
from noisewatch.recognition.training import Trained

#: Probability from which a window can be part of an event, or the threshold where that is lower.
OPENING = 0.3


@dataclass(frozen=True, slots=True)
class Wish:
    """What the keys of ``signature.toml`` shall be, beside those that training finds.

    ``labels`` and ``sublabels`` say which recordings are its own (no sublabels: all of the labels);
    ``unclear`` names sublabels of which nobody can say, so that they neither train nor count; ``limits`` are
    sentences for the card; ``feature_set`` names what its model is trained on.
    """

    name: str
    version: str
    description: str
    labels: tuple[str, ...] = ("exhaust",)
    sublabels: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    gate_db: float = 80.0
    minimum_duration_s: float = 1.0
    behaviours: tuple[str, ...] = ()
    hours: tuple[str, ...] = ()
    budget_per_day: int = 200
    feature_set: str = FEATURE_SET
    vetoes: tuple[Veto, ...] = (
        Veto("siren", 0.25),
        Veto("horn", 0.25),
        Veto("rail", 0.25),
        Veto("aircraft", 0.25),
        Veto("tools", 0.25),
        Veto("impulse", 0.25),
        Veto("animal", 0.25),
        Veto("voice", 0.25),
        Veto("music", 0.25),
    )


def write_signature(folder: Path, *, wish: Wish, trained: Trained, card: str) -> None:
    """Write the three files of a signature; the model's hash stands in ``signature.toml``.

    Raises
    ------
    InputOutputError
        The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_model(folder / "model.skops", **_parts(trained.document))
        model_sha256 = hashlib.sha256((folder / "model.skops").read_bytes()).hexdigest()
        _write(folder / "card.md", card)
        _write(
            folder / "signature.toml",
            signature_toml(wish, trained.threshold, model_sha256, feature_set=trained.model.feature_set),
        )
    except OSError as error:
        raise InputOutputError(f"cannot be written ({error.strerror})", where=folder) from error


def signature_toml(wish: Wish, threshold: float, model_sha256: str, *, feature_set: str) -> str:
    """Return the text of ``signature.toml``, every key with what it means."""
    lines = [
        "# A signature is data: what noisewatch looks for. Every key is checked; unknown keys are refused.",
        f"name = {json.dumps(wish.name)}",
        f"version = {json.dumps(wish.version)}",
        f"description = {json.dumps(wish.description, ensure_ascii=False)}",
        "# labels of the corpus that count as this signature",
        f"labels = {json.dumps(list(wish.labels))}",
        "# of these, the sublabels and kinds of synthetic clips that are its own (none: all), the ones that",
        "# are unclear and left out, and what the card shall say of limits",
        f"sublabels = {json.dumps(list(wish.sublabels))}",
        f"unclear = {json.dumps(list(wish.unclear))}",
        f"limits = {_toml_list(wish.limits)}",
        "# the features that the model needs, and the model's own hash",
        f"feature_set = {json.dumps(feature_set)}",
        f"model_sha256 = {json.dumps(model_sha256)}",
        "# LAFmax in dB from which a window counts; nominal, the node may set its own",
        f"gate_db = {wish.gate_db}",
        "# calibrated probability from which an event or file is a match; chosen in training, see card.md",
        f"threshold = {threshold}",
        "# calibrated probability from which a window can be part of an event",
        f"opening = {min(OPENING, threshold)}",
        "# seconds that matching windows must cover together",
        f"minimum_duration_s = {wish.minimum_duration_s}",
        '# behaviours and local hours that are meant; empty means all, for example hours = ["22:00-24:00"]',
        f"behaviours = {json.dumps(list(wish.behaviours))}",
        f"hours = {json.dumps(list(wish.hours))}",
        "# events a day that may be sealed",
        f"budget_per_day = {wish.budget_per_day}",
        "",
        "# A window is vetoed where a competing class is more probable than the signature by the margin.",
    ]
    for veto in wish.vetoes:
        lines += ["[[vetoes]]", f"label = {json.dumps(veto.label)}", f"margin = {veto.margin}", ""]
    return "\n".join(lines).rstrip() + "\n"


def _toml_list(sentences: Sequence[str]) -> str:
    if not sentences:
        return "[]"
    return "\n".join(["[", *[f"    {json.dumps(text, ensure_ascii=False)}," for text in sentences], "]"])


def model_card(
    wish: Wish,
    *,
    trained: Trained,
    figures: Mapping[str, Any],
    corpus: Sequence[Mapping[str, Any]],
    materials: Sequence[str],
    settings: Sequence[str],
    limits: Sequence[str],
) -> str:
    """Return the card: what it was trained on, what it reaches, and where it cannot be trusted.

    Parameters
    ----------
    wish, trained : Wish, Trained
        The signature.
    figures : mapping
        What :func:`noisewatch.recognition.evaluation.evaluate` returned for the out-of-fold scores.
    corpus : sequence of mapping
        By source: ``source, clips, own, groups, licence``.
    materials, settings, limits : sequence of str
        One sentence each.
    """
    lines = [
        f"# {wish.name} {wish.version}",
        "",
        wish.description,
        "",
        "Readings and scores are an indication for a technical inspection, not proof.",
        "",
        "## Trained on",
        "",
        *[f"- {line}" for line in materials],
        "",
        "| source | clips | of which own | groups | licence |",
        "|---|---|---|---|---|",
        *[f"| {r['source']} | {r['clips']} | {r['own']} | {r['groups']} | {r['licence']} |" for r in corpus],
        "",
        "## How",
        "",
        *[f"- {line}" for line in settings],
        "",
        "## Results",
        "",
        f"Out of fold, {figures['clips']} clips of {figures['groups']} groups, no group on both sides;",
        "95 % intervals by a bootstrap over groups. Yield and false clips are for "
        f"{figures['passes_per_day']} passes a day",
        f"over the gate, {100 * figures['base_rate']:.1f} % of them exhausts.",
        "",
        "| figure | value | 95 % interval |",
        "|---|---|---|",
        *[f"| {text} | {_value(figures, key)} | {_interval(figures, key)} |" for key, text in _FIGURE_NAMES],
        f"| threshold | {trained.threshold:.3f} | |",
        f"| calibration error | {figures['calibration_error']:.3f} | |",
        "",
        "| label | clips | groups | share over the threshold | median probability |",
        "|---|---|---|---|---|",
        *[
            f"| {label} | {row['clips']} | {row['groups']} | {row['share']:.3f} | "
            f"{row['median_probability']:.3f} |"
            for label, row in figures["by_label"].items()
        ],
        "",
        "| source | clips | own | recall | false share | AUROC |",
        "|---|---|---|---|---|---|",
        *[
            f"| {source} | {row['clips']} | {row['own']} | {_or_dash(row['recall'])} | "
            f"{_or_dash(row['false_share'])} | {_or_dash(row['auroc'])} |"
            for source, row in figures["by_source"].items()
        ],
        "",
        "## Limits",
        "",
        *[f"- {line}" for line in limits],
    ]
    return "\n".join(lines) + "\n"


_FIGURE_NAMES = (
    ("auroc", "AUROC"),
    ("average_precision", "average precision"),
    ("recall_at_fpr_0_01", "recall at 1 % false positives"),
    ("recall_at_fpr_0_001", "recall at 0.1 % false positives"),
    ("yield", "yield"),
    ("lost_share", "share lost"),
    ("false_per_day", "false clips a day"),
)


def _value(figures: Mapping[str, Any], key: str) -> str:
    return f"{figures[key]:.3f}"


def _interval(figures: Mapping[str, Any], key: str) -> str:
    return f"{figures[f'{key}_low']:.3f} to {figures[f'{key}_high']:.3f}"


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _parts(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "format"}


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
