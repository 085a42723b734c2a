"""The analyst's commands: contract keys, and one clear line for every kind of bad input."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from noisewatch.recognition.decision import treated_probability
from noisewatch.recognition.signature import find_signature, load_signature
from noisewatch.simulation.library import synthetic_clip

RATE_HZ = 16_000


def noisewatch(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "noisewatch.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def noise(seconds: float, *, rate_hz: int = RATE_HZ, channels: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(1).standard_normal((int(seconds * rate_hz), channels))


def expect_refusal(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]


def test_score_prints_the_keys_of_the_contract_one_line_a_file(tmp_path: Path) -> None:
    files = [tmp_path / "one.wav", tmp_path / "two.flac"]
    soundfile.write(str(files[0]), noise(2.6), RATE_HZ)
    soundfile.write(str(files[1]), noise(1.0, rate_hz=48_000, channels=2), 48_000)
    done = noisewatch("signatures", "score", *files, "--signature", "exhaust", "--json")
    assert done.returncode == 0, done.stderr
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [document["file"] for document in documents] == [str(file) for file in files]
    shipped = load_signature(find_signature("exhaust"))
    for document in documents:
        assert set(document) == {"file", "signature", "version", "probability", "match", "windows"}
        assert document["signature"] == "exhaust"
        assert document["version"] == shipped.version
        assert 0.0 <= document["probability"] <= 1.0
        assert document["match"] is (document["probability"] >= shipped.threshold)
        assert all(set(window) == {"start_s", "probability"} for window in document["windows"])
    assert [window["start_s"] for window in documents[0]["windows"]] == [0.0, 0.5, 1.0, 1.5]


def test_a_clip_whose_record_says_that_voices_were_destroyed_gets_back_what_that_took(tmp_path: Path) -> None:
    samples, _ = synthetic_clip("sport-exhaust", seed=4, rate_hz=RATE_HZ, seconds=3.0)
    for name in ("plain", "package"):
        (tmp_path / name).mkdir()
        soundfile.write(str(tmp_path / name / "clip.wav"), samples / np.abs(samples).max() / 2, RATE_HZ)
    (tmp_path / "package" / "event.json").write_text('{"privacy": {"voices": "band-noise-and-orders-6"}}')
    files = [tmp_path / name / "clip.wav" for name in ("plain", "package")]
    done = noisewatch("signatures", "score", *files, "--json")
    assert done.returncode == 0, done.stderr
    plain, package = (json.loads(line) for line in done.stdout.splitlines())
    assert "treated" not in plain
    assert package["treated"] is True
    assert package["probability"] == pytest.approx(treated_probability(plain["probability"]))
    assert package["windows"] == plain["windows"]


@pytest.mark.parametrize(
    ("name", "rate_hz", "channels", "subtype"),
    [
        ("eight-bit.wav", 22_050, 1, "PCM_U8"),
        ("studio.wav", 96_000, 1, "PCM_24"),
        ("six.wav", 48_000, 6, "PCM_16"),
        ("float.wav", 44_100, 2, "FLOAT"),
    ],
)
def test_every_kind_of_file_is_scored(
    tmp_path: Path, name: str, rate_hz: int, channels: int, subtype: str
) -> None:
    file = tmp_path / name
    soundfile.write(str(file), noise(1.6, rate_hz=rate_hz, channels=channels), rate_hz, subtype=subtype)
    done = noisewatch("signatures", "score", file, "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["windows"]) == 2


def test_silence_is_scored_and_is_no_match(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "silent.wav"), np.zeros(3 * RATE_HZ), RATE_HZ)
    done = noisewatch("signatures", "score", tmp_path / "silent.wav", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["match"] is False


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    expect_refusal(noisewatch("signatures", "score", tmp_path / "none.wav", "--json"), 66, "none.wav")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    expect_refusal(noisewatch("signatures", "score", tmp_path / "empty.wav", "--json"), 65, "empty.wav")


def test_a_file_without_samples_is_named(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "nothing.wav"), np.zeros(0), RATE_HZ)
    expect_refusal(noisewatch("signatures", "score", tmp_path / "nothing.wav", "--json"), 65, "nothing.wav")


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "whole.flac"), noise(2.0), RATE_HZ)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(content[: len(content) // 2])
    expect_refusal(noisewatch("signatures", "score", tmp_path / "cut.flac", "--json"), 65, "cut.flac")


def test_samples_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    samples = noise(2.0)
    samples[:] = np.nan
    soundfile.write(str(tmp_path / "nan.wav"), samples, RATE_HZ, subtype="FLOAT")
    expect_refusal(noisewatch("signatures", "score", tmp_path / "nan.wav", "--json"), 65, "nan.wav")


def test_a_file_too_short_to_score_is_refused(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "short.wav"), noise(0.05), RATE_HZ)
    expect_refusal(noisewatch("signatures", "score", tmp_path / "short.wav", "--json"), 65, "short.wav")


def test_an_unknown_signature_is_refused(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "a.wav"), noise(1.0), RATE_HZ)
    expect_refusal(
        noisewatch("signatures", "score", tmp_path / "a.wav", "--signature", "choir"), 66, "choir", "exhaust"
    )


class _Malice:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.victim),)


def test_a_pickle_as_model_is_refused_and_does_not_run(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(find_signature("exhaust"), tmp_path / "exhaust"))
    (folder / "model.skops").write_bytes(pickle.dumps(_Malice(tmp_path / "owned")))
    soundfile.write(str(tmp_path / "a.wav"), noise(1.0), RATE_HZ)
    done = noisewatch("signatures", "score", tmp_path / "a.wav", "--signature", folder)
    expect_refusal(done, 78, "model.skops", "pickle")
    assert not (tmp_path / "owned").exists()


def test_an_unknown_key_is_refused_by_file_and_name(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(find_signature("exhaust"), tmp_path / "exhaust"))
    toml = folder / "signature.toml"
    toml.write_text(toml.read_text().replace("gate_db =", "gaet_db ="))
    expect_refusal(noisewatch("signatures", "show", folder), 78, "signature.toml", "gaet_db")


def test_list_and_show_say_what_is_looked_for() -> None:
    listed = [json.loads(line) for line in noisewatch("signatures", "list", "--json").stdout.splitlines()]
    assert "exhaust" in {item["signature"] for item in listed}
    shown = json.loads(noisewatch("signatures", "show", "exhaust", "--json").stdout)
    assert shown["sha256"] == next(item["sha256"] for item in listed if item["signature"] == "exhaust")
    assert shown["gate_db"] == 80.0
    assert "siren" in shown["vetoes"]
    assert "gate_db" in noisewatch("signatures", "show").stdout


@pytest.mark.corpus
def test_evaluate_fixed_prints_the_keys_of_the_contract(corpus: Path, tmp_path: Path) -> None:
    # a small corpus of real recordings: every tenth row, and all kinds of source
    lines = (corpus / "manifest.csv").read_text().splitlines()
    rows = [
        line for number, line in enumerate(lines[1:]) if number % 25 == 0 or line.startswith("exhaust/board")
    ]
    for row in rows:
        target = tmp_path / row.split(",")[0]
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(corpus / row.split(",")[0])
    (tmp_path / "manifest.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    done = noisewatch("signatures", "evaluate", tmp_path, "--fixed", "--draws", "20", "--jobs", "1", "--json")
    # links lead out of the corpus folder: that is refused, copies are read
    refused_line = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 65
    assert "leads out" in refused_line
    for row in rows:
        path = tmp_path / row.split(",")[0]
        path.unlink()
        shutil.copyfile(corpus / row.split(",")[0], path)
    done = noisewatch("signatures", "evaluate", tmp_path, "--fixed", "--draws", "20", "--jobs", "1", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    for name in ("auroc", "average_precision", "recall_at_fpr_0_01", "recall_at_fpr_0_001"):
        assert document[f"{name}_low"] <= document[name] <= document[f"{name}_high"]
    for name in ("yield", "lost_share", "false_per_day"):
        assert {name, f"{name}_low", f"{name}_high"} <= set(document)
    assert "exhaust" in document["by_label"]
    assert document["by_source"]
