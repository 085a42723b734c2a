"""`noisewatch run` with a signature meant for some hours or ways of driving: others are only counted."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from command import noisewatch

from noisewatch.recognition.signature import find_signature


def run_with(trial: Path, sound: Path, picture: Path, **keys: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the street at 13:00 in Brussels with keys of the signature changed; return event and summary."""
    folder = trial / "meant"
    shutil.copytree(find_signature("exhaust"), folder)
    toml = folder / "signature.toml"
    text = toml.read_text()
    for key, value in keys.items():
        text, changed = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert changed == 1
    toml.write_text(text)
    config = trial / "node" / "node.toml"
    text, changed = re.subn(r"(?m)^signatures = .*$", f'signatures = ["{folder}"]', config.read_text())
    assert changed == 1
    config.write_text(text)
    done = noisewatch(
        "run", "--config", config, "--pace", "fast", "--pascal-per-unit", 20, "--json",
        "--audio", sound, "--video", picture, "--start", "2026-03-01T12:00:00Z",
    )  # fmt: skip
    assert done.code == 0, done.err
    event, summary = done.documents
    return event, summary


def media_of(trial: Path) -> set[str]:
    return {path.name for path in (trial / "node" / "store" / "clips").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"hours": '["22:00-06:00"]'},
            ("13:00 Europe/Brussels lies outside 22:00-06:00", "outside the hours"),
        ),
        ({"behaviours": '["idling"]'}, ("is none of idling", "not a behaviour")),
    ],
    ids=["hours", "behaviours"],
)
def test_an_event_that_the_signature_is_not_meant_for_is_counted_and_says_why(
    trial: Path, street_flac: Path, street_mp4: Path, keys: dict[str, str], words: tuple[str, ...]
) -> None:
    event, summary = run_with(trial, street_flac, street_mp4, **keys)
    assert event["sealed"] is False
    for phrase in words:
        assert phrase in event["why"]
    assert (summary["events"], summary["sealed"]) == (1, 0)
    # the record is kept and signed, and nothing that could be seen or heard
    assert media_of(trial) == {"event.age"}


def test_an_event_within_hours_and_behaviours_is_sealed(
    trial: Path, street_flac: Path, street_mp4: Path
) -> None:
    ways = '["pass", "hard-acceleration"]'
    event, summary = run_with(trial, street_flac, street_mp4, hours='["12:30-13:30"]', behaviours=ways)
    assert event["sealed"] is True, event["why"]
    assert (summary["events"], summary["sealed"]) == (1, 1)
    assert "original.age" in media_of(trial)


def test_a_behaviour_that_nobody_could_ever_find_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "meant"
    shutil.copytree(find_signature("exhaust"), folder)
    toml = folder / "signature.toml"
    toml.write_text(toml.read_text().replace("behaviours = []", 'behaviours = ["racing"]'))
    done = noisewatch("signatures", "show", folder)
    assert done.code == 78
    assert "behaviours" in done.error_line
    assert "'racing' is none of revving, hard-acceleration" in done.error_line
