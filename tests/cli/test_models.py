"""`models fetch` against a real server, and what a signature says that needs a model which is not there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import noisewatch
from small_server import SmallServer, small_server

from noisewatch.recognition.embedding import SHA256

MODELS = Path(os.environ.get("NOISEWATCH_MODELS", Path(__file__).resolve().parents[3] / "shared" / "models"))


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with small_server() as running:
        running.files["yamnet.tflite"] = (MODELS / "yamnet.tflite").read_bytes()
        yield running


def test_yamnet_is_fetched_checked_and_found_again(
    server: SmallServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISEWATCH_MODELS", str(tmp_path / "models"))
    url = server.address("yamnet.tflite")
    first = noisewatch("models", "fetch", "yamnet", "--url", url, "--json")
    assert first.code == 0, first.err
    assert "Licence: Apache-2.0" in first.err
    path = Path(first.document["path"])
    assert path.parent == tmp_path / "models"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == first.document["sha256"] == SHA256
    second = noisewatch("models", "fetch", "yamnet", "--url", url, "--json")
    assert (second.document["new"], len(server.asked)) == (False, 1)


def test_a_download_that_broke_off_goes_on(server: SmallServer, tmp_path: Path) -> None:
    server.break_after = 1_000_000
    command = ("models", "fetch", "yamnet", "--url", server.address("yamnet.tflite"), "--out", tmp_path)
    assert noisewatch(*command).code == 75
    server.break_after = None
    assert noisewatch(*command).code == 0
    kept = int((server.asked[-1][1] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
    assert 500_000 < kept <= 1_000_000


def test_a_file_of_another_content_is_thrown_away(server: SmallServer, tmp_path: Path) -> None:
    server.files["yamnet.tflite"] = b"TFL3" + bytes(1000)
    done = noisewatch(
        "models", "fetch", "yamnet", "--url", server.address("yamnet.tflite"), "--out", tmp_path
    )
    assert done.code == 65
    assert "another checksum" in done.err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_is_wrong_use() -> None:
    done = noisewatch("models", "fetch", "bert")
    assert done.code == 2
    assert "known: yamnet" in done.err


def test_training_on_the_embedding_without_the_model_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISEWATCH_MODELS", str(tmp_path / "none"))
    done = noisewatch("signatures", "train", tmp_path, "--out", tmp_path / "x", "--feature-set", "yamnet-1")
    assert done.code == 69
    assert "noisewatch models fetch yamnet" in done.err
    assert done.err.count("\n") == 1


def test_scoring_by_a_signature_that_needs_the_model_is_one_line(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from noisewatch.recognition.folder import Wish, write_signature
    from noisewatch.recognition.tables import LabelledSound, table_of_sounds
    from noisewatch.recognition.training import Settings, out_of_fold, train

    rng = np.random.default_rng(2)
    monkeypatch.setenv("NOISEWATCH_MODELS", str(MODELS))
    made = table_of_sounds(
        [
            LabelledSound(f"{n}", rng.standard_normal(16000) * (n + 1), 16000, label, f"g{n}")
            for n, label in enumerate(["exhaust", "dog"] * 10)
        ],
        "yamnet-1",
    )
    settings = Settings(hidden=(), networks=1, epochs=1, folds=2)
    trained = train(made, settings, out_of_fold(made, settings))
    wish = Wish("exhaust", "0.0.1", "hiss", feature_set="yamnet-1")
    write_signature(tmp_path / "exhaust", wish=wish, trained=trained, card="# hiss\n")
    sound = root / "data" / "samples" / "street.flac"
    command = ("signatures", "score", sound, "--signature", tmp_path / "exhaust", "--json")
    scored = noisewatch(*command)
    assert scored.code == 0, scored.err
    assert 0.0 < scored.document["probability"] < 1.0
    monkeypatch.setenv("NOISEWATCH_MODELS", str(tmp_path / "none"))
    refused = noisewatch(*command)
    assert refused.code == 69
    assert "needs a model that is not there" in refused.err


def test_verdicts_teach_the_voice_free_set_only(tmp_path: Path) -> None:
    command = ("signatures", "train", tmp_path, "--out", tmp_path / "x", "--with-verdicts")
    done = noisewatch(*command, tmp_path)
    assert done.code == 2
    assert "add --feature-set voice-free-1" in done.error_line
    done = noisewatch(*command, tmp_path / "none", "--feature-set", "voice-free-1")
    assert done.code == 66
    assert "there are no verdicts" in done.error_line
