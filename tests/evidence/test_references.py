"""What records refer to comes along with a pull, and nothing else does under its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from noisewatch.errors import InputError
from noisewatch.evidence import references
from noisewatch.evidence.boxes import FolderBox

HASH = "ab" * 32


@pytest.fixture
def node(tmp_path: Path) -> Path:
    files = {
        "calibration/0001_20260201T100000Z.json": b"record",
        "calibration/0001_20260201T100000Z.json.p7s": b"signature",
        f"signatures/{HASH}/card.md": b"card",
        f"signatures/{HASH}/model.skops": b"not asked for",
        "calibration/corrections/x.csv": b"not asked for",
        "keys/node.key": b"secret",
    }
    for name, data in files.items():
        (tmp_path / "node" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "node" / name).write_bytes(data)
    (tmp_path / "node" / "calibration" / "0002_20260301T100000Z.json").symlink_to("../keys/node.key")
    return tmp_path / "node"


def test_calibrations_and_cards_come_along_once(node: Path, tmp_path: Path) -> None:
    box, to = FolderBox(node), tmp_path / "copy"
    assert references.fetch(box, to) == 3
    found = {path.relative_to(to).as_posix() for path in to.rglob("*") if path.is_file()}
    assert found == {
        "calibration/0001_20260201T100000Z.json",
        "calibration/0001_20260201T100000Z.json.p7s",
        f"signatures/{HASH}/card.md",
    }
    assert references.fetch(box, to) == 0


def test_a_box_without_any_is_no_error(tmp_path: Path) -> None:
    assert references.fetch(FolderBox(tmp_path), tmp_path / "copy") == 0


@pytest.mark.parametrize("name", ["keys/node.key", "signatures/../keys/node.key", "calibration/../node.toml"])
def test_no_other_name_can_be_asked_for(name: str, node: Path) -> None:
    with pytest.raises(InputError, match="not a file that is pulled"):
        list(FolderBox(node).fetch([name]))
