"""Nothing recognises people or links journeys: no code that could, no index that would."""

from __future__ import annotations

import ast
import re
import sqlite3
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from noisewatch.cli.main import build_app
from noisewatch.evidence.store import Store

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "noisewatch").rglob("*.py"))

#: Packages that read plates, tell faces or speakers apart, or follow one object across recordings.
RECOGNISERS = {
    "azure", "boto3", "compreface", "deepface", "dlib", "doctr", "easyocr", "face_recognition",
    "facenet_pytorch", "fast_alpr", "fast_plate_ocr", "insightface", "keras_ocr", "mmocr", "nemo",
    "nomeroff_net", "openalpr", "paddleocr", "pyannote", "pytesseract", "resemblyzer", "speechbrain",
    "tesserocr", "torchreid", "wespeaker",
}  # fmt: skip
#: Packages that understand speech: attacks in the benchmarks use them, the package never does.
LISTENERS = {"faster_whisper", "vosk", "whisper", "pocketsphinx", "speech_recognition"}
#: Parts of cv2 that recognise, where its detectors only say that there is a face.
RECOGNISING_CALLS = re.compile(
    r"FaceRecognizerSF|face\.\w*FaceRecognizer|TextRecognitionModel|text\.OCR|createFisherFace|createEigenFace"
)
#: What a column or index would be called that leads from one event to another.
LINKING = re.compile(
    r"plate|licen[cs]e|face|speaker|voice_?print|vehicle|owner|person|finger_?print|embedding|track|journey"
    r"|re_?id|similar|hash_of_(?:sound|picture)",
    re.IGNORECASE,
)
SEARCHES = {"since", "until", "site", "signature", "behaviour", "above_db"}
NO_SEARCH = {"node", "custody", "everything", "as_json"}


def imported(source: str) -> set[str]:
    """The packages that a module imports, and what it imports by name at run time."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("import_module", "__import__"):
            found |= {a.value.split(".")[0] for a in node.args if isinstance(a, ast.Constant)}
    return found


def recognisers_in(source: str) -> set[str]:
    return (imported(source) & (RECOGNISERS | LISTENERS)) | set(RECOGNISING_CALLS.findall(source))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_can_recognise_a_plate_a_face_or_a_speaker(path: Path) -> None:
    assert recognisers_in(path.read_text()) == set()


@pytest.mark.parametrize(
    "source",
    [
        "import easyocr",
        "from pyannote.audio import Model",
        "def f():\n    import face_recognition",
        "import importlib\nimportlib.import_module('insightface.app')",
        "import cv2\ncv2.FaceRecognizerSF.create('x', '')",
    ],
)
def test_one_that_could_would_be_noticed(source: str) -> None:
    assert recognisers_in(source)


def test_no_dependency_recognises_either() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"]]
    for extra in project.get("optional-dependencies", {}).values():
        named += extra
    names = {re.split(r"[<>=!~\[; ]", one)[0].lower().replace("-", "_") for one in named}
    lock = (ROOT / "requirements.lock").read_text()
    names |= {
        name.lower().replace("-", "_") for name in re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE)
    }
    assert len(names) > 20
    assert names & RECOGNISERS == set()


def schema(path: Path) -> dict[str, set[str]]:
    """Every table and index of a database with its columns."""
    db = sqlite3.connect(path)
    try:
        names = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        found = {name: {row[1] for row in db.execute(f"pragma table_info({name})")} for name in names}
        indexes = [name for (name,) in db.execute("select name from sqlite_master where type = 'index'")]
        return found | {
            name: {row[2] for row in db.execute(f"pragma index_info({name})")} for name in indexes
        }
    finally:
        db.close()


def linking_in(found: dict[str, set[str]]) -> set[str]:
    words = set(found) | {column for columns in found.values() for column in columns}
    return {word for word in words if LINKING.search(word)}


def test_the_index_of_the_store_leads_from_no_event_to_another(tmp_path: Path) -> None:
    Store.create(tmp_path / "store")
    found = schema(tmp_path / "store" / "events.db")
    assert {"events", "media"} <= set(found)
    assert linking_in(found) == set()
    # what is indexed beyond the keys is time
    indexed = [columns for name, columns in found.items() if name.startswith("idx_events")]
    assert indexed == [{"sealed_at"}]


@pytest.mark.parametrize("column", ["plate", "vehicle_id", "face_embedding", "speaker"])
def test_a_column_that_would_is_noticed(tmp_path: Path, column: str) -> None:
    db = sqlite3.connect(tmp_path / "events.db")
    db.execute(f"create table events (id text, {column} text)")
    db.close()
    assert linking_in(schema(tmp_path / "events.db")) == {column}


def test_clips_are_searched_by_time_site_level_signature_and_behaviour_only() -> None:
    whole: Any = get_command(build_app())
    names = {parameter.name for parameter in whole.commands["clips"].commands["list"].params} - {"help"}
    assert names == SEARCHES | NO_SEARCH
