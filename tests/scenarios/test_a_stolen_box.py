"""A stolen powered-off box yields no clip, level or feature in the clear: its raw disk is searched for marks.

The box's folder lies on an ext4 image of its own and records events in every way that they can end; custody
and its keys are elsewhere. Then the image is read as a thief reads it, with journal, deleted blocks and the
free space of the database. Each search has a control: a box that writes in the clear is caught.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import evidence_parts
import image
import pytest
import traced
from command import noisewatch
from evidence_parts import CLEAR, Bench, make_record

from noisewatch.evidence import custody, durable, filed, jsonform, minutes, told
from noisewatch.evidence.minutes import Minute
from noisewatch.records import EventRecord

SITE, SIGNATURE, BEHAVIOUR, CLASS = "Zwanenmarkstraat", "markedexhaust", "markedrevving", "markedclass"
LAFMAX_DB, LAEQ_DB, LCPEAK_DB, PROBABILITY, MINUTE_DB = 93.0712890625, 84.1523, 117.3193, 0.98127731, 77.7
SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"

WORDS = image.of_words([SITE, SIGNATURE, BEHAVIOUR, CLASS, '"lafmax_db":', '"laeq_db":', '"media_state":'])
LEVELS = image.of_levels(
    {"LAFmax": LAFMAX_DB, "LAeq": LAEQ_DB, "LCpeak": LCPEAK_DB, "probability": PROBABILITY}
)
CLIPS = {name: [data[:24]] for name, data in CLEAR.items()}
FORMS = {**WORDS, **LEVELS, **CLIPS, "minute": [f",{MINUTE_DB},".encode()]}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[image.Disk]:
    made = image.Disk(tmp_path, size_mib=16)
    yield made
    made.close()


@pytest.fixture
def box(disk: image.Disk, tmp_path: Path) -> Bench:
    """A box whose folder lies on the disk; custody does not."""
    made = evidence_parts.make_bench(tmp_path)
    shutil.copytree(made.node, disk.root / "node")
    return Bench(made.custody, disk.root / "node")


def marked(event_id: str, *, state: str = "pending") -> EventRecord:
    record = make_record(event_id, state=state)
    event = replace(
        record.event,
        lafmax_db=LAFMAX_DB,
        laeq_db=LAEQ_DB,
        lcpeak_db=LCPEAK_DB,
        probability=PROBABILITY,
        signature=SIGNATURE,
        behaviour=BEHAVIOUR,
    )
    return replace(record, event=event, site={"name": SITE})


def finish(box: Bench, store: object, record: EventRecord, *parts: str, state: str, more: bool) -> None:
    from noisewatch.evidence import seal
    from noisewatch.evidence.store import Store

    assert isinstance(store, Store)
    key = box.keys.for_day(datetime.now(UTC).date())
    sealers = {name: seal.seal_original if name == "original" else seal.seal_viewing for name in CLEAR}
    done = replace(record, media_state=state)
    sealed = {name: sealers[name](CLEAR[name], key) for name in parts}
    store.finish(done, box.sealed(done), sealed, more_to_come=more)


def record_events(box: Bench) -> None:
    """Seal, lose and erase events, hear minutes, and start again with and without the index."""
    now = datetime.now(UTC)
    for number in range(5):
        one = Minute(now + timedelta(minutes=number), 60.0, 61.2, MINUTE_DB, 65.0, 49.0, True, {CLASS: 40})
        minutes.append(box.node / "store", one, box.keys.for_day(now.date()), keep_days=400)
    with box.store() as store:
        for name in ("sealed-1", "erased-1", "cut-1"):
            record = marked(name)
            box.begin(store, record)
            finish(box, store, record, "original", "levels", state="original", more=True)
            if name != "cut-1":
                finish(box, store, record, "viewing", state="sealed", more=False)
        box.begin(store, marked("none-1", state="none"))
        box.begin(store, marked("lost-1"))
        store.lose("lost-1", "media lost: a test")
        box.begin(store, marked("half-1"))
        store.erase("erased-1")
    for database in sorted((box.node / "store").glob("events.db*")):
        database.unlink()
    with box.store() as store:
        assert {event.id: event.state for event in store.list()} == {
            "sealed-1": "sealed",
            "cut-1": "original",
            "none-1": "none",
            "lost-1": "lost",
            "half-1": "lost",
        }


def test_the_raw_disk_of_a_stolen_box_holds_no_clip_level_place_or_signature(
    disk: image.Disk, box: Bench
) -> None:
    record_events(box)
    # custody, which has the keys, reads what lies there: the marks were recorded
    opened = json.dumps([*told.documents(box.node, box.custody)])
    assert opened.count(SITE) == 5
    assert opened.count(repr(LAFMAX_DB)) >= 5
    assert [one.counts for one in filed.read(box.custody, box.node)] == [{CLASS: 40}] * 5
    content = disk.content()
    readable = {"ciphertext": [b"age-encryption.org/v1"], "an id": [b"sealed-1"]}
    assert image.found_in(content, FORMS | readable) == set(readable), "only what was read is there"


def test_a_box_that_writes_records_rows_or_minutes_in_the_clear_is_caught(
    disk: image.Disk, box: Bench
) -> None:
    """The control: what an older noisewatch wrote, deleted again where the disk is read raw."""
    record_events(box)
    record = marked("clear-1")
    path = box.node / "store" / "event.json"
    durable.write_atomic(path, jsonform.document_to_bytes(jsonform.record_to_document(record)))
    (box.node / "store" / "minutes.csv").write_bytes(
        minutes.to_line(Minute(datetime.now(UTC), 60.0, 61.2, MINUTE_DB, 65.0, 49.0, True, {CLASS: 1}))
    )
    db = sqlite3.connect(box.node / "store" / "rows.db")
    db.execute("create table events (lafmax_db real)")
    db.execute("insert into events values (?)", [LCPEAK_DB + 1.0])
    db.commit()
    db.close()
    (box.node / "store" / "clip").write_bytes(CLEAR["viewing"])
    os.sync()
    if disk.is_mounted:
        path.unlink()
    found = image.found_in(disk.content(), FORMS | image.of_levels({"row": LCPEAK_DB + 1.0}))
    expected = {SITE, SIGNATURE, BEHAVIOUR, '"lafmax_db":', f"LAFmax {LAFMAX_DB}", "minute", "viewing"}
    assert expected | {f"row {LCPEAK_DB + 1.0}"} <= found


@pytest.mark.slow
def test_the_raw_disk_of_a_box_that_heard_a_street_holds_nothing_of_it(
    disk: image.Disk, tmp_path: Path
) -> None:
    """The real process over the sample street; every figure of its records and minutes is a mark.

    Run with: pytest -m slow tests/scenarios/test_a_stolen_box.py
    """
    keys, node, home = tmp_path / "custody", disk.root / "node", tmp_path / "home"
    home.mkdir()
    assert noisewatch("custody", "init", keys, "--trial").code == 0
    assert noisewatch("init", node, "--custody", keys).code == 0
    options = ["--audio", SAMPLES / "street.flac", "--video", SAMPLES / "street.mp4", "--pace", "fast"]
    options += ["--pascal-per-unit", "20", "--json", "--start", "2026-03-01T12:00:30Z"]
    command = traced.noisewatch_command("run", "--config", node / "node.toml", *options)
    done = subprocess.run(
        command, cwd=home, env=traced.clean_environment(home), capture_output=True, check=True, text=True
    )
    assert json.loads(done.stdout.splitlines()[-1])["sealed"] == 1
    opened = custody.open_custody(keys)
    (document,) = told.documents(node, opened)
    figures = {repr(one) for one in numbers(document["event"]) if len(repr(one)) > 9}
    lines = [minutes.to_line(one).strip()[21:] for one in filed.read(opened, node)]
    assert len(figures) > 10
    forms = {one: [one.encode()] for one in figures} | {str(one): [one] for one in lines}
    forms |= image.of_words(['"lafmax_db":', "laf_db,", '"media_state":', '"behaviour_why":'])
    assert image.found_in(disk.content(), forms) == set()


def numbers(value: object) -> Iterator[float]:
    """Yield every fraction that stands in a document."""
    if isinstance(value, dict):
        for one in value.values():
            yield from numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, float):
        yield value
