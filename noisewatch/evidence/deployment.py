"""What the papers say of a deployment: facts of its nodes and custody, and what only the controller knows.

The controller's own words stand in a small TOML file; what is missing there is printed as a blank, by name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from noisewatch.errors import ConfigurationError
from noisewatch.evidence.durable import read_bounded

LANGUAGES = ("nl", "fr", "en")
SIGN_LANGUAGES = (*LANGUAGES, "de")
#: What only the controller can say; keys of the details file.
DETAILS = (
    "controller", "representative", "address", "email", "telephone", "dpo", "website", "legal_basis",
    "council_advice", "declaration", "processing_place", "plan", "processors",
)  # fmt: skip
MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the papers say of one node; no position and no address of its own."""

    name: str
    street: str
    signatures: tuple[str, ...]
    gate_db: float
    maximum_days: int
    minutes_days: int
    has_mask: bool


@dataclass(frozen=True, slots=True)
class Deployment:
    """All facts: ``people`` counts the appointed by role, ``details`` are the controller's own words."""

    nodes: tuple[NodeFacts, ...]
    software: str
    people: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    is_trial: bool = False

    def facts(self) -> dict[str, str]:
        """Return what fills the places of the texts."""
        gates = sorted({node.gate_db for node in self.nodes})
        return {
            "nodes": str(len(self.nodes)),
            "masked": str(sum(node.has_mask for node in self.nodes)),
            "signatures": ", ".join(sorted({name for node in self.nodes for name in node.signatures})) or "–",
            "gate": " / ".join(f"{gate:g}" for gate in gates) or "–",
            "days": str(max((node.maximum_days for node in self.nodes), default=30)),
            "minutes_days": str(max((node.minutes_days for node in self.nodes), default=400)),
            "people": ", ".join(f"{role} {number}" for role, number in sorted(self.people.items())) or "–",
            "software": self.software,
        }

    def detail(self, key: str, language: str) -> str:
        """Return the controller's words, or a blank that names what is missing."""
        given = self.details.get(key, "").strip()
        return given or phrase("blank", language, what=key)

    def blanks(self) -> tuple[str, ...]:
        """Return the details that are missing."""
        return tuple(key for key in DETAILS if not self.details.get(key, "").strip())

    def streets(self, language: str) -> tuple[str, ...]:
        """Return the streets, each once and in order, without a number or position."""
        found = {node.street.strip() for node in self.nodes}
        unnamed = (phrase("street_unnamed", language),) if "" in found else ()
        return (*sorted(found - {""}), *unnamed)

    def contact(self, language: str) -> str:
        """Return address, e-mail and telephone in one line."""
        parts = [self.details.get(key, "").strip() for key in ("address", "email", "telephone")]
        return ", ".join(part for part in parts if part) or phrase("blank", language, what="address, email")


@cache
def phrases() -> Mapping[str, Mapping[str, str]]:
    """Return every text by key and language, from ``templates/privacy.toml``."""
    data = (resources.files("noisewatch.evidence") / "templates" / "privacy.toml").read_text(encoding="utf-8")
    return tomllib.loads(data)


def phrase(key: str, language: str, **values: object) -> str:
    """Return a text with its places filled in.

    Examples
    --------
    >>> phrase("sign_title", "nl")
    'Camerabewaking – Wet van 21 maart 2007'
    """
    return phrases()[key][language].format(**values)


def read_details(path: Path) -> dict[str, str]:
    """Read the controller's own words.

    Raises
    ------
    ConfigurationError
        The file is not TOML, or holds a key that is none or a value that is no text.
    MissingInputError
        There is no such file.
    """
    try:
        document = tomllib.loads(read_bounded(path, max_bytes=MAX_BYTES).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError("is not TOML", where=path, remedy=f"keys: {', '.join(DETAILS)}") from error
    for key, value in document.items():
        if key not in DETAILS:
            raise ConfigurationError(
                f"unknown key '{key[:40]}'", where=path, remedy=f"one of {', '.join(DETAILS)}"
            )
        if not isinstance(value, str):
            raise ConfigurationError(f"key '{key}': is not a text", where=path)
    return dict(document)


def bullet_list(lines: Sequence[str]) -> str:
    """Return lines as a list in Markdown."""
    return "\n".join(f"- {line}" for line in lines)
