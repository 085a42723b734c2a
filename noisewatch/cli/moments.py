"""Days and times as people type them."""

from __future__ import annotations

from datetime import datetime
from typing import overload
from zoneinfo import ZoneInfo

from noisewatch.errors import UsageError

#: A time without a zone is the wall clock of this zone, as an officer means it.
ZONE = "Europe/Brussels"


@overload
def moment(text: str, *, where: str) -> datetime: ...
@overload
def moment(text: None, *, where: str) -> None: ...
@overload
def moment(text: str | None, *, where: str) -> datetime | None: ...
def moment(text: str | None, *, where: str) -> datetime | None:
    """Return the aware moment that a text means: a day is its first moment, no zone is Belgian time.

    Raises
    ------
    UsageError
        The text is neither a day nor a time.

    Examples
    --------
    >>> str(moment("2026-03-01", where="--since")), str(moment("2026-03-01T12:00Z", where="--since"))
    ('2026-03-01 00:00:00+01:00', '2026-03-01 12:00:00+00:00')
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"'{text[:40]}' is neither a day nor a time", where=where, remedy="such as 2026-03-01T14:00"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(ZONE))
