"""A box that opens keeps the card and settings of each of its signatures, under the hash in its records."""

from __future__ import annotations

from pathlib import Path

from noisewatch.cli.installer import make_node
from noisewatch.evidence import custody, references
from noisewatch.node.box import Box, read_identity


def test_an_open_box_holds_the_card_of_each_of_its_signatures(tmp_path: Path) -> None:
    custody.init(tmp_path / "custody", trial=True, days=1)
    make_node(tmp_path / "node", tmp_path / "custody", name="box-1", site="a street")
    with Box(read_identity(tmp_path / "node" / "node.toml")) as box:
        hashes = {signature.sha256: signature.folder for signature in box.signatures}
    kept = tmp_path / "node" / references.FOLDER
    assert {folder.name for folder in kept.iterdir()} == set(hashes)
    for sha256, source in hashes.items():
        assert (kept / sha256 / "card.md").read_bytes() == (source / "card.md").read_bytes()
