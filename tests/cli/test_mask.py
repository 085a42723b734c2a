"""`noisewatch calibrate mask`: drawn on a still that is kept nowhere, signed, versioned, ending."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import noisewatch

from noisewatch.errors import AnswerIsNo, ConfigurationError, InputError
from noisewatch.node import carriageway

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
POINTS = "0.0,0.5 1.0,0.5 1.0,1.0 0.0,1.0"


@pytest.fixture
def film() -> Path:
    return sorted(SAMPLES.glob("*.mp4"))[0]


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_mask_is_signed_counted_and_ends(trial: Path) -> None:
    node = trial / "node"
    first = noisewatch(
        "calibrate", "mask", "--node", node, "--points", POINTS, "--who", "An", "--valid-days", "30", "--json"
    )
    second = noisewatch("calibrate", "mask", "--node", node, "--points", POINTS, "--who", "Bo", "--json")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert (first.document["version"], second.document["version"]) == (1, 2)
    authority = (node / "keys" / "ca.pem").read_bytes()
    newest = carriageway.newest(node, authority_pem=authority)
    assert newest is not None
    assert (newest.version, newest.who) == (2, "Bo")
    assert newest.sha256 == second.document["sha256"]
    assert newest.against(newest.valid_until) == ""
    assert "ended on" in newest.against(date(2099, 1, 1))


def test_a_still_is_written_only_on_request_and_only_there(trial: Path, tmp_path: Path, film: Path) -> None:
    node = trial / "node"
    before = files_below(tmp_path)
    looked = noisewatch("calibrate", "mask", "--node", node, "--video", film, "--overlay", tmp_path / "o.png")
    assert looked.code == 0, looked.err
    assert files_below(tmp_path) - before == {"o.png"}
    assert (tmp_path / "o.png").stat().st_mode & 0o077 == 0, "it shows people: for its owner only"
    drawn = noisewatch("calibrate", "mask", "--node", node, "--points", POINTS, "--who", "An")
    assert drawn.code == 0, drawn.err
    assert files_below(tmp_path) - before == {
        "o.png",
        "trial/node/masks/0001.json",
        "trial/node/masks/0001.json.p7s",
    }


def test_the_overlay_darkens_what_is_not_recorded(trial: Path, tmp_path: Path, film: Path) -> None:
    out = tmp_path / "o.png"
    result = noisewatch(
        "calibrate", "mask", "--node", trial / "node", "--video", film, "--points", POINTS, "--who", "An",
        "--overlay", out,
    )  # fmt: skip
    assert result.code == 0, result.err
    shown = cv2.imread(str(out))
    assert shown is not None
    assert np.median(shown[: shown.shape[0] // 3]) < np.median(shown[shown.shape[0] * 2 // 3 :])


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ("0,0 1,1", "3 to 64 corners"),
        ("0,0 1,1 1,0 0,1", "cross each other"),
        ("0,0 2,0 1,1", "outside the picture"),
        ("0,0 0.01,0 0,0.01", "less than 0.5 %"),
    ],
)
def test_what_is_no_area_is_refused(trial: Path, points: str, says: str) -> None:
    result = noisewatch("calibrate", "mask", "--node", trial / "node", "--points", points, "--who", "An")
    assert result.code == 65
    assert says in result.error_line
    assert not (trial / "node" / "masks").exists()


def test_wrong_use_is_explained(trial: Path) -> None:
    node = trial / "node"
    assert noisewatch("calibrate", "mask", "--node", node).code == 2
    assert noisewatch("calibrate", "mask", "--node", node, "--points", POINTS).code == 2
    assert noisewatch("calibrate", "mask", "--node", node, "--points", "a,b", "--who", "An").code == 2


def test_an_altered_mask_is_refused_and_no_older_one_is_used(trial: Path) -> None:
    node = trial / "node"
    for who in ("An", "Bo"):
        assert noisewatch("calibrate", "mask", "--node", node, "--points", POINTS, "--who", who).code == 0
    path = node / "masks" / "0002.json"
    document = json.loads(path.read_text())
    document["valid_until"] = "2099-01-01"
    path.write_text(json.dumps(document))
    with pytest.raises(AnswerIsNo):
        carriageway.newest(node, authority_pem=(node / "keys" / "ca.pem").read_bytes())
    path.write_text("{}")
    with pytest.raises(ConfigurationError, match="is no mask"):
        carriageway.newest(node)


def test_no_version_is_ever_replaced(trial: Path) -> None:
    node = trial / "node"
    assert noisewatch("calibrate", "mask", "--node", node, "--points", POINTS, "--who", "An").code == 0
    mask = carriageway.newest(node)
    assert mask is not None

    class Signer:
        def sign_detached(self, data: bytes) -> bytes:
            return b""

    with pytest.raises(InputError, match="there already"):
        carriageway.append(node, mask, signer=Signer())


def test_a_record_names_the_version_only_where_it_was_used() -> None:
    mask = carriageway.Mask(
        3, ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)), datetime(2026, 5, 1, tzinfo=UTC), "An", date(2026, 6, 1)
    )
    area = carriageway.Carriageway(mask.carriageway)
    assert carriageway.document_of(area, mask)["version"] == 3
    assert "version" not in carriageway.document_of(carriageway.Carriageway(((0, 0), (1, 0), (1, 1))), mask)
