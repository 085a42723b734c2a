"""What the sections of ``node.toml`` share: how they are checked and written, and the periods of a street."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

#: A span of local time, over midnight too.
HOURS = r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"


class Section(BaseModel):
    """A table of the file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PeriodSection(Section):
    """A time with a gate of its own: a school zone, a night."""

    name: str = Field(min_length=1, max_length=40, description="As reasons call it.")
    gate_db: float = Field(ge=30, le=140, description="LAFmax from which a match counts then, in dB.")
    hours: tuple[Annotated[str, Field(pattern=HOURS)], ...] = Field(
        (), description="Spans of local time; empty means the whole day."
    )
    weekdays: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        (), description="Days; empty means all. A night belongs to the day on which it began."
    )
    holidays: Literal["also", "only", "never"] = Field(
        "also", description="What holidays have to do with it."
    )


def toml_value(value: object) -> str:
    """Return a value as TOML."""
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Section):
        keys = (f"{key} = {toml_value(item)}" for key, item in value)
        return "{" + ", ".join(keys) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    # JSON strings and numbers are TOML strings and numbers
    return json.dumps(value, ensure_ascii=False)
