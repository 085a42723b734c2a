"""Imports run one way: a module imports only from rooms above its own (design section 3)."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "noisewatch"
ROOMS = (
    "errors",
    "records",
    "acoustics",
    "recognition",
    "privacy",
    "capture",
    "evidence",
    "node",
    "simulation",
    "cli",
)
PURE = ("acoustics", "privacy")
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "share" not in path.relative_to(PACKAGE).parts)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(text: str) -> set[str]:
    """The rooms of noisewatch that a module's text imports, anywhere in it."""
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that a reader sees the room"
            names = [node.module or ""]
            if node.module == "noisewatch":
                names = [f"noisewatch.{alias.name}" for alias in node.names]
        rooms |= {n.split(".")[1] for n in names if n.startswith("noisewatch.")}
    return rooms


def violations(room: str, rooms: set[str]) -> list[str]:
    allowed = set(ROOMS[: ROOMS.index(room) + 1]) | {"__version__", "__built__", "__init__"}
    if room == "evidence":
        allowed -= {"capture"}
    return sorted(rooms - allowed)


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rooms_above(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert imported_rooms(path.read_text()) == set()
        return
    assert room in ROOMS, f"{path} stands in no room of the design"
    assert violations(room, imported_rooms(path.read_text())) == []


def test_the_rule_catches_a_wrong_import() -> None:
    """Negative control: the check itself must be able to fail."""
    assert violations("acoustics", imported_rooms("from noisewatch.node import trigger")) == ["node"]
    assert violations("evidence", imported_rooms("import noisewatch.capture.ring")) == ["capture"]
    assert violations("capture", imported_rooms("def f():\n    from noisewatch import evidence")) == [
        "evidence"
    ]


@pytest.mark.parametrize("room", PURE)
def test_a_pure_room_knows_no_clock_log_or_thread(room: str) -> None:
    """Pure means: no file, clock, log or thread (tables that ship with the package are read once)."""
    forbidden = {"logging", "threading", "time", "datetime", "socket", "subprocess", "sqlite3", "tempfile"}
    for path in (PACKAGE / room).rglob("*.py"):
        imports = {
            (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        bad = imports & forbidden
        # a date in a record is a value, not a clock: calibration compares two of them
        bad -= {"datetime"} if ".now(" not in path.read_text() else set()
        assert not bad, f"{path.name} imports {bad}"


def test_the_node_imports_nothing_that_opens_a_clip() -> None:
    """The box can open nothing: no module of the node's path imports the unsealing side."""
    for path in (PACKAGE / "node").rglob("*.py"):
        for name in ("unseal", "desk", "told", "filed", "custody", "package"):
            assert f"noisewatch.evidence.{name}" not in path.read_text(), path
            assert f"from noisewatch.evidence import {name}" not in path.read_text(), path


def test_every_entry_point_can_be_imported() -> None:
    scripts = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts
    for target in scripts.values():
        module, _, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from noisewatch.cli.main import build_app; build_app(); "
        "print(sorted({'numpy','scipy','sklearn','av','cv2','librosa','matplotlib','fpdf','pydantic',"
        "'cryptography','sqlite_utils','numba'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_no_module_is_longer_than_a_person_reads() -> None:
    long = {str(p.relative_to(PACKAGE)): n for p in MODULES if (n := p.read_text().count("\n")) > 400}
    assert long == {}
