"""The account of seconds heard and forgotten: exact, signed, and whole after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command import noisewatch

from noisewatch.evidence import log, seal
from noisewatch.evidence.log import EventLog, LogRow
from noisewatch.evidence.minutes import FORGOTTEN_TARGET, Minute
from noisewatch.evidence.seal import NodeSigner
from noisewatch.evidence.store import Store
from noisewatch.node.forgetting import Ledger
from noisewatch.records import ClipWindow

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forgetting")
    assert noisewatch("custody", "init", folder / "custody", "--trial").code == 0
    assert noisewatch("init", folder / "node", "--custody", folder / "custody").code == 0
    return folder / "node"


@pytest.fixture
def opened(made: Path) -> Iterator[tuple[Store, EventLog]]:
    signer = NodeSigner.from_folder(made / "keys")
    written = EventLog.open(made / "log" / "node.jsonl", signer=signer)
    with Store.open(made / "store", log=written) as store:
        store.keep_state("heard and forgotten", {})
        yield store, written


def minute(heard_s: float) -> Minute:
    return Minute(NOW, heard_s, 60.0, 70.0, 65.0, 50.0, True)


def window(start_s: float) -> ClipWindow:
    start = round(start_s * 48_000)
    return ClipWindow(start, start + 480_000, start + 480_000, 48_000, True, "")


def entries(written: EventLog) -> list[LogRow]:
    return [row for row in written.entries() if row.entry.target == FORGOTTEN_TARGET]


def test_what_was_not_kept_was_forgotten(opened: tuple[Store, EventLog], made: Path) -> None:
    ledger = Ledger(*opened, now=lambda: NOW)
    for heard_s in (60.0, 60.0, 7.125):
        ledger.heard(minute(heard_s))
    ledger.kept(window(20.0))
    ledger.kept(window(26.0))
    ledger.note()
    details = entries(opened[1])[-1].entry.details
    assert details["heard_us"] == 127_125_000
    assert details["kept_us"] == 16_000_000, "four seconds are in both clips"
    assert details["forgotten_us"] == 111_125_000
    authority = (made / "keys" / "ca.pem").read_bytes()
    assert log.verify(opened[1].path, authority_pem=authority, role=seal.ROLE_NODE).valid


def test_nothing_is_noted_where_nothing_was_heard(opened: tuple[Store, EventLog]) -> None:
    before = len(entries(opened[1]))
    ledger = Ledger(*opened, now=lambda: NOW)
    ledger.note()
    ledger.heard(minute(60.0))
    ledger.note()
    ledger.note()
    assert len(entries(opened[1])) == before + 1


def test_a_run_that_was_killed_before_it_could_note_is_noted_by_the_next(
    opened: tuple[Store, EventLog],
) -> None:
    killed = Ledger(*opened, now=lambda: NOW)
    killed.heard(minute(60.0))
    del killed
    after = Ledger(*opened, now=lambda: NOW)
    after.heard(minute(30.0))
    after.note()
    assert entries(opened[1])[-1].entry.details["heard_us"] == 90_000_000


def test_an_entry_that_was_written_twice_changes_nothing(opened: tuple[Store, EventLog]) -> None:
    """Killed between the log and the store: the totals stand in both entries, so no sum can be wrong."""
    store, written = opened
    ledger = Ledger(store, written, now=lambda: NOW)
    ledger.heard(minute(60.0))
    before = store.state("heard and forgotten")
    ledger.note()
    assert before is not None
    store.keep_state("heard and forgotten", before)
    Ledger(store, written, now=lambda: NOW).note()
    last, again = (row.entry.details for row in entries(written)[-2:])
    assert last == again


def test_a_store_whose_index_was_made_anew_counts_on_from_what_the_log_signed(
    opened: tuple[Store, EventLog], tmp_path: Path
) -> None:
    store, written = opened
    ledger = Ledger(store, written, now=lambda: NOW)
    ledger.heard(minute(60.0))
    ledger.note()
    before = ledger.totals
    Store.create(tmp_path / "store")
    with Store.open(tmp_path / "store", log=written) as anew:
        after = Ledger(anew, written, now=lambda: NOW)
        assert after.totals == before
        count = len(entries(written))
        after.note()
        assert len(entries(written)) == count, "what was signed is not signed again"
