"""Custody's desk opens records once, keeps what a list shows, and forgets it with the day."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from evidence_parts import Bench, make_record

from noisewatch.errors import InputError, MissingInputError, PermissionRefusedError
from noisewatch.evidence import boxes, consult, custody, desk, keyring, pull, recordindex, told
from noisewatch.evidence.store import Store
from noisewatch.records import EventRecord

ID, OTHER = "20261122-120000-a1b2c3d4", "20261122-130000-e5f6a7b8"


@pytest.fixture
def place(bench: Bench) -> Bench:
    with bench.store() as store:
        for event_id in (ID, OTHER):
            bench.seal_event(store, event_id)
    return bench


def listed(place: Bench) -> dict[str, told.Listed]:
    return {one.event.id: one for one in told.listed(place.node, place.custody)}


def index_bytes(place: Bench) -> bytes:
    folder = recordindex.path_of(place.custody.folder).parent
    return b"".join(path.read_bytes() for path in folder.iterdir())


def count_openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    opened: list[str] = []
    real = desk.Desk.record

    def counting(self: desk.Desk, ciphertext: bytes, **where: object) -> tuple[bytes, bytes]:
        opened.append(str(where["where"]))
        return real(self, ciphertext, **where)  # type: ignore[arg-type] - passed on as they came

    monkeypatch.setattr(desk.Desk, "record", counting)
    return opened


def test_a_list_says_what_the_sealed_records_say(place: Bench) -> None:
    one = listed(place)[ID].told
    assert one is not None
    assert (one.site, one.signature, one.lafmax_db, one.is_evidence) == (
        "Molenstraat",
        "exhaust",
        91.25,
        True,
    )


def test_without_custody_nothing_of_a_record_is_known(place: Bench) -> None:
    assert [one.told for one in told.listed(place.node, None)] == [None, None]


def test_a_record_is_opened_once_and_again_when_it_changed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_openings(monkeypatch)
    with bench.store() as store:
        bench.begin(store, make_record(ID))
    assert not listed(bench)[ID].told.is_evidence  # type: ignore[union-attr] - None would fail the test
    listed(bench)
    assert opened == [ID]
    with bench.store() as store:
        store.lose(ID, "media lost: a test")
        bench.seal_event(store, OTHER)
    assert len(listed(bench)) == 2
    assert opened == [ID, OTHER], "a lost event has the record of its beginning"


def test_the_index_is_its_owners_alone_and_ends_with_the_day(place: Bench) -> None:
    listed(place)
    path = recordindex.path_of(place.custody.folder)
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"Molenstraat" in index_bytes(place), "the control of the search below"
    custody.expire(place.custody, also=[datetime.now(UTC).date()])
    assert b"Molenstraat" not in index_bytes(place)
    assert [one.told for one in listed(place).values()] == [None, None]
    assert b"Molenstraat" not in index_bytes(place)


def test_what_the_box_erased_leaves_the_index(place: Bench) -> None:
    listed(place)
    with place.store() as store:
        store.erase(OTHER)
        store.proven(OTHER)
    assert list(listed(place)) == [ID]
    assert OTHER.encode() not in index_bytes(place)


def test_an_altered_record_shows_nothing_in_the_list_and_is_refused_by_name(place: Bench) -> None:
    with Store.open(place.node / "store", writable=False) as store:
        path = store.get(ID).path("event")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert listed(place)[ID].told is None
    assert listed(place)[OTHER].told is not None
    with pytest.raises(InputError, match="not the ciphertext that was stored"):
        list(told.documents(place.node, place.custody))
    day = datetime.now(UTC).date()
    with pytest.raises(InputError, match="does not open: altered, truncated or sealed to another day"):
        desk.Desk(place.custody).record(path.read_bytes(), day=day, where=ID)


def test_of_a_day_that_ended_the_desk_opens_nothing(place: Bench) -> None:
    day = datetime.now(UTC).date()
    with Store.open(place.node / "store", writable=False) as store:
        ciphertext = store.read(ID, "event")
    keyring.end_days(place.custody.keyring, [day])
    with pytest.raises(MissingInputError, match="have ended"):
        desk.Desk(place.custody).record(ciphertext, day=day, where=ID)


def test_a_keyring_that_others_can_read_is_refused(place: Bench) -> None:
    keyring.path_of(place.custody.keyring, datetime.now(UTC).date()).chmod(0o644)
    with pytest.raises(PermissionRefusedError, match="can be used by others"):
        listed(place)


def test_a_copy_that_was_pulled_is_listed_like_the_box(place: Bench) -> None:
    copy = place.node.parent / "copy"
    now = datetime.now(UTC)
    done = pull.pull(boxes.FolderBox(place.node), copy, place.custody, who="officer", now=now)
    assert (done.events, done.alarms) == (2, ())
    here = {one["id"]: one for one in consult.list_clips(copy, place.custody.folder)}
    there = {one["id"]: one for one in consult.list_clips(place.node, place.custody.folder)}
    assert here == there
    assert here[ID]["lafmax_db"] == 91.25
    shutil.rmtree(place.node)
    assert len(list(consult.list_clips(copy, place.custody.folder))) == 2


def many(bench: Bench, count: int) -> None:
    """Seal records of many events by hand; the store's own way would make each durable."""
    first = datetime.now(UTC) - timedelta(seconds=count)
    record = make_record("none", state="none")
    with bench.store() as store:
        bench.begin(store, replace(record, event=replace(record.event, id=ID)))
        store._db.execute("PRAGMA synchronous=OFF")
        row = store._row(ID) or {}
        media = next(iter(store._db.table("media").rows_where("event_id = ?", [ID])))
        ids = [f"{first + timedelta(seconds=n):%Y%m%d-%H%M%S}-{n:08x}" for n in range(count)]
        store._db.table("events").insert_all({**row, "id": one, "state": "sealed"} for one in ids)
        store._db.table("media").insert_all({**media, "event_id": one} for one in ids)
    rows = [recordindex.Row(one, record_day(record), media["sha256"], one_told(record)) for one in (ID, *ids)]
    with recordindex.opened(bench.custody.folder) as index:
        index.put(told.name_of(bench.node), rows)


def record_day(record: EventRecord) -> date:
    return datetime.fromisoformat(record.sealed_day).date()


def one_told(record: EventRecord) -> recordindex.Told:
    return recordindex.Told(record.captured_at, "Molenstraat", "exhaust", 91.25, "unknown", is_evidence=True)


def test_a_long_list_comes_from_the_index_without_opening_a_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # how long 10 000 take is printed by bench/custody.py
    many(bench, 2_000)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a record was opened")

    monkeypatch.setattr(desk.Desk, "record", refuse)
    found = list(consult.list_clips(bench.node, bench.custody.folder))
    assert len(found) == 2_000
    assert found[0]["lafmax_db"] == 91.25


def test_the_desk_leaves_no_entry_as_it_opens_no_clip(place: Bench) -> None:
    before = place.custody.log_path.read_bytes()
    listed(place)
    assert place.custody.log_path.read_bytes() == before
