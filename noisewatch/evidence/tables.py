"""``windows.csv`` and ``uncertainty.csv``: what the event record says, as tables for a spreadsheet.

The record, signed by the box, stays the authority; whoever reads these need not read JSON. Figures are
written out in full, so that a decision can be made again from them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from noisewatch.records import EventRecord

WINDOW_COLUMNS = ("start_s", "end_s", "probability", "lafmax_db", "loud_enough", "vetoed_by", "match")
UNCERTAINTY_COLUMNS = ("name", "distribution", "half_width_or_std_db", "standard_uncertainty_db", "source")
_WORDS = {True: "yes", False: "no"}


def windows_csv(record: EventRecord) -> bytes:
    """Return the scored windows of an event, times in seconds since the clip's first sample."""
    start_s = record.clip.start_s
    return _csv(
        WINDOW_COLUMNS,
        (
            [
                f"{window.start_s - start_s:.6f}",
                f"{window.end_s - start_s:.6f}",
                repr(window.probability),
                repr(window.lafmax_db),
                _WORDS[window.gate],
                window.vetoed_by or "",
                _WORDS[window.match],
            ]
            for window in record.event.windows
        ),
    )


def uncertainty_csv(record: EventRecord) -> bytes:
    """Return the terms of the uncertainty budget (JCGM 100), then the expanded uncertainty for 95 %."""
    rows = [[str(term.get(column, "")) for column in UNCERTAINTY_COLUMNS] for term in record.uncertainty]
    expanded_db = record.event.expanded_uncertainty_db
    if expanded_db is not None:
        # twice the combined uncertainty, as the record states it: 95 of 100 cases
        rows.append(["expanded, 95 %", "", "", repr(expanded_db), str(_statement(record))])
    return _csv(UNCERTAINTY_COLUMNS, rows)


def _statement(record: EventRecord) -> object:
    return record.statements.get("uncertainty", "")


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[_harmless(cell) for cell in row] for row in rows])
    return buffer.getvalue().encode("utf-8")


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; figures stay as they are."""
    is_formula = cell[:1] in ("=", "+", "@") or (cell[:1] == "-" and not cell[1:2].isdigit())
    return f"'{cell}" if is_formula else cell
