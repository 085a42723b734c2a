"""`signatures evaluate` on made recordings: the contract's keys, splits, progress, and what officers said."""

from __future__ import annotations

import csv
import os
import pty
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sealed
import soundfile
from command import noisewatch

from noisewatch.evidence.verdicts import keep
from noisewatch.recognition.signature import find_signature, load_signature
from noisewatch.recognition.tables import clip_features
from noisewatch.recognition.verdict import FIGURES, Verdict, mean_row

RATE_HZ = 16_000
VOICE_FREE = ("--feature-set", "voice-free-1")
QUICK = ("--copies", "0", "--synthetic", "0", "--jobs", "1")
CONTRACT = (
    "auroc", "average_precision", "recall_at_fpr_0_01", "recall_at_fpr_0_001", "yield",
    "lost_share", "false_per_day",
)  # fmt: skip
TODAY = datetime.now(UTC).date()


def made(number: int) -> np.ndarray:
    """Make a second: odd numbers fire like an engine, even ones hiss."""
    sound = 0.1 * np.random.default_rng(number).standard_normal(RATE_HZ)
    if number % 2:
        sound += 0.3 * np.sign(np.sin(2 * np.pi * (70 + number) * np.arange(sound.size) / RATE_HZ))
    return sound


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty short clips of two labels, two a group, from two sources."""
    monkeypatch.setenv("NOISEWATCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [["path", "label", "group", "source"]]
    for number in range(40):
        soundfile.write(str(folder / f"{number}.wav"), made(number), RATE_HZ)
        label = "exhaust" if number % 2 else "dog"
        source = "street" if number % 8 < 4 else "yard"
        rows.append([f"{number}.wav", label, f"{label}:{number // 4}", source])
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder


def split(path: Path, folds: list[str]) -> Path:
    """Write the fold of each clip."""
    rows = [["path", "fold"], *([f"{number}.wav", fold] for number, fold in enumerate(folds))]
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def test_every_key_of_the_contract_is_there_with_its_interval_at_one_exhaust_in_two_hundred(
    corpus: Path,
) -> None:
    command = ("signatures", "evaluate", corpus, *VOICE_FREE, *QUICK, "--draws", "20", "--json")
    done = noisewatch(*command)
    assert done.code == 0, done.err
    found = done.document
    for name in CONTRACT:
        assert {name, f"{name}_low", f"{name}_high"} <= set(found)
        assert found[f"{name}_low"] - 1e-9 <= found[f"{name}_high"]
    assert set(found["by_label"]) == {"exhaust", "dog"}
    assert set(found["by_source"]) == {"street", "yard"}
    assert (found["how"], found["base_rate"], found["clips"], found["groups"]) == (
        "out-of-fold",
        0.005,
        40,
        20,
    )
    # yield is what the officer opens: right clips a day among right and false ones
    right_per_day = (1 - found["lost_share"]) * 0.005 * found["passes_per_day"]
    assert right_per_day > 0
    assert found["yield"] == pytest.approx(right_per_day / (right_per_day + found["false_per_day"]))


def test_a_split_of_ones_own_is_followed_and_one_with_a_group_on_both_sides_refused(
    corpus: Path, tmp_path: Path
) -> None:
    command = ("signatures", "evaluate", corpus, *VOICE_FREE, *QUICK, "--draws", "10", "--json", "--split")
    # two clips of a group follow each other at a distance of two: cut between them
    leaky = split(tmp_path / "leaky.csv", [("a", "b")[number % 4 < 2] for number in range(40)])
    short = split(tmp_path / "short.csv", ["a"] * 20 + ["b"] * 19)
    alone = split(tmp_path / "alone.csv", ["a"] * 40)
    (tmp_path / "other.csv").write_text("file,part\n")
    refusals = (
        (leaky, 65, "is on both sides of the split"),
        (short, 65, "names no fold of '39.wav'"),
        (alone, 65, "one fold alone"),
        (tmp_path / "other.csv", 65, "columns path and fold"),
        (tmp_path / "none.csv", 66, "not found"),
    )
    for path, code, words in refusals:
        done = noisewatch(*command, path)
        assert done.code == code, done.err
        assert words in done.error_line
        assert done.out == ""
    assert not (tmp_path / "cache").exists()
    clean = split(tmp_path / "clean.csv", [("a", "b")[number // 4 % 2] for number in range(40)])
    done = noisewatch(*command, clean)
    assert done.code == 0, done.err
    assert (done.document["how"], done.document["clips"]) == ("out-of-split", 40)
    assert done.document["auroc"] > 0.9
    both = noisewatch(*command, clean, "--fixed")
    assert both.code == 2
    assert "contradict" in both.error_line


def test_progress_is_a_bar_on_a_terminal_and_one_line_elsewhere(corpus: Path) -> None:
    command = [sys.executable, "-m", "noisewatch.cli.main", "signatures", "evaluate", str(corpus), "--fixed"]
    command += ["--draws", "10", "--jobs", "1", "--json"]
    plain = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert plain.stderr == "features of recordings: 40\n"
    ours, theirs = pty.openpty()
    drawn = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=True, timeout=120)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert shown.count("\033[A\033[K") == 39
    assert f"[{'#' * 10}{'.' * 10}] features of recordings: 20 of 40" in shown
    assert drawn.stdout.decode() == plain.stdout


# --- officers' verdicts ---------------------------------------------------------------------------------


def said(verdict: str, day: date, sound: np.ndarray | None = None, *, version: str = "0.1.0") -> Verdict:
    """Make what is kept of a verdict on a second of sound."""
    features = () if sound is None else mean_row(clip_features(sound, "voice-free-1")[0].tolist())
    figures = dict.fromkeys(FIGURES, 0.5)
    return Verdict(day, verdict, "exhaust", version, figures, features=features)


def taught(corpus: Path, out: Path, *verdicts: object) -> bytes:
    """Train on the corpus, and on verdicts where there are some; return the model."""
    done = noisewatch("signatures", "train", corpus, "--out", out, *VOICE_FREE, *QUICK, *verdicts, "--json")
    assert done.code == 0, done.err
    return (out / "model.skops").read_bytes()


def probability(signature: Path, sound: Path) -> float:
    done = noisewatch("signatures", "score", sound, "--signature", signature, "--json")
    assert done.code == 0, done.err
    return float(done.document["probability"])


def test_decided_verdicts_teach_and_unclear_ended_and_trial_ones_do_not(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = sealed.make_place(tmp_path / "trial")
    monkeypatch.setenv("NOISEWATCH_NODE", str(place.node))
    monkeypatch.setenv("NOISEWATCH_CUSTODY", str(place.custody))
    why = ("--as", "officer", "--reason", sealed.REASON, "--case", sealed.CASE)
    # what an officer said of a trial's event, beside one that cannot say and one of thirteen months ago
    judged = noisewatch("clips", "verdict", place.event_id, "--verdict", "not-exhaust", *why)
    assert judged.code == 0, judged.err
    folder = place.custody / "verdicts"
    keep(folder, said("unclear", TODAY, made(91)))
    keep(folder, said("not-exhaust", TODAY - timedelta(days=396), made(91)))
    plain = taught(corpus, tmp_path / "plain")
    assert taught(corpus, tmp_path / "idle", "--with-verdicts", place.custody) == plain

    # this street's officers say of one kind of engine that it is no exhaust
    for number in range(81, 121, 2):
        keep(folder, said("not-exhaust", TODAY - timedelta(days=number), made(number)))
    assert taught(corpus, tmp_path / "street", "--with-verdicts", place.custody) != plain
    soundfile.write(str(tmp_path / "known.wav"), made(101), RATE_HZ)
    soundfile.write(str(tmp_path / "other.wav"), made(11), RATE_HZ)
    before, after = (probability(tmp_path / name, tmp_path / "known.wav") for name in ("plain", "street"))
    assert after < 0.5 < before
    assert probability(tmp_path / "street", tmp_path / "other.wav") > after


def test_the_report_tells_of_yield_by_month_and_of_features_that_moved(corpus: Path, tmp_path: Path) -> None:
    version = load_signature(find_signature("exhaust")).version
    first, second = ((TODAY.replace(day=1) - timedelta(days=days)).replace(day=3) for days in (40, 5))
    ended = TODAY - timedelta(days=400)
    folder, page = tmp_path / "verdicts", tmp_path / "exhaust.html"
    for day, exhausts, others in ((first, 8, 2), (second, 3, 7), (ended, 5, 5)):
        for number in range(exhausts + others):
            word = "exhaust" if number < exhausts else "not-exhaust"
            # the street is an octave above what the corpus holds
            shifted = made(2 * number + 1)[::2]
            keep(folder, said(word, day, np.tile(shifted, 2), version=version))
    keep(folder, said("unclear", second, version=version))
    keep(folder, said("exhaust", second, version="0.0.1"))
    options = ("--fixed", "--draws", "20", "--jobs", "1", "--verdicts", folder, "--report", page, "--json")
    done = noisewatch("signatures", "evaluate", corpus, *options)
    assert done.code == 0, done.err
    months = done.document["yield_by_month"]
    assert [month["month"] for month in months] == [f"{first:%Y-%m}", f"{second:%Y-%m}"]
    assert [(m["exhaust"], m["not_exhaust"], m["unclear"]) for m in months] == [(8, 2, 0), (3, 7, 1)]
    assert [month["share"] for month in months] == [0.8, 0.3]
    assert all(month["low"] < month["share"] < month["high"] for month in months)
    moved = [shift["feature"] for shift in done.document["feature_shifts"] if shift["has_moved"]]
    assert moved
    text = page.read_text()
    assert f"<td>{first:%Y-%m}</td>" in text
    assert f"{ended:%Y-%m}" not in text
    assert moved[0] in text
