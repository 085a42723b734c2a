"""What `check` says of the machine: each red line has its remedy, and a changed file is named."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from importlib.metadata import FileHash, PackagePath
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noisewatch.node import inspecting
from noisewatch.node.observing import temperature_c

NOW = datetime(2026, 5, 20, tzinfo=UTC)


@pytest.mark.parametrize(("available_kb", "is_fit"), [(400_000, False), (1_500_000, True)])
def test_too_little_memory_is_red_with_what_to_do(tmp_path: Path, available_kb: int, is_fit: bool) -> None:
    told = tmp_path / "meminfo"
    told.write_text(
        f"MemTotal:        4000000 kB\nMemAvailable:    {available_kb} kB\nHugePages_Total:       0\n"
    )
    item = inspecting.memory(told)
    assert item.ok is is_fit
    assert bool(item.remedy) is not is_fit


def test_the_hottest_zone_counts_and_a_machine_without_zones_tells_none(tmp_path: Path) -> None:
    assert temperature_c(tmp_path) is None
    for number, text in enumerate(("41000", "83500", "broken")):
        (tmp_path / f"thermal_zone{number}").mkdir()
        (tmp_path / f"thermal_zone{number}" / "temp").write_text(text)
    assert temperature_c(tmp_path) == 83.5


def listed(path: Path, data: bytes) -> PackagePath:
    file = PackagePath(path.name)
    digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    file.hash = FileHash(f"sha256={digest}")
    file.dist = SimpleNamespace(locate_file=lambda _name: path)  # type: ignore[assignment]
    return file


def test_a_file_that_was_changed_or_taken_away_after_installing_is_named(tmp_path: Path) -> None:
    files = []
    for name in ("good.py", "changed.py", "gone.py"):
        (tmp_path / name).write_bytes(name.encode())
        files.append(listed(tmp_path / name, name.encode()))
    (tmp_path / "changed.py").write_bytes(b"something else")
    (tmp_path / "gone.py").unlink()
    assert inspecting.changed_files(files) == ["changed.py", "gone.py"]


def test_a_street_without_events_is_no_fault_and_a_long_silence_is_asked_about() -> None:
    assert inspecting.last_event([], NOW).ok
    event: Any = SimpleNamespace(sealed_at=NOW - timedelta(days=20))
    item = inspecting.last_event([event], NOW)
    assert item.ok
    assert "20 days ago" in item.value


def test_a_box_whose_place_nobody_named_is_red_unless_it_is_a_trial() -> None:
    def identity(*, name: str, is_trial: bool) -> Any:
        return SimpleNamespace(
            config=SimpleNamespace(site=SimpleNamespace(name=name)),
            site=None,
            day_keys=SimpleNamespace(is_trial=is_trial),
        )

    assert not inspecting.place(identity(name="unnamed site", is_trial=False)).ok
    assert inspecting.place(identity(name="unnamed site", is_trial=True)).ok
    assert inspecting.place(identity(name="Stalenstraat", is_trial=False)).ok
