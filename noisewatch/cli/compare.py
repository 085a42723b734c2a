"""The analyst's command that compares two signatures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisewatch.cli.output import JsonOption, emit, progress_line, table

if TYPE_CHECKING:
    from noisewatch.recognition.difference import Rated
    from noisewatch.recognition.signature import Signature

#: The label of a file that comes without a manifest.
UNLABELLED = "unlabelled"


def diff(
    before: Annotated[str, typer.Argument(help="The signature as it was: its name or folder.")],
    after: Annotated[str, typer.Argument(help="The signature as it would be: its name or folder.")],
    recordings: Annotated[
        list[Path] | None, typer.Argument(help="A corpus folder with manifest.csv, or sound files.")
    ] = None,
    events: Annotated[
        bool,
        typer.Option(
            "--events", help="Decide as the box does, with vetoes, duration and gate; slower on a corpus."
        ),
    ] = False,
    pascal_per_unit: Annotated[
        float | None,
        typer.Option("--pascal-per-unit", min=1e-9, help="Scale of recordings: the gates count too."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what changes between two signatures: keys, and recordings that match in one of them only.

    With --events a recording matches where it would become an event: opening, vetoes, minimum duration and
    threshold decide as on a box, and the gate too where --pascal-per-unit says how loud the recordings are.

    \b
    Example: noisewatch signatures diff exhaust ./my-exhaust ../shared/corpus --json
    """
    from noisewatch.errors import UsageError
    from noisewatch.recognition.difference import difference
    from noisewatch.recognition.signature import find_signature, load_signature

    pair = (load_signature(find_signature(before)), load_signature(find_signature(after)))
    if pascal_per_unit is not None and not events:
        raise UsageError("--pascal-per-unit is for --events", where="diff")
    rated = None
    if recordings:
        rated = _replayed(pair, recordings, pascal_per_unit) if events else _rated(pair, recordings)
    document = difference(pair, rated)
    if rated is not None:
        document["decided"] = _decided(events=events, scale=pascal_per_unit)
    emit(document, as_json=as_json, human=_in_words(document))


def add_to(signatures: typer.Typer) -> None:
    """Add the command to the group ``signatures``."""
    signatures.command("diff")(diff)


def _rated(pair: tuple[Signature, Signature], recordings: list[Path]) -> tuple[list[Rated], list[Rated]]:
    """Rate a corpus or single files by both signatures."""
    from noisewatch.errors import UsageError

    folders = [path for path in recordings if path.is_dir()]
    if folders and len(recordings) > 1:
        raise UsageError("give one corpus folder, or files", where=folders[0])
    if folders:
        return _corpus_rated(pair, folders[0])
    return _files_rated(pair[0], recordings), _files_rated(pair[1], recordings)


def _corpus_rated(pair: tuple[Signature, Signature], corpus: Path) -> tuple[list[Rated], list[Rated]]:
    import os

    from noisewatch.recognition.corpus import read_manifest
    from noisewatch.recognition.difference import Rated
    from noisewatch.recognition.recipe import judged_fixed
    from noisewatch.recognition.tables import default_cache, table_of_corpus

    rows = read_manifest(corpus)
    made = table_of_corpus(rows, jobs=os.cpu_count() or 1, cache=default_cache(), progress=progress_line)
    names = [str(row.path.relative_to(corpus)) for row in rows]
    one, two = (
        [Rated(n, j.label, j.probability) for n, j in zip(names, judged_fixed(made, item), strict=True)]
        for item in pair
    )
    return one, two


def _files_rated(signature: Signature, files: list[Path]) -> list[Rated]:
    from noisewatch.cli.signatures import _first_channel
    from noisewatch.recognition.difference import Rated
    from noisewatch.recognition.score import Scorer, file_probability

    rated = []
    for file in files:
        rate_hz, pieces = _first_channel(str(file))
        scorer = Scorer(signature, rate_hz=rate_hz)
        scores = [score for piece in pieces for score in scorer.push(piece)] + scorer.finish()
        rated.append(Rated(str(file), UNLABELLED, file_probability(scores)))
    return rated


def _decided(*, events: bool, scale: float | None) -> str:
    """Return in words what a match of a recording is."""
    if not events:
        return "by the probability of the whole recording"
    gate = "gate, " if scale is not None else "no gate (the recordings' levels are not known), "
    return f"as events: {gate}opening, vetoes, minimum duration and threshold"


def _replayed(
    pair: tuple[Signature, Signature], recordings: list[Path], scale: float | None
) -> tuple[list[Rated], list[Rated]]:
    """Play each recording through meter, signature and trigger, as a box would."""
    from noisewatch.cli.output import progress_line
    from noisewatch.recognition.corpus import read_manifest

    if len(recordings) == 1 and recordings[0].is_dir():
        folder = recordings[0]
        named = [(row.path, str(row.path.relative_to(folder)), row.label) for row in read_manifest(folder)]
    else:
        named = [(path, str(path), UNLABELLED) for path in recordings]
    one: list[Rated] = []
    two: list[Rated] = []
    for done, (path, name, label) in enumerate(named, start=1):
        one.append(_replay(pair[0], path, name, label, scale))
        two.append(_replay(pair[1], path, name, label, scale))
        progress_line("recordings", done, len(named))
    return one, two


def _replay(signature: Signature, path: Path, name: str, label: str, scale: float | None) -> Rated:
    """Return what the box would make of a recording; the probability is its clearest event's, or its own."""
    from datetime import UTC, datetime

    from noisewatch.acoustics.meter import Meter
    from noisewatch.capture.microphone import open_audio
    from noisewatch.node.config import TriggerSection
    from noisewatch.node.trigger import Trigger, TriggerRules
    from noisewatch.recognition.difference import Rated
    from noisewatch.recognition.score import Scorer, file_probability, veto_of

    usual, source = TriggerSection(), open_audio(str(path), pascal_per_unit=scale or 1.0, block_frames=48_000)
    rules = TriggerRules(
        signature=signature.name,
        version=signature.version,
        signature_sha256=signature.sha256,
        gate_db=-1000.0 if scale is None else signature.gate_db,
        threshold=signature.threshold,
        minimum_duration_s=signature.minimum_duration_s,
        merge_gap_s=usual.merge_gap_s,
        cooldown_s=usual.cooldown_s,
        longest_event_s=usual.longest_event_s,
        budget_per_day=signature.budget_per_day,
        opening=signature.opening,
    )
    day = datetime.now(UTC).date()
    trigger = Trigger(
        rules, veto_of=lambda score: veto_of(score, signature), new_id=str, day_of=lambda _: day
    )
    meter, scorer = Meter(rate_hz=source.rate_hz), Scorer(signature, rate_hz=source.rate_hz)
    events, scores = [], []
    try:
        for block in source.blocks():
            found = scorer.push(block.samples[0])
            scores += found
            events += trigger.push(meter.push(block.samples[:1]), found)
    finally:
        source.close()
    found = scorer.finish()
    scores += found
    events += trigger.push(meter.finish(), found) + trigger.finish()
    clearest = max((event.probability for event in events), default=file_probability(scores))
    return Rated(name, label, clearest, is_match=bool(events))


def _in_words(document: dict[str, Any]) -> str:
    names = " -> ".join(f"{document[k]['signature']} {document[k]['version']}" for k in ("before", "after"))
    parts = [names if document["keys"] else f"{names}: the same"]
    if document["keys"]:
        rows = [(key, str(pair["before"]), str(pair["after"])) for key, pair in document["keys"].items()]
        parts.append(table(["key", "before", "after"], rows))
    if "clips" in document:
        parts.append(
            f"{document['clips']} recordings, {document['decided']}: {document['gained']} match only after, "
            f"{document['lost']} only before"
        )
        labels = [
            (label, row["clips"], row["gained"], row["lost"]) for label, row in document["by_label"].items()
        ]
        parts.append(table(["label", "clips", "gained", "lost"], labels))
    if document.get("changes"):
        changed = [
            (row["name"], row["label"], f"{row['before']:.3f}", f"{row['after']:.3f}")
            for row in document["changes"]
        ]
        parts.append(table(["recording", "label", "before", "after"], changed))
    return "\n\n".join(parts)
