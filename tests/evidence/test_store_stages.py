"""An original that is durable stays, whatever becomes of its viewing copy."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from evidence_parts import CLEAR, Bench, make_bench, make_record

from noisewatch.errors import InputError, MissingInputError, NoisewatchError
from noisewatch.evidence import cms, jsonform, seal
from noisewatch.evidence.store import Store
from noisewatch.records import EventRecord, Media

ID = "20261122-120000-a1b2"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A trial custody and a node."""
    return make_bench(tmp_path)


def record_with(*names: str) -> EventRecord:
    media = tuple(Media(name, hashlib.sha256(CLEAR[name]).hexdigest(), len(CLEAR[name])) for name in names)
    state = "sealed" if "viewing" in names else "original"
    return replace(make_record(ID), media_state=state, media=media, is_evidence=True)


def finish(bench: Bench, store: Store, record: EventRecord, *new: str, more_to_come: bool = False) -> None:
    key = bench.keys.for_day(date.fromisoformat(record.sealed_day))
    sealed = {
        name: (seal.seal_original if name == "original" else seal.seal_viewing)(CLEAR[name], key)
        for name in new
    }
    store.finish(record, bench.sealed(record), sealed, more_to_come=more_to_come)


def original(bench: Bench, store: Store) -> None:
    bench.begin(store, make_record(ID))
    finish(bench, store, record_with("original", "levels"), "original", "levels", more_to_come=True)


def viewing(bench: Bench, store: Store) -> None:
    finish(bench, store, record_with("original", "viewing", "levels"), "viewing")


def check_whole(bench: Bench) -> str:
    """The event is sealed with or without its viewing copy; its record says which, with a good signature."""
    with bench.store() as store:
        event = store.get(ID)
        signed, p7s = bench.opened(store, ID)
        cms.verify_detached(signed, p7s, authority_pem=bench.custody.authority_pem(), at=event.sealed_at)
        record = jsonform.document_to_record(jsonform.bytes_to_document(signed))
        assert record.media_state == event.state
        assert event.is_sealed
        assert record.is_evidence
        names = {media.name for media in record.media} | {"event"}
        assert {path.stem for path in event.folder.glob("*.age")} == names
        for name in names:
            assert store.read(ID, name)
        return event.state


def test_the_stages_in_a_row(bench: Bench) -> None:
    with bench.store() as store:
        original(bench, store)
        assert store.get(ID).state == "original"
        with pytest.raises(MissingInputError, match="no viewing copy"):
            store.read(ID, "viewing")
        viewing(bench, store)
    assert check_whole(bench) == "sealed"


def test_an_original_that_will_have_no_viewing_copy_is_final(bench: Bench) -> None:
    with bench.store() as store:
        original(bench, store)
        final = replace(record_with("original", "levels"), privacy={"viewing_copy": "none: no face finder"})
        finish(bench, store, final)
    assert check_whole(bench) == "original"
    assert not [row for row in bench.log().entries() if "lost" in row.entry.why]


def test_a_restart_between_the_stages_keeps_the_original_and_says_so(bench: Bench) -> None:
    with bench.store() as store:
        original(bench, store)
    assert check_whole(bench) == "original"
    entries = [row.entry for row in bench.log().entries()]
    assert entries[-1].why == "viewing copy lost: the box stopped before it was sealed"
    # once: the next start has nothing to say
    assert check_whole(bench) == "original"
    assert len(list(bench.log().entries())) == len(entries)


def child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def at_call(kind: str, number: int, act: Callable[[], None]) -> Callable[[], None]:
    """Act before the N-th call of a system call; return what undoes the trap."""
    real, left = getattr(os, kind), [number]

    def trap(*arguments: object, **keywords: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            act()
        return real(*arguments, **keywords)

    setattr(os, kind, trap)
    return lambda: setattr(os, kind, real)


@pytest.mark.parametrize("kind", ["write", "rename", "unlink"])
def test_a_box_killed_at_any_write_of_the_viewing_copy_keeps_its_original(tmp_path: Path, kind: str) -> None:
    states = []
    for number in range(1, 40):
        bench = make_bench(tmp_path / str(number))
        with bench.store() as store:
            original(bench, store)

        def doomed(bench: Bench = bench, number: int = number) -> None:
            # opened here, as the lock is the process's; this time nothing is recovered at the opening
            Store.recover = lambda self: ()  # type: ignore[method-assign]
            with bench.store() as store:
                at_call(kind, number, lambda: os.kill(os.getpid(), signal.SIGKILL))
                viewing(bench, store)

        ended = child(doomed)
        states.append(check_whole(bench))
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert states[-1] == "sealed"
    if kind != "unlink":
        assert len(states) >= 4
        assert "original" in states


@pytest.mark.parametrize("kind", ["write", "rename"])
def test_a_disk_that_fails_at_any_write_of_the_viewing_copy_keeps_the_original(
    tmp_path: Path, kind: str
) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    codes = []
    for number in range(1, 40):
        bench = make_bench(tmp_path / str(number))
        with bench.store() as store:
            original(bench, store)
            undo = at_call(kind, number, fail)
            try:
                viewing(bench, store)
            except NoisewatchError as error:
                codes.append(error.exit_code)
            finally:
                undo()
        if check_whole(bench) == "sealed":
            break
    assert len(codes) >= 2
    assert set(codes) == {74}


def test_a_wrong_stage_is_refused(bench: Bench) -> None:
    with bench.store() as store:
        bench.begin(store, make_record(ID))
        with pytest.raises(InputError, match="cannot be sealed as pending"):
            finish(bench, store, replace(make_record(ID), media_state="pending"))
        original_record = record_with("original", "levels")
        finish(bench, store, original_record, "original", "levels")
        viewing(bench, store)
        with pytest.raises(InputError, match="is sealed, not pending"):
            viewing(bench, store)
