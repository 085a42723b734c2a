"""Commands of the analyst: models of others that a signature may stand on, fetched and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noisewatch.cli.output import JsonOption, emit, progress_line, say

app = typer.Typer(no_args_is_help=True, help="Models of others that a signature may stand on: fetch.")


def register(root: typer.Typer) -> None:
    """Add the analyst's commands for models."""
    root.add_typer(app, name="models")


@app.callback()
def models() -> None:
    """Keep the group a group while it has one command."""


@app.command()
def fetch(
    model: Annotated[str, typer.Argument(help="yamnet.")],
    url: Annotated[
        str | None, typer.Option("--url", help="Address of the file; the checksum holds for any.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder; NOISEWATCH_MODELS or the user's own without.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Download a model, check it against the hash that is known here, and put it where signatures look.

    Only the file of exactly this content is taken, whatever the address. Its licence is shown first.

    \b
    Example: noisewatch models fetch yamnet --url https://models.example.org/yamnet.tflite
    """
    from noisewatch.errors import UsageError
    from noisewatch.recognition import embedding
    from noisewatch.recognition.download import fetch_file

    if model != "yamnet":
        raise UsageError(f"there is no model {model[:40]!r}", remedy="known: yamnet")
    say(f"YAMNet, {embedding.SIZE_BYTES / 1e6:.1f} MB. Licence: {embedding.LICENCE}")
    fetched = fetch_file(
        url or embedding.URL,
        folder=out or embedding.models_folder(),
        name=embedding.FILE,
        known_hash=f"sha256:{embedding.SHA256}",
        largest_bytes=2 * embedding.SIZE_BYTES,
        progress=progress_line,
    )
    document = {
        "model": model,
        "path": str(fetched.path),
        "sha256": fetched.sha256,
        "licence": embedding.LICENCE,
        "new": fetched.is_new,
        "feature_set": embedding.NAME,
    }
    state = "fetched and checked" if fetched.is_new else "was there already; checked"
    emit(document, as_json=as_json, human=f"{fetched.path}: {state}, sha256 {fetched.sha256}")
