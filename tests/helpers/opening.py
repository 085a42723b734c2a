"""Open what a box sealed for custody's desk, as a test that looks into a store does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noisewatch.evidence.custody import open_custody
from noisewatch.evidence.told import documents


def record_of(node: Path, custody: Path, event_id: str | None = None) -> dict[str, Any]:
    """Return the document of one event's record; of the first where none is named."""
    found = documents(node, open_custody(custody))
    return next(one for one in found if event_id in (None, one["event"]["id"]))
