"""What an older noisewatch left on a box in the clear is sealed, logged, overwritten and removed."""

from __future__ import annotations

from datetime import UTC, datetime

from evidence_parts import Bench

from noisewatch.evidence import clearing, desk, filed, history, minutes, seal
from noisewatch.evidence.minutes import Minute

ID = "20261122-120000-a1b2"
TODAY = datetime.now(UTC).date()


def make_older(bench: Bench) -> bytes:
    """Lay an event's record and a day's minutes there as they lay before; return the record."""
    with bench.store() as store:
        bench.seal_event(store, ID)
        signed, p7s = bench.opened(store, ID)
        folder = store.get(ID).folder
        store._db.table("media").delete_where("name = 'event'")
    (folder / "event.age").unlink()
    (folder / "event.json").write_bytes(signed)
    (folder / "event.json.p7s").write_bytes(p7s)
    levels = bench.node / "store" / "levels"
    levels.mkdir()
    one = Minute(datetime(2026, 3, 1, 12, 0, tzinfo=UTC), 60.0, 61.2, 78.1, 65.0, 49.0, True, {"car": 3})
    two = Minute(datetime(2026, 3, 1, 12, 1, tzinfo=UTC), 60.0, 61.2, 78.1, 65.0, 49.0, True, {})
    header = (",".join(minutes.COLUMNS) + "\n").encode()
    (levels / "2026-03-01.csv").write_bytes(header + minutes.to_line(one) + minutes.to_line(two) + b"2026-03")
    return signed


def test_records_and_minutes_in_the_clear_are_sealed_logged_and_gone(bench: Bench) -> None:
    signed = make_older(bench)
    key = bench.keys.for_day(TODAY)
    with bench.store() as store:
        assert clearing.seal_records(store, key) == (ID,)
        assert clearing.seal_minutes(store.folder, key, keep_days=400) == ("2026-03-01",)
        assert bench.opened(store, ID)[0] == signed
        assert clearing.seal_records(store, key) == ()
    names = {path.name for path in (bench.node / "store").rglob("*") if path.is_file()}
    assert not {name for name in names if name.endswith((".json", ".p7s", ".csv"))}
    assert len(filed.read(bench.custody, bench.node)) == 2
    last = list(bench.log().entries())[-1].entry
    assert (last.action, last.why) == ("alteration", "the record lay in the clear: sealed")
    said = history.of_rows(bench.log().entries())[ID]
    assert (said.state, said.is_trial) == ("sealed", True)
    assert "event" in said.ciphertext
    minutes.append(
        bench.node / "store",
        Minute(datetime.now(UTC), 60.0, 61.2, 78.1, 65.0, 49.0, True, {}),
        key,
        keep_days=400,
    )
    assert filed.file_minutes(bench.custody, bench.node) == 1, "one more, after a line that held a day"


def test_a_record_that_was_sealed_on_a_later_day_opens_under_its_events_day(bench: Bench) -> None:
    tomorrow = next(one for day, one in sorted(bench.keys.days.items()) if day > TODAY)
    moved = seal.seal_record(b"{}", b"signature", tomorrow)
    assert desk.Desk(bench.custody).record(moved.ciphertext, day=TODAY, where=ID) == (b"{}", b"signature")
