"""`signatures diff` as a person types it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command import noisewatch

from noisewatch.recognition.signature import find_signature


@pytest.fixture
def stricter(tmp_path: Path) -> Path:
    """The shipped signature with a threshold that nothing reaches, and one veto's margin widened."""
    folder = Path(shutil.copytree(find_signature("exhaust"), tmp_path / "exhaust"))
    toml = folder / "signature.toml"
    lines = [
        "threshold = 0.999" if line.startswith("threshold =") else line
        for line in toml.read_text().splitlines()
    ]
    toml.write_text("\n".join(lines).replace("margin = 0.25", "margin = 0.5", 1) + "\n")
    return folder


def test_without_recordings_only_the_keys_are_compared(stricter: Path) -> None:
    done = noisewatch("signatures", "diff", "exhaust", stricter, "--json")
    assert done.code == 0, done.err
    assert {"before", "after", "same", "keys"} == set(done.document)
    assert done.document["keys"]["threshold"]["after"] == 0.999
    assert {"threshold", "sha256"} < set(done.document["keys"])
    assert "threshold" in noisewatch("signatures", "diff", "exhaust", stricter).out


def test_the_same_signature_is_said_to_be_the_same() -> None:
    assert "the same" in noisewatch("signatures", "diff", "exhaust", "exhaust").out


def test_files_that_change_sides_are_listed(stricter: Path, root: Path, tmp_path: Path) -> None:
    lax = Path(shutil.copytree(stricter, tmp_path / "lax"))
    toml = lax / "signature.toml"
    text = toml.read_text().replace("threshold = 0.999", "threshold = 0.0001")
    # a window opens an event at or below the threshold
    toml.write_text(text.replace("opening = 0.3", "opening = 0.0001"))
    street = root / "data" / "samples" / "street.flac"
    done = noisewatch("signatures", "diff", lax, stricter, street, "--json")
    assert done.code == 0, done.err
    assert (done.document["clips"], done.document["gained"], done.document["lost"]) == (1, 0, 1)
    assert done.document["changes"][0]["name"] == str(street)
    assert done.document["by_label"] == {"unlabelled": {"clips": 1, "gained": 0, "lost": 1}}


def test_a_corpus_is_compared_by_label(
    stricter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISEWATCH_CACHE", str(tmp_path / "cache"))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    rng = np.random.default_rng(1)
    rows = [["path", "label", "group", "source"]]
    for label in ("exhaust", "dog"):
        soundfile.write(str(corpus / f"{label}.wav"), 0.1 * rng.standard_normal(20_000), 16_000)
        rows.append([f"{label}.wav", label, label, "made"])
    with (corpus / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    done = noisewatch("signatures", "diff", "exhaust", stricter, corpus, "--json")
    assert done.code == 0, done.err
    assert {label: row["clips"] for label, row in done.document["by_label"].items()} == {
        "dog": 1,
        "exhaust": 1,
    }
    assert "label" in noisewatch("signatures", "diff", "exhaust", stricter, corpus).out


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for arguments, code in (
        (("exhaust", tmp_path / "none"), 66),
        (("exhaust", "exhaust", tmp_path / "none.wav"), 66),
        (("exhaust", "exhaust", tmp_path), 66),
        (("exhaust", "exhaust", tmp_path, tmp_path), 2),
    ):
        done = noisewatch("signatures", "diff", *arguments)
        assert done.code == code, done.err
        assert done.error_line
        assert done.out == ""


def test_as_events_vetoes_duration_and_gate_decide(root: Path, tmp_path: Path) -> None:
    """The sample street's exhaust is lost to a duration or a gate that a file's probability ignores."""
    street = root / "data" / "samples" / "street.flac"

    def changed(name: str, old: str, new: str) -> Path:
        folder = Path(shutil.copytree(find_signature("exhaust"), tmp_path / name))
        toml = folder / "signature.toml"
        assert old in toml.read_text()
        toml.write_text(toml.read_text().replace(old, new, 1))
        return folder

    longer = changed("longer", "minimum_duration_s = 1.0", "minimum_duration_s = 10.0")
    plain = noisewatch("signatures", "diff", "exhaust", longer, street, "--json")
    assert (plain.document["lost"], plain.document["decided"]) == (
        0,
        "by the probability of the whole recording",
    )
    louder = changed("louder", "gate_db = 80.0", "gate_db = 120.0")
    ungated = noisewatch("signatures", "diff", "exhaust", louder, street, "--events", "--json")
    assert ungated.document["lost"] == 0
    assert ungated.document["decided"].startswith("as events: no gate")
    for folder in (longer, louder):
        gated = noisewatch(
            "signatures", "diff", "exhaust", folder, street, "--events", "--pascal-per-unit", "20", "--json"
        )
        assert gated.document["lost"] == 1, folder.name
    assert gated.document["decided"].startswith("as events: gate,")
    assert noisewatch("signatures", "diff", "exhaust", louder, street, "--pascal-per-unit", "20").code == 2
