"""Signatures are data: every key is checked, and a model file can do nothing but be read."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from noisewatch.errors import ConfigurationError, MissingInputError
from noisewatch.recognition.model import load_model
from noisewatch.recognition.signature import LARGEST_BYTES, find_signature, load_signature, signature_folders


@pytest.fixture
def folder(made_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(made_folder, tmp_path / "exhaust"))


def spoil(folder: Path, pattern: str, replacement: str) -> None:
    path = folder / "signature.toml"
    text = path.read_text()
    changed = re.sub(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert changed != text
    path.write_text(changed)


class _Malice:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize(
    ("pattern", "replacement", "expected"),
    [
        (r"^gate_db = .*$", "gaet_db = 80.0", "unknown key 'gaet_db'"),
        (r"^gate_db = .*$", "", "key 'gate_db'"),
        (r"^gate_db = .*$", 'gate_db = "80"', "key 'gate_db'"),
        (r"^threshold = .*$", "threshold = 1.5", "key 'threshold'"),
        (r"^minimum_duration_s = .*$", "minimum_duration_s = -1.0", "key 'minimum_duration_s'"),
        (r"^version = .*$", 'version = "new"', "key 'version'"),
        (r"^hours = .*$", 'hours = ["25:00-26:00"]', "key 'hours'"),
        (r"^budget_per_day = .*$", "budget_per_day = 0", "key 'budget_per_day'"),
        (r"^feature_set = .*$", 'feature_set = "other"', "key 'feature_set'"),
        (r'^label = "siren"$', 'label = "choir"', "vetoes.0.label"),
        (r"^margin = .*$", "margin = 0.2\nwidth = 3", "unknown key 'vetoes.0.width'"),
        (r"^name = .*$", "name = ", "not TOML"),
    ],
)
def test_a_wrong_key_is_refused_by_file_and_name(
    folder: Path, pattern: str, replacement: str, expected: str
) -> None:
    spoil(folder, pattern, replacement)
    with pytest.raises(ConfigurationError) as caught:
        load_signature(folder)
    assert "signature.toml" in caught.value.line()
    assert expected in caught.value.line()
    assert "\n" not in caught.value.line()


def test_a_pickle_is_refused_and_does_not_run(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "owned"
    (folder / "model.skops").write_bytes(pickle.dumps(_Malice(victim)))
    with pytest.raises(ConfigurationError, match="pickle"):
        load_signature(folder)
    assert not victim.exists()


def test_a_pickle_inside_a_zip_is_refused_and_does_not_run(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "owned"
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("schema.json", pickle.dumps(_Malice(victim)))
        archive.writestr("data.pkl", pickle.dumps(_Malice(victim)))
    with pytest.raises(ConfigurationError, match=r"model\.skops"):
        load_signature(folder)
    assert not victim.exists()


@pytest.mark.parametrize(
    "content",
    [
        {"format": "noisewatch-networks-1", "networks": [FunctionTransformer(func=os.getcwd)]},
        LogisticRegression().fit(np.eye(2), [0, 1]),
        {"format": "noisewatch-networks-1", "scaler": LogisticRegression()},
    ],
    ids=["a function", "another estimator", "another estimator inside"],
)
def test_types_that_are_not_on_the_list_are_refused(folder: Path, content: object) -> None:
    skops.io.dump(content, folder / "model.skops")
    with pytest.raises(ConfigurationError, match="not trusted"):
        load_signature(folder)


@pytest.mark.parametrize(
    "content",
    [{"format": "else"}, {"format": "noisewatch-networks-1"}, ["a list"]],
    ids=["format", "parts", "list"],
)
def test_a_model_that_is_not_whole_is_refused(folder: Path, content: object) -> None:
    skops.io.dump(content, folder / "model.skops")
    with pytest.raises(ConfigurationError, match=r"model\.skops"):
        load_model(folder / "model.skops")


def test_any_changed_byte_of_the_model_is_refused(folder: Path) -> None:
    path = folder / "model.skops"
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(4)
    for position in [int(p) for p in rng.integers(0, len(content), 12)]:
        changed = bytearray(content)
        changed[position] ^= 0x10
        path.write_bytes(bytes(changed))
        with pytest.raises(ConfigurationError) as caught:
            load_signature(folder)
        assert "\n" not in caught.value.line()


def test_a_truncated_model_is_refused(folder: Path) -> None:
    path = folder / "model.skops"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ConfigurationError):
        load_signature(folder)


def test_a_folder_that_is_too_large_is_refused(folder: Path) -> None:
    (folder / "card.md").write_bytes(b"x" * (LARGEST_BYTES + 1))
    with pytest.raises(ConfigurationError, match="larger"):
        load_signature(folder)


@pytest.mark.parametrize("name", ["card.md", "model.skops", "signature.toml"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(MissingInputError, match=name.replace(".", r"\.")):
        load_signature(folder)


def test_the_hash_changes_with_every_file(folder: Path) -> None:
    before = load_signature(folder).sha256
    (folder / "card.md").write_text((folder / "card.md").read_text() + "\n")
    assert load_signature(folder).sha256 != before


def test_the_networks_give_what_scikit_learn_gives(made_folder: Path) -> None:
    document = skops.io.load(made_folder / "model.skops")
    model = load_model(made_folder / "model.skops")
    rng = np.random.default_rng(2)
    rows = model.mean + model.scale * rng.standard_normal((20, model.mean.size))
    standard = np.clip(document["scaler"].transform(rows), -5, 5)
    oracle = np.mean([network.predict_proba(standard) for network in document["networks"]], axis=0)
    own = np.array([model.of_networks(row) for row in rows])
    np.testing.assert_allclose(own, oracle, atol=1e-6)


def test_the_shipped_signatures_load_and_are_small() -> None:
    folders = signature_folders()
    assert [f.name for f in folders] == [
        "backfire",
        "exhaust",
        "motorcycle",
        "quad",
        "revving",
        "sport-exhaust",
    ]
    for folder in folders:
        signature = load_signature(folder)
        assert signature.name == folder.name
        assert sum(file.stat().st_size for file in folder.iterdir()) <= LARGEST_BYTES
        assert "## Limits" in (folder / "card.md").read_text()


def test_backfires_have_no_veto_by_impulses_and_all_others_have() -> None:
    for folder in signature_folders():
        vetoes = {veto.label for veto in load_signature(folder).vetoes}
        assert ("impulse" in vetoes) == (folder.name != "backfire"), folder.name


@pytest.mark.parametrize("name", ["quad", "backfire"])
def test_what_is_synthetic_only_says_so_and_asks_for_more(name: str) -> None:
    folder = find_signature(name)
    card = (folder / "card.md").read_text()
    assert "no recording of it is in the corpus" in card
    assert "flatter" in card.split("## Limits")[1]
    assert load_signature(folder).threshold >= 0.5


def test_a_signature_is_found_by_name_or_folder(made_folder: Path) -> None:
    assert find_signature("exhaust").name == "exhaust"
    assert find_signature(str(made_folder)) == made_folder
    with pytest.raises(MissingInputError, match="choir"):
        find_signature("choir")
