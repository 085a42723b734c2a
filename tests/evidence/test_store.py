"""The sealed store: an event is there whole, is lost by name, or is not there."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlite_utils
from evidence_parts import Bench, make_record
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.errors import ConfigurationError, InputError, InputOutputError, MissingInputError
from noisewatch.evidence import database, jsonform, stored
from noisewatch.evidence.store import Store
from noisewatch.records import LogEntry

ID = "20261122-120000-a1b2"


def actions(bench: Bench) -> list[tuple[str, str]]:
    return [(row.entry.action, row.entry.why) for row in bench.log().entries()]


def test_an_event_begins_pending_and_is_sealed_with_its_ciphertext(bench: Bench) -> None:
    with bench.store() as store:
        record = make_record(ID)
        bench.begin(store, record)
        event = store.get(ID)
        assert event.state == "pending"
        assert sorted(path.name for path in event.folder.iterdir()) == ["event.age"]
        bench.finish(store, record)
        event = store.get(ID)
        assert event.state == "sealed"
        names = ["event.age", "levels.age", "original.age", "viewing.age"]
        assert sorted(path.name for path in event.folder.iterdir()) == names
        assert event.folder == bench.node / "store" / "clips" / record.sealed_day / ID
        final = jsonform.document_to_record(jsonform.bytes_to_document(bench.opened(store, ID)[0]))
        assert final.media_state == "sealed"
        assert store.read(ID, "viewing").startswith(b"age-encryption.org/v1")
    assert [action for action, _ in actions(bench)] == ["collection", "collection"]


def test_the_log_holds_the_hash_of_each_ciphertext(bench: Bench) -> None:
    with bench.store() as store:
        bench.seal_event(store, ID)
        rows = {row["name"]: row["sha256"] for row in store._db.table("media").rows}
    details = list(bench.log().entries())[-1].entry.details
    assert details["ciphertext_sha256"] == rows
    assert set(rows) == {"original", "viewing", "levels", "event"}


def test_nothing_in_the_store_is_readable_by_others(bench: Bench) -> None:
    with bench.store() as store:
        bench.seal_event(store, ID)
        files = [path for path in (bench.node / "store").rglob("*") if path.is_file()]
        assert files
        assert all(path.stat().st_mode & 0o077 == 0 for path in files), files


def test_an_event_without_media_begins_as_none_and_stays(bench: Bench) -> None:
    with bench.store() as store:
        bench.begin(store, make_record(ID, state="none"))
    with bench.store() as store:
        assert store.get(ID).state == "none"


def test_an_event_that_is_stored_already_is_refused_and_stays(bench: Bench) -> None:
    with bench.store() as store:
        bench.seal_event(store, ID)
        with pytest.raises(InputError, match="is stored already"):
            bench.begin(store, make_record(ID))
        assert store.get(ID).state == "sealed"
        assert store.read(ID, "viewing")


@pytest.mark.parametrize("event_id", ["../x", "a/b", "", "x" * 65, "a\0bcd", ".hidden", "‮abcd", "a b c d"])
def test_an_id_that_could_leave_the_store_is_refused(bench: Bench, event_id: str) -> None:
    with bench.store() as store:
        with pytest.raises(InputError, match="not an event's id"):
            bench.begin(store, make_record(event_id))
        with pytest.raises(InputError):
            store.get(event_id)
    assert not list((bench.node / "store" / "clips").iterdir())


@given(st.text(max_size=70))
def test_any_text_that_is_an_id_is_one_plain_file_name(text: str) -> None:
    name = ""
    try:
        name = stored.check_id(text)
    except InputError as error:
        name = "refused"
        assert "\n" not in error.line()  # noqa: PT017 - both outcomes are checked
    assert Path(name).name == name
    assert name.isascii()


@pytest.mark.parametrize("day", ["../../etc", "2026-13-01", "20261122x", ""])
def test_a_day_that_is_none_is_refused(bench: Bench, day: str) -> None:
    with bench.store() as store, pytest.raises(InputError, match="is not a day"):
        bench.begin(store, replace(make_record(ID), sealed_day=day))


def test_a_part_of_an_unknown_name_or_an_event_that_did_not_begin_is_refused(bench: Bench) -> None:
    with bench.store() as store:
        record = make_record(ID, state="sealed")
        with pytest.raises(MissingInputError, match="no such event"):
            store.finish(record, bench.sealed(record), {"viewing": b"x"})
        with pytest.raises(InputError, match=r"cannot be sealed as sealed with \['\.\./x'\]"):
            store.finish(record, bench.sealed(record), {"../x": b"x"})
        bench.seal_event(store, ID)
        with pytest.raises(InputError, match="is sealed, not pending"):
            bench.finish(store, make_record(ID))


def test_a_given_up_clip_leaves_its_first_record_and_says_why(bench: Bench) -> None:
    with bench.store() as store:
        bench.begin(store, make_record(ID))
        before = bench.opened(store, ID)
        store.lose(ID, "media lost: the encoder failed")
        event = store.get(ID)
        assert event.state == "lost"
        assert bench.opened(store, ID) == before
    assert actions(bench)[-1] == ("alteration", "media lost: the encoder failed")


def test_a_swapped_or_changed_ciphertext_is_noticed(bench: Bench) -> None:
    with bench.store() as store:
        bench.seal_event(store, ID)
        bench.seal_event(store, "20261122-130000-c3d4")
        one, other = (store.get(name).path("viewing") for name in (ID, "20261122-130000-c3d4"))
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)
        for name in (ID, "20261122-130000-c3d4"):
            with pytest.raises(InputError, match="not the ciphertext that was stored"):
                store.read(name, "viewing")


def test_events_are_listed_in_the_order_of_sealing_and_by_state(bench: Bench) -> None:
    now = datetime.now(UTC)
    with bench.store() as store:
        for hour, state in ((2, "none"), (0, "pending"), (1, "none")):
            record = make_record(f"event-{hour}", state=state)
            store.begin(record, bench.sealed(record), sealed_at=now + timedelta(hours=hour))
        assert [event.id for event in store.list()] == ["event-0", "event-1", "event-2"]
        assert [event.id for event in store.list(state="none")] == ["event-1", "event-2"]


def test_a_reader_sees_what_is_stored_while_the_node_writes(bench: Bench) -> None:
    with bench.store() as store, Store.open(bench.node / "store", writable=False) as reader:
        bench.seal_event(store, ID)
        assert [event.state for event in reader.list()] == ["sealed"]
        with pytest.raises(InputOutputError, match="for reading only"):
            reader.keep_state("x", {})
        with pytest.raises(InputOutputError, match="for reading only"):
            reader.erase(ID)
        assert store.get(ID).path("viewing").exists()


def test_the_database_promises_what_erasure_needs(bench: Bench) -> None:
    with bench.store() as store:
        pragmas = {"secure_delete": 1, "foreign_keys": 1, "synchronous": 2, "journal_mode": "wal"}
        found = {name: store._db.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}
        assert found == pragmas
        with pytest.raises(sqlite3.IntegrityError):
            store._db.table("media").insert(
                {"event_id": "nobody", "name": "x", "sha256": "0", "size_bytes": 1}
            )


def test_migrations_are_named_ordered_and_stamped(bench: Bench) -> None:
    with bench.store() as store:
        applied = database.migrations.applied(store._db)
    assert [one.name for one in applied] == sorted(one.name for one in applied)
    assert applied[0].name == "0001_events_and_media"
    assert all(datetime.fromisoformat(one.applied_at) for one in applied)


def test_a_store_of_a_newer_noisewatch_is_refused(bench: Bench) -> None:
    db = sqlite_utils.Database(bench.node / "store" / "events.db")
    db.table("_sqlite_migrations").insert(
        {"migration_set": "noisewatch.store", "name": "9999_future", "applied_at": "2030-01-01"}
    )
    db.close()
    with pytest.raises(ConfigurationError, match="newer noisewatch"):
        bench.store()


def test_a_store_of_an_older_noisewatch_is_brought_up_to_date_by_the_node(bench: Bench) -> None:
    db = sqlite_utils.Database(bench.node / "store" / "events.db")
    db.execute("DROP TABLE state")
    db.table("_sqlite_migrations").delete_where("name = ?", ["0002_clock_floor"])
    db.close()
    with pytest.raises(ConfigurationError, match="start the node once"):
        Store.open(bench.node / "store", writable=False)
    with bench.store() as store:
        assert store.state("anything") is None


def test_a_folder_without_a_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no store"):
        Store.open(tmp_path)


def test_a_store_is_not_made_twice(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="holds a store already"):
        Store.create(bench.node / "store")


def rows_of(bench: Bench) -> dict[str, list[dict[str, object]]]:
    """Everything that the index says of events and their files."""
    db = sqlite_utils.Database(bench.node / "store" / "events.db")
    found = {name: sorted(db.table(name).rows, key=str) for name in ("events", "media")}
    db.close()
    return found


def break_index(bench: Bench, how: str) -> None:
    path = bench.node / "store" / "events.db"
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "overwritten":
        path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8000)
    else:
        path.write_bytes(b"")


@pytest.mark.parametrize("how", ["gone", "cut", "overwritten", "emptied"])
def test_an_index_that_is_gone_or_damaged_is_made_anew_from_files_and_log(bench: Bench, how: str) -> None:
    """On the box, without opening a record: custody and its keys are away."""
    with bench.store() as store:
        bench.seal_event(store, ID)
        bench.begin(store, make_record("none-1", state="none"))
        bench.begin(store, make_record("lost-1"))
        store.lose("lost-1", "media lost: a test")
        bench.begin(store, make_record("half-1"))
        bench.finish(store, make_record("half-1"), "original", "levels", state="original")
        bench.begin(store, make_record("gone-1"))
        store.lose("gone-1", "media lost: a test")
        bench.log().append(LogEntry("noisewatch", "erasure", "gone-1", "ended", datetime.now(UTC), {}))
        store.erase("gone-1")
        store.proven("gone-1")
    keyring = bench.custody.folder / "keyring"
    keyring.rename(bench.custody.folder / "elsewhere")
    before = rows_of(bench)
    assert {row["state"] for row in before["events"]} == {"sealed", "none", "lost", "original"}
    break_index(bench, how)
    with bench.store() as store:
        assert store.read(ID, "viewing")
        assert (bench.node / "store" / "events.db").stat().st_mode & 0o777 == 0o600
    assert rows_of(bench) == before
    whys = [why for _, why in actions(bench)]
    said = "the index was made anew from files and log"
    assert whys.count(said) == 4
    if how != "emptied":
        assert any("it is made anew from files and log" in why for why in whys)
    with bench.store():
        assert [why for _, why in actions(bench)] == whys, "the next start has nothing to say"


def test_an_event_whose_files_are_gone_with_the_index_is_removed_and_noted(bench: Bench) -> None:
    with bench.store() as store:
        bench.seal_event(store, ID)
        store.get(ID).path("original").unlink()
    break_index(bench, "gone")
    with bench.store() as store:
        assert store.list() == ()
    assert actions(bench)[-1] == ("erasure", "an event that had not begun was removed")


def test_an_event_under_way_when_the_index_was_lost_is_lost_by_name(bench: Bench) -> None:
    with bench.store() as store:
        bench.begin(store, make_record(ID))
    break_index(bench, "cut")
    with bench.store() as store:
        assert store.get(ID).state == "lost"
        assert bench.opened(store, ID)


def test_a_damaged_index_is_no_reason_for_a_reader_to_make_one(bench: Bench) -> None:
    with bench.store() as store:
        bench.seal_event(store, ID)
    break_index(bench, "overwritten")
    with pytest.raises(InputOutputError, match=r"events\.db: is damaged; start the node: the index is made"):
        Store.open(bench.node / "store", writable=False)


def test_an_older_index_forgets_what_was_heard_and_overwrites_its_bytes(bench: Bench) -> None:
    path = bench.node / "store" / "events.db"
    path.unlink()
    db = sqlite_utils.Database(path)
    database.migrations.apply(db, stop_before="0004_nothing_of_what_was_heard")
    row = {"id": "older-1", "state": "none", "sealed_day": "2026-03-01", "sealed_at": "2026-03-01T12:00:00Z"}
    heard = {"site": "Molenstraat", "signature": "exhaust", "lafmax_db": 91.25, "behaviour": "revving"}
    times = {"captured_at": "2026-03-01T11:59:00Z", "expires_at": "2026-03-31T00:00:00Z", "is_trial": 0}
    db.table("events").insert({**row, **heard, **times, "pending_record": b"in the clear"})
    db.close()
    assert b"Molenstraat" in path.read_bytes()
    with bench.store() as store:
        assert [event.id for event in store.list()] == ["older-1"]
        assert not set(heard) & {column.name for column in store._db.table("events").columns}
    files = b"".join(one.read_bytes() for one in path.parent.glob("events.db*"))
    assert not [word for word in (b"Molenstraat", b"exhaust", b"in the clear") if word in files]


def test_without_a_log_of_its_own_the_store_finds_the_nodes(bench: Bench) -> None:
    with Store.open(bench.node / "store") as store:
        bench.begin(store, make_record(ID))
    assert actions(bench)[-1][0] == "collection"


def test_a_sealed_event_whose_row_was_lost_comes_back_from_its_files_and_the_log(bench: Bench) -> None:
    with bench.store() as store:
        bench.seal_event(store, ID)
        before, sealed = store.get(ID), store.read(ID, "viewing")
        store._db.table("events").delete_where("id = ?", [ID])
    with bench.store() as store:
        assert store.read(ID, "viewing") == sealed
        assert store.get(ID) == before
    assert actions(bench)[-1] == ("alteration", "the index was made anew from files and log")


def test_a_folder_of_an_event_that_had_not_begun_is_removed_and_noted(bench: Bench) -> None:
    with bench.store() as store:
        folder = bench.node / "store" / "clips" / make_record(ID).sealed_day / ID
        folder.mkdir(parents=True)
        (folder / "event.age").write_bytes(bench.sealed(make_record(ID)).ciphertext)
        assert store.list() == ()
    with bench.store():
        assert not folder.exists()
    assert actions(bench)[-1] == ("erasure", "an event that had not begun was removed")
