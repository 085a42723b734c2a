"""Feature sets: full, voice-free, and the embedding, each with its names; a folder says which it needs."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noisewatch.errors import ConfigurationError, UnavailableError
from noisewatch.recognition import embedding
from noisewatch.recognition.features import FEATURE_SET
from noisewatch.recognition.featuresets import NAMES, columns_of, feature_set, width_of
from noisewatch.recognition.recipe import EXHAUST, judge_signature, train_signature
from noisewatch.recognition.score import score_samples
from noisewatch.recognition.signature import load_signature
from noisewatch.recognition.tables import clip_features
from noisewatch.recognition.training import Settings
from noisewatch.recognition.wishes import read_wish

MODELS = Path(os.environ.get("NOISEWATCH_MODELS", Path(__file__).resolve().parents[3] / "shared" / "models"))
LONGER = Settings(hidden=(16,), networks=2, epochs=60, folds=3)
RATE_HZ = 16_000


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NOISEWATCH_MODELS", str(MODELS))
    return MODELS


@pytest.mark.parametrize("name", NAMES)
def test_each_set_gives_one_finite_number_a_name_and_forgets_the_level(name: str, models: Path) -> None:
    chosen = feature_set(name)
    for sound in (np.zeros(RATE_HZ), np.random.default_rng(3).standard_normal(RATE_HZ)):
        row = chosen.describe(sound)
        assert row.shape == (len(chosen.names),) == (width_of(name),)
        assert np.isfinite(row).all()
    np.testing.assert_allclose(chosen.describe(1e-3 * sound), chosen.describe(sound), rtol=0.05, atol=0.05)
    columns = np.concatenate(list(columns_of(name).values()))
    assert sorted(columns.tolist()) == list(range(width_of(name)))


def test_only_the_voice_free_set_may_be_stored(models: Path) -> None:
    assert [name for name in NAMES if feature_set(name).may_be_stored] == ["voice-free-1"]


def test_the_voice_free_set_cannot_tell_two_orders_of_the_same_second_apart() -> None:
    """Swapping whole eighths of a second changes hardly a band: no order in time to read words from."""
    rng = np.random.default_rng(5)
    sound = rng.standard_normal(RATE_HZ)
    swapped = sound.reshape(8, -1)[[3, 0, 7, 2, 5, 1, 6, 4]].ravel()
    names = feature_set("voice-free-1").names
    kept = [i for i, name in enumerate(names) if "band" in name]
    one, two = (feature_set("voice-free-1").describe(part)[kept] for part in (sound, swapped))
    # sixty milliseconds of hiss differ by chance alone as much as the orders do
    assert np.abs(one - two).max() < 4.0
    assert len(kept) == 23


@pytest.mark.parametrize(("firing_hz", "octaves"), [(50.0, -1.0), (100.0, 0.0), (200.0, 1.0)])
def test_the_voice_free_set_hears_how_high_the_firing_is(firing_hz: float, octaves: float) -> None:
    chosen = feature_set("voice-free-1")
    time_s = np.arange(RATE_HZ) / RATE_HZ
    engine = sum(np.cos(2 * np.pi * firing_hz * k * time_s + k * k) for k in range(1, 13))
    row = dict(zip(chosen.names, chosen.describe(np.asarray(engine)), strict=True))
    hiss = dict(
        zip(chosen.names, chosen.describe(np.random.default_rng(1).standard_normal(RATE_HZ)), strict=True)
    )
    assert row["firing_height"] == pytest.approx(octaves, abs=0.03)
    assert row["firing_strength_0"] > 3 * hiss["firing_strength_0"]


def test_a_signature_says_which_set_it_needs_and_is_scored_by_it(
    made_corpus: Path, feature_cache: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "exhaust"
    wish = replace(EXHAUST, feature_set="voice-free-1")
    train_signature(made_corpus, out=folder, wish=wish, copies=0, settings=LONGER, cache=feature_cache)
    loaded = load_signature(folder)
    assert loaded.feature_set == loaded.model.feature_set == "voice-free-1"
    assert 'feature_set = "voice-free-1"' in (folder / "signature.toml").read_text()
    assert "`voice-free-1`" in (folder / "card.md").read_text()
    asked = read_wish(folder)
    assert asked is not None
    assert asked.feature_set == "voice-free-1"
    found = judge_signature(made_corpus, signature=str(folder), how="fixed", cache=feature_cache)
    assert found.figures(draws=10)["auroc"] > 0.95
    sound = np.random.default_rng(0).standard_normal(2 * RATE_HZ).astype(np.float32)
    row, _ = clip_features(sound[:RATE_HZ].astype(np.float64), "voice-free-1")
    expected = loaded.model.probabilities(row[0].astype(np.float64))[0]
    assert score_samples(loaded, sound, rate_hz=RATE_HZ)[0].probability == pytest.approx(expected, abs=1e-3)


def test_an_unknown_set_is_refused_by_name(made_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'octaves-9' is not known"):
        feature_set("octaves-9")
    folder = shutil.copytree(made_folder, tmp_path / "exhaust")
    toml = folder / "signature.toml"
    toml.write_text(toml.read_text().replace(FEATURE_SET, "octaves-9"))
    with pytest.raises(ConfigurationError, match="feature_set"):
        load_signature(folder)
    with pytest.raises(ConfigurationError, match="feature_set"):
        read_wish(folder)


def test_an_earlier_full_set_is_followed_by_the_present_one(made_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made_folder, tmp_path / "exhaust")
    toml = folder / "signature.toml"
    toml.write_text(toml.read_text().replace(FEATURE_SET, "full-0"))
    asked = read_wish(folder)
    assert asked is not None
    assert asked.feature_set == FEATURE_SET


def test_without_the_extra_there_is_one_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISEWATCH_MODELS", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(UnavailableError, match="ai-edge-litert, which is not installed") as caught:
        feature_set("yamnet-1")
    assert "noisewatch[embedding]" in caught.value.line()
    assert "\n" not in caught.value.line()


def test_without_the_model_or_with_another_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISEWATCH_MODELS", str(tmp_path))
    with pytest.raises(UnavailableError, match="needs a model that is not there") as caught:
        feature_set("yamnet-1")
    assert "noisewatch models fetch yamnet" in caught.value.line()
    (tmp_path / "yamnet.tflite").write_bytes((MODELS / "yamnet.tflite").read_bytes()[:-1] + b"x")
    with pytest.raises(ConfigurationError, match="its hash differs"):
        feature_set("yamnet-1")


def test_yamnet_knows_a_made_tone_and_says_the_same_twice(models: Path) -> None:
    loaded = embedding.load_embedder(models / embedding.FILE)
    time_s = np.arange(RATE_HZ) / RATE_HZ
    wail = np.sin(2 * np.pi * np.cumsum(900 + 500 * np.sin(2 * np.pi * 0.7 * time_s)) / RATE_HZ)
    names = (models / "yamnet_class_map.csv").read_text().splitlines()[1:]
    best = np.argsort(loaded.scores(wail))[::-1][:8]
    assert any("Sine wave" in names[index] for index in best), [names[index] for index in best]
    np.testing.assert_array_equal(loaded.embedding(wail), loaded.embedding(0.5 * wail))
    assert loaded.embedding(wail).shape == (embedding.WIDTH,)
