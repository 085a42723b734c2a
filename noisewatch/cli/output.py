"""How every command speaks: results to standard output, messages to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

#: ``--json`` as every command that prints takes it.
#: Characters of a progress bar.
_BAR = 20

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document (one line per item for streams).")
]


def emit(document: Mapping[str, Any], *, as_json: bool, human: str | None = None) -> None:
    """Print a result: the document as one line of JSON, or the text for people."""
    if as_json:
        print(json.dumps(document, ensure_ascii=False, allow_nan=False), flush=True)
    elif human is not None:
        print(human, flush=True)


def say(text: str) -> None:
    """Print a message for people to standard error."""
    print(text, file=sys.stderr, flush=True)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a plain text table; numbers stand right, text left.

    Examples
    --------
    >>> print(table(["file", "dB"], [["a.wav", 80.5]]))
    file     dB
    a.wav  80.5
    """
    cells = [[str(value) for value in row] for row in rows]
    numeric = [bool(cells) and all(_is_number(row[column]) for row in cells) for column in range(len(header))]
    widths = [max(len(row[column]) for row in [list(header), *cells]) for column in range(len(header))]
    lines = []
    for row in [list(header), *cells]:
        parts = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def is_terminal() -> bool:
    """Tell whether standard error is a terminal, so that progress may be drawn on it."""
    return sys.stderr.isatty()


def progress_line(what: str, done: int, total: int) -> None:
    """Show progress of long work: a bar that is drawn over on a terminal, else one line at the end."""
    if is_terminal():
        full = _BAR * done // max(total, 1)
        line = f"[{'#' * full}{'.' * (_BAR - full)}] {what}: {done} of {total}"
        say(f"\033[A\033[K{line}" if done > 1 else line)
    elif done == total:
        say(f"{what}: {total}")


def _is_number(text: str) -> bool:
    stripped = text.strip().lstrip("-+").replace(".", "", 1)
    return stripped.isdigit() or stripped in {"", "–"}
