"""What a crash must never leave: the work that is stopped, and the invariants that hold after the next start.

Written against what the store, the log and the commands promise, not against the names of files: which files
an event of a state has is learned from a run without a fault.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import crash
import made_up
import pytest
import sealed
from evidence_parts import CLEAR, Bench, make_bench, make_record

from noisewatch.errors import InputError, MissingInputError, TryAgainError
from noisewatch.evidence import custody, durable, export, log, request, retention, seal, verify
from noisewatch.evidence.store import Store

OLD, NEW = "20261122-110000-old0", "20261122-120000-new0"
#: What a fault may make a command answer: input or output, try again. Never a traceback, never "done".
HONEST_CODES = (74, 75)


class BrokenPromiseError(AssertionError):
    """An invariant that does not hold after the next start."""


def expect(condition: object, what: str) -> None:
    """Fail with a sentence that names the promise."""
    if not condition:
        raise BrokenPromiseError(what)


@dataclass(frozen=True)
class Ground:
    """A prepared node with one sealed event, and which files an event of each state has."""

    folder: Path
    shapes: Mapping[str, frozenset[str]]
    ciphertext: Mapping[str, bytes] = field(repr=False)

    def copy(self, to: Path) -> Bench:
        """Copy the node, its keys read already."""
        shutil.copytree(self.folder, to, dirs_exist_ok=True)
        return opened(to)


def opened(folder: Path) -> Bench:
    """A bench in a folder; its bundle is read here, so that no fault hits that instead of the store."""
    bench = Bench(custody.open_custody(folder / "custody"), folder / "node")
    expect(bench.keys.is_trial, "a trial")
    return bench


def make_ground(folder: Path) -> Ground:
    """Make the node, seal an old event that ends soonest, and learn what each state looks like."""
    bench = make_bench(folder / "ground")
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    shapes: dict[str, frozenset[str]] = {}
    with bench.store() as store:
        record = make_record(OLD, sealed_at=hour_ago)
        bench.begin(store, record)
        bench.finish(store, record)
        ciphertext = {name: store.read(OLD, name) for name in CLEAR}
        shapes["sealed"] = _names(store.get(OLD).folder)
    learning = opened(Path(shutil.copytree(folder / "ground", folder / "learning")))
    with learning.store() as store:
        for state in ("lost", "original"):
            record = make_record(f"20261122-120000-{state}")
            learning.begin(store, record)
            if state == "lost":
                store.lose(record.event.id, "to see what is left")
            else:
                learning.finish(store, record, "original", "levels", state="original")
            shapes[state] = _names(store.get(record.event.id).folder)
    return Ground(folder / "ground", shapes, ciphertext)


def _names(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir())


# --- sealing ---------------------------------------------------------------------------------------------


def seal_work(bench: Bench) -> crash.Work:
    """Begin an event, seal its original, then its viewing copy, as a node does."""

    def work(board: crash.Board) -> None:
        with bench.store() as store:
            record = make_record(NEW)
            bench.begin(store, record)
            board.acknowledge()
            bench.finish(store, record, "original", "levels", state="original", more_to_come=True)
            board.acknowledge()
            bench.finish(store, record, "viewing")
            board.acknowledge()

    return work


def check_sealing(ground: Ground, bench: Bench, acknowledged: int, *, whole: int = 3) -> str:
    """After a start: no half event, nothing acknowledged is gone, the log verifies, retention erases."""
    with bench.store() as store:
        check_store(ground, bench, store)
        states = {event.id: event.state for event in store.list()}
        state = states.pop(NEW, "absent")
        expect(set(states) == {OLD}, f"the store holds {sorted(states)}")
        expect(state in ("absent", "lost", "original", "sealed"), f"the new event is {state}")
        expect(acknowledged < 1 or state != "absent", "an acknowledged beginning is gone")
        expect(acknowledged < 2 or state in ("original", "sealed"), "an acknowledged original is gone")
        expect(acknowledged < whole or state == "sealed", "an acknowledged viewing copy is gone")
        last_word(bench, NEW, state)
    check_retention(bench)
    return state


def check_store(ground: Ground, bench: Bench, store: Store) -> None:
    """Every event is whole and nothing else lies there; the old one is as it was."""
    events = store.list()
    folders = set((bench.node / "store" / "clips").glob("*/*"))
    expect(folders == {event.folder for event in events}, f"orphans or gaps: {folders}")
    left = [str(path) for root in (bench.node, bench.custody.folder) for path in temporaries(root)]
    expect(not left, f"temporary files are left: {left}")
    for event in events:
        expect(_names(event.folder) == ground.shapes.get(event.state), f"{event.id} is half {event.state}")
        if event.is_sealed:
            check_readable(bench, store, event.id)
    for name, data in ground.ciphertext.items() if any(event.id == OLD for event in events) else ():
        expect(store.read(OLD, name) == data, f"{name} of the old event was touched")


def check_readable(bench: Bench, store: Store, event_id: str) -> None:
    """The record's signature is good, and each part that it names is there with its hash."""
    try:
        found = request.find_event(store, bench.custody, event_id, now=datetime.now(UTC))
        parts = {media.name: store.read(event_id, media.name) for media in found.record.media}
    except (InputError, MissingInputError) as error:
        raise BrokenPromiseError(f"{event_id}: {error.line()}") from error
    expect(found.record.media_state == found.event.state, "record and index say different states")
    expect(all(parts.values()), "a part is empty")


def temporaries(folder: Path) -> list[Path]:
    """Return what a killed write leaves behind: hidden or temporary names, at any depth."""
    return [path for path in folder.rglob("*") if durable.is_temporary(path) or path.name.startswith(".")]


def last_word(bench: Bench, event_id: str, state: str) -> None:
    """The log is whole, and what it says last of an event is the state it is in."""
    verdict = log.verify(bench.log_path, authority_pem=bench.custody.authority_pem(), role=seal.ROLE_NODE)
    expect(verdict.valid, f"the log does not verify: {verdict.problems}")
    said = [row.entry for row in bench.log().entries() if row.entry.target == event_id]
    last = said[-1] if said else None
    if state == "absent":
        expect(last is None or last.action == "erasure", f"the log's last word of no event is {last}")
    else:
        expect(last is not None, "an event that the log never heard of")
        expect(
            last is None or last.details.get("state") in (state, None), f"{state}, but the log says {last}"
        )


def check_retention(bench: Bench) -> None:
    """Two days on, retention erases everything and proves it."""
    later = datetime.now(UTC) + timedelta(days=2)
    with bench.store() as store:
        ids = [event.id for event in store.list()]
        done = retention.enforce(store, bench.log(), later, synchronised=True)
        expect(done.unproven == () and store.list() == (), f"retention leaves {done}")
        expect(set(ids) <= set(done.erased), "retention did not prove an erasure")
        for event_id in (OLD, NEW):
            expect(store.traces_of(event_id) == (), f"{store.traces_of(event_id)} stayed after the erasure")


# --- purge -----------------------------------------------------------------------------------------------


def purge_work(bench: Bench) -> crash.Work:
    """Seal a new event, then return the work that erases the old one, whose time is over."""
    with bench.store() as store:
        bench.seal_event(store, NEW)
    return purge_again(bench)


def purge_again(bench: Bench) -> crash.Work:
    """Erase the old event, whose time is over; the new one stays."""
    with bench.store() as store:
        ends_at = store.get(OLD).expires_at

    def work(board: crash.Board) -> None:
        with bench.store() as store:
            done = retention.enforce(store, bench.log(), ends_at, synchronised=True)
            if done.unproven:
                raise TryAgainError("erased, but not proven", where=OLD)  # as the command says it
            expect(done.erased == (OLD,), f"erased {done.erased}")
            board.acknowledge()

    return work


def check_purge(ground: Ground, bench: Bench, acknowledged: int) -> str:
    """After a start the old event is whole or gone or under way, and the log says which; then it is gone."""
    with bench.store() as store:
        states = {event.id: event.state for event in store.list()}
        under_way = set(store.unproven())
        expect(states.get(NEW) == "sealed", "an event whose time is not over is gone")
        check_readable(bench, store, NEW)
        said = [row.entry for row in bench.log().entries() if row.entry.target == OLD]
        phases = [entry.details["phase"] for entry in said if entry.action == "erasure"]
        if OLD in states and OLD not in under_way:
            check_store(ground, bench, store)
            state = "whole"
        else:
            expect(phases[:1] == ["intent"], "erased without an intent in the log")
            state = "under way" if under_way else "erased"
        expect(not acknowledged or (OLD not in states and phases[-1:] == ["proof"]), "erased is not erased")
        done = retention.enforce(
            store, bench.log(), datetime.now(UTC) + timedelta(hours=23, minutes=30), synchronised=True
        )
        expect(done.unproven == (), "an erasure can't be proven")
        expect([event.id for event in store.list()] == [NEW], "the second run erases the wrong event")
        expect(store.traces_of(OLD) == (), f"{store.traces_of(OLD)} stayed after the erasure")
        check_store(ground, bench, store)
    verdict = log.verify(bench.log_path, authority_pem=bench.custody.authority_pem(), role=seal.ROLE_NODE)
    expect(verdict.valid, f"the log does not verify: {verdict.problems}")
    check_retention(bench)
    return state


# --- recovery --------------------------------------------------------------------------------------------


def recovery_work(bench: Bench) -> crash.Work:
    """Start the node's store, which recovers, and end."""

    def work(board: crash.Board) -> None:
        with bench.store() as store:
            expect(store.list(), "the old event is there")
        # SQLite may bear a fault at its last checkpoint: the index is whole without it
        board.acknowledge()

    return work


# --- export ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counter:
    """A custody and a node with a clip that can be exported; pictures of the report are drawn once."""

    folder: Path

    def copy(self, to: Path) -> Path:
        """Copy custody and node."""
        shutil.copytree(self.folder, to, dirs_exist_ok=True)
        return to


def make_counter(folder: Path) -> Counter:
    """Make the place of an export."""
    sealed.make_place(folder / "place")
    return Counter(folder / "place")


def export_once(folder: Path) -> export.Exported:
    """Export the one event of a place."""
    _DRAWN.begin()
    order = export.Order(event_id=made_up.EVENT_ID, as_="officer", reason=sealed.REASON, case=sealed.CASE)
    return export.export(order, node=folder / "node", custody=folder / "custody", out=folder / "out")


def export_work(folder: Path) -> crash.Work:
    """Export to a folder of its own."""

    def work(board: crash.Board) -> None:
        expect(export_once(folder).package.is_dir(), "a package")
        board.acknowledge()

    return work


def check_export(folder: Path, acknowledged: int) -> str:
    """What stands in the target is whole packages; the next export leaves nothing else; the logs verify."""
    out, trust = folder / "out", folder / "custody" / "trust"
    before = [path for path in out.iterdir() if not path.name.startswith(".")] if out.is_dir() else []
    expect(len(before) >= acknowledged, "an acknowledged package is gone")
    made = export_once(folder)
    packages = sorted(out.iterdir())
    expect(set(packages) == {*before, made.package}, f"more than packages in the target: {packages}")
    for path in packages:
        verdict = verify.verify(path, trust=trust)
        expect(verdict.valid, f"half a package: {verdict.problems}")
    desk = custody.open_custody(folder / "custody")
    check_clean(folder, desk)
    rows = [row.entry for row in desk.log().entries() if row.entry.action == "disclosure"]
    expect(len(rows) >= len(packages), "a package without its entry in the log")
    verdict = log.verify(desk.log_path, authority_pem=desk.authority_pem(), role=seal.ROLE_CUSTODY_LOG)
    expect(verdict.valid, f"custody's log does not verify: {verdict.problems}")
    return "exported" if before else "nothing"


def check_clean(folder: Path, desk: custody.Custody) -> None:
    """The daily round of an hour later leaves no temporary file at custody, and none at the node."""
    for path in temporaries(desk.folder):
        os.utime(path, (1.0, 1.0))
    custody.expire(desk)
    left = [str(path) for part in ("node", "custody") for path in temporaries(folder / part)]
    expect(not left, f"temporary files are left: {left}")


class Drawn:
    """Draws plots and report of one and the same event once: they are the same bytes in each export of it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], Any] = {}
        self._turns: dict[str, int] = {}

    def begin(self) -> None:
        """Another export begins."""
        self._turns.clear()

    def once(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that remembers what it returned at its first, second, ... call of an export."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            turn = self._turns[name] = self._turns.get(name, 0) + 1
            if (name, turn) not in self._kept:
                self._kept[name, turn] = function(*arguments, **keywords)
            return self._kept[name, turn]

        return call


_DRAWN = Drawn()


def draw_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let exports of this test draw once; ``data/`` is the same in every export, which other tests show."""
    from noisewatch.evidence import payload

    monkeypatch.setattr(sys.modules[__name__], "_DRAWN", Drawn())
    monkeypatch.setattr(payload, "make_payload", _DRAWN.once("make_payload", payload.make_payload))
