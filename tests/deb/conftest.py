"""The package's build scripts, as modules: they stand beside the project, not in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DEB = Path(__file__).resolve().parents[2] / "deb"


@pytest.fixture(scope="session", autouse=True)
def _build_scripts() -> Iterator[None]:
    sys.path.insert(0, str(DEB))
    yield
    sys.path.remove(str(DEB))
