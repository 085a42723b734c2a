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
    as_json: JsonOption = False,
) -> None:
    """Say what changes between two signatures: keys, and recordings that match in one of them only.

    \b
    Example: noisewatch signatures diff exhaust ./my-exhaust ../shared/corpus --json
    """
    from noisewatch.recognition.difference import difference
    from noisewatch.recognition.signature import find_signature, load_signature

    pair = (load_signature(find_signature(before)), load_signature(find_signature(after)))
    rated = None if not recordings else _rated(pair, recordings)
    document = difference(pair, rated)
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


def _in_words(document: dict[str, Any]) -> str:
    names = " -> ".join(f"{document[k]['signature']} {document[k]['version']}" for k in ("before", "after"))
    parts = [names if document["keys"] else f"{names}: the same"]
    if document["keys"]:
        rows = [(key, str(pair["before"]), str(pair["after"])) for key, pair in document["keys"].items()]
        parts.append(table(["key", "before", "after"], rows))
    if "clips" in document:
        parts.append(
            f"{document['clips']} recordings: {document['gained']} match only after, "
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
