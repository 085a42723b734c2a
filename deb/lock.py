"""Read lock files: which requirement, which version, which hashes, and for which machine and Python."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: Tags of wheels that run on Debian 12 (glibc 2.36), newest first.
GLIBC_MINORS = (36, 35, 34, 31, 28, 27, 26, 24, 17)


@dataclass(frozen=True, slots=True)
class Locked:
    """One requirement of a lock file."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    via: tuple[str, ...] = ()

    def line(self) -> str:
        """Return it as a line for pip, without its marker: that has been looked at."""
        return " ".join((f"{self.name}=={self.version}", *(f"--hash={value}" for value in self.hashes)))


@dataclass(frozen=True, slots=True)
class Target:
    """A box: its machine as Linux calls it (``aarch64``) and its Python (``3.11.2``)."""

    machine: str
    python: str

    @property
    def minor(self) -> str:
        """The Python without its last number, as ``3.11``."""
        return ".".join(self.python.split(".")[:2])

    def environment(self) -> dict[str, str]:
        """Return what markers are evaluated against."""
        return {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": self.python,
            "python_version": self.minor,
            "sys_platform": "linux",
            "extra": "",
        }

    def pip_options(self) -> list[str]:
        """Return pip's options for wheels of this box, whatever machine pip runs on."""
        tags = (
            *(f"manylinux_2_{minor}_{self.machine}" for minor in GLIBC_MINORS),
            f"manylinux2014_{self.machine}",
        )
        platforms = [part for tag in tags for part in ("--platform", tag)]
        return ["--python-version", self.python, "--implementation", "cp", *platforms]


def read(path: Path) -> list[Locked]:
    """Return the requirements of a lock file as uv writes it, all markers included."""
    text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
    entries = re.findall(r"^([^#\s].*)\n((?:[ \t]*#.*\n)*)", text, flags=re.MULTILINE)
    return [_entry(line, comments) for line, comments in entries]


def _entry(line: str, comments: str) -> Locked:
    bare, *hashes = re.split(r"\s*--hash=", line.strip())
    pin, _, marker = bare.partition(";")
    name, _, version = pin.strip().partition("==")
    via = re.findall(r"^\s*#\s+(?:via )?([A-Za-z0-9._-]+)(?: \(.*\))?$", comments, flags=re.MULTILINE)
    parents = tuple(canonicalize_name(parent) for parent in via if parent != "via")
    return Locked(canonicalize_name(name), version.strip(), marker.strip(), tuple(hashes), parents)


def fitting(locked: Iterable[Locked], environment: Mapping[str, str]) -> list[Locked]:
    """Return those whose marker holds in an environment."""
    return [one for one in locked if not one.marker or Marker(one.marker).evaluate(dict(environment))]


def needed_by(project: Path, locked: Iterable[Locked]) -> list[Locked]:
    """Return those that a project's own dependencies lead to, without its extras.

    Parameters
    ----------
    project : Path
        The project's ``pyproject.toml``.
    locked : iterable of Locked
        Requirements whose markers hold; each knows who asked for it.
    """
    dependencies = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    needed = {canonicalize_name(Requirement(text).name) for text in dependencies}
    waiting = list(locked)
    while found := [one for one in waiting if one.name in needed or needed & set(one.via)]:
        needed |= {one.name for one in found}
        waiting = [one for one in waiting if one.name not in needed]
    return [one for one in locked if one.name in needed]
