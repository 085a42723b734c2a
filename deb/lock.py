"""Read lock files: which requirement, which version, which hashes, and for which machine and Python."""

from __future__ import annotations

import importlib.metadata
import re
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
    """Return the requirements of a lock file, all markers included."""
    text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
    found = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        bare, *hashes = re.split(r"\s*--hash=", line.strip())
        pin, _, marker = bare.partition(";")
        name, _, version = pin.strip().partition("==")
        found.append(Locked(canonicalize_name(name), version.strip(), marker.strip(), tuple(hashes)))
    return found


def fitting(locked: Iterable[Locked], environment: Mapping[str, str]) -> list[Locked]:
    """Return those whose marker holds in an environment."""
    return [one for one in locked if not one.marker or Marker(one.marker).evaluate(dict(environment))]


def needed_by(name: str, environment: Mapping[str, str]) -> set[str]:
    """Return a distribution's requirements with all that they require, without extras, as installed here.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        One of them is not installed here: run `make install`.
    """
    found: set[str] = set()
    waiting = [canonicalize_name(name)]
    while waiting:
        for text in importlib.metadata.requires(waiting.pop()) or []:
            wanted = Requirement(text)
            key = canonicalize_name(wanted.name)
            if key not in found and (wanted.marker is None or wanted.marker.evaluate(dict(environment))):
                found.add(key)
                waiting.append(key)
    return found
