"""Fixtures that all rooms share: where the recordings are, and a gate against hidden gaps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# the gate judges a commit, so it looks at the same examples each time; at a desk the search goes on
settings.register_profile("gate", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("gate")

ROOT = Path(__file__).resolve().parent.parent


def corpus_folder() -> Path:
    """The recordings, by NOISEWATCH_CORPUS, else beside the project."""
    return Path(os.environ.get("NOISEWATCH_CORPUS", ROOT.parent / "shared" / "corpus"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave corpus tests out where there is no corpus, and say so in one line; in CI their absence fails."""
    if (corpus_folder() / "manifest.csv").is_file() or os.environ.get("CI"):
        return
    needs = [item for item in items if item.get_closest_marker("corpus")]
    if needs:
        items[:] = [item for item in items if item not in needs]
        config.hook.pytest_deselected(items=needs)
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(
                f"left out: {len(needs)} tests that need recordings; {corpus_folder()} is not there "
                "(set NOISEWATCH_CORPUS)"
            )


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of recordings; a test that asks for it carries the marker `corpus`."""
    folder = corpus_folder()
    assert (folder / "manifest.csv").is_file(), f"no recordings at {folder}; set NOISEWATCH_CORPUS"
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT
