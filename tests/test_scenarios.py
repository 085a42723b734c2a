"""The list of faults and abuse names a test, or a reason, for each; and each named test is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests" / "scenarios" / "README.md"
THREATS = ROOT / "docs" / "threat-model.md"
FAULTS = 68
_ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"`([a-z_/]+\.py)::(test_\w+)`")


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def missing(text: str) -> list[str]:
    """Return the tests that a text names and that do not exist."""
    found = []
    for file, name in _TEST.findall(text):
        path = ROOT / "tests" / file
        if not path.is_file() or name not in names_in(path):
            found.append(f"{file}::{name}")
    return found


def test_each_fault_of_the_list_has_a_test_or_a_reason() -> None:
    rows = {int(number): shown for number, _, shown in _ROW.findall(LIST.read_text())}
    assert sorted(rows) == list(range(1, FAULTS + 1))
    for number, shown in rows.items():
        assert _TEST.search(shown) or shown.startswith("left out: "), number


def test_each_test_that_the_list_names_exists() -> None:
    assert missing(LIST.read_text()) == []


def test_a_test_that_is_gone_would_be_noticed() -> None:
    assert missing("`evidence/test_log.py::test_that_was_never_written`") != []


def test_each_file_that_the_threat_model_names_exists() -> None:
    named = re.findall(r"`((?:tests|bench)/[\w/]+\.py)`", THREATS.read_text())
    assert len(named) >= 20
    assert [name for name in named if not (ROOT / name).is_file()] == []
