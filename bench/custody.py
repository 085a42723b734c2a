"""What custody's own work costs: lists, searches in the log, and a person who leaves.

Run:  OMP_NUM_THREADS=1 .venv/bin/python bench/custody.py [--json]

Goals: list 10 000 events 0.5 s, search 100 000 entries of the log 2 s, close 400 days to a person 5 s. Each
command is also run as a process of its own; that adds the start of Python and the printing. Sealing stands in
``bench/seal.py``, export and verification in ``bench/package.py``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

import made_up  # noqa: E402 - the helpers lie with the tests
import sealed  # noqa: E402

from noisewatch.evidence import consult, custody, database, lifecycle, log, recordindex, told  # noqa: E402
from noisewatch.evidence.people import Person  # noqa: E402
from noisewatch.evidence.search import Wanted, search  # noqa: E402
from noisewatch.records import LogEntry  # noqa: E402

EVENTS, ENTRIES, DAYS = 10_000, 100_000, 400


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def command_s(*words: str) -> float:
    """Return how many seconds a command takes as a process of its own."""
    whole = [sys.executable, "-m", "noisewatch.cli.main", *words]
    return timed(lambda: subprocess.run(whole, check=True, stdout=subprocess.DEVNULL, cwd=ROOT))


def fill_store(place: sealed.Place) -> None:
    """Repeat the one event that was really sealed, in the box's index and in custody's."""
    with closing(database.connect(place.node / "store" / "events.db", writable=True)) as db:
        (event,) = db.table("events").rows
        media = [dict(row) for row in db.table("media").rows]
        ids = [f"ev-20260301-{number:05d}" for number in range(EVENTS - 1)]
        db.table("events").insert_all({**event, "id": one} for one in ids)
        db.table("media").insert_all({**row, "event_id": one} for one in ids for row in media)
    opened = custody.open_custody(place.custody)
    name = told.name_of(place.node)
    with recordindex.opened(opened.folder) as index:
        known = index.rows(name)
        (row,) = known.values()
        index.put(name, [replace(row, event_id=one) for one in ids])


def fill_log(path: Path) -> None:
    """Write a log of consultations by fifty people of ten thousand clips."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    before = log.GENESIS_SHA256
    with path.open("wb") as stream:
        for number in range(ENTRIES):
            entry = LogEntry(
                f"officer-{number % 50}",
                "consultation",
                f"ev-20260301-{number % 10_000:05d}",
                "complaint of 3 May, technical inspection",
                start + timedelta(minutes=number),
                {"case": f"PV 2026/{number}"},
            )
            line = log.entry_line(entry, seq=number, previous_sha256=before)
            before = log.row_from_line(line, where=path).sha256
            stream.write(line + b"\n")


def close_days(folder: Path) -> float:
    """Return how long it takes to close 400 days to somebody who leaves."""
    opened = custody.init(folder, trial=True, days=DAYS)
    key = folder.with_name("jan")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    own = str(pyrage.x25519.Identity.generate().to_public())
    now = datetime.now(UTC).replace(microsecond=0)
    jan = Person("jan", "officer", public, own, "council", now, None, is_trial=False)
    assert custody.add_person(opened, jan, sharer=opened.find_person("officer")) == DAYS
    leave = {"why": "left the service on 1 May", "by": "head of service"}
    return timed(lambda: lifecycle.revoke_person(opened, "jan", **leave))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = sealed.make_place(folder, clip=made_up.make_clip(seconds=0.2))
        desk = ("--node", str(place.node), "--custody", str(place.custody))
        list(consult.list_clips(place.node, place.custody))
        fill_store(place)
        path = folder / "log" / "custody.jsonl"
        path.parent.mkdir()
        fill_log(path)
        wanted = Wanted(who="officer-7", target="ev-20260301-00007")
        result = {
            "events": EVENTS,
            "list_s": timed(lambda: len(list(consult.list_clips(place.node, place.custody)))),
            "list_command_s": command_s("clips", "list", *desk, "--json"),
            "entries": ENTRIES,
            "search_s": timed(lambda: len(list(search(path, wanted)))),
            "search_since_s": timed(
                lambda: len(list(search(path, Wanted(since=datetime(2026, 3, 1, tzinfo=UTC)))))
            ),
            "days": DAYS,
            "revoke_s": close_days(folder / "other"),
        }
        path.replace(place.custody / "log" / "custody.jsonl")
        audit = ("audit", "list", "--who", "officer-7", "--custody", str(place.custody))
        result["search_command_s"] = command_s(*audit, "--json")
    if as_json:
        print(json.dumps(result))
        return
    rows = (
        (f"list {EVENTS} events", "list_s", "list_command_s", 0.5),
        (f"search {ENTRIES} entries: one person, one clip", "search_s", "search_command_s", 2.0),
        (f"search {ENTRIES} entries: two thirds, since a day", "search_since_s", None, 2.0),
        (f"close {DAYS} days to a person", "revoke_s", None, 5.0),
    )
    for what, key, command, goal_s in rows:
        whole = "" if command is None else f"; as a command {result[command]:.2f} s"
        print(f"{what}: {result[key]:.2f} s{whole}; goal {goal_s} s")


if __name__ == "__main__":
    main()
