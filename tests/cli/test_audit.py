"""Each kind of entry is written where its deed is done, and ``audit list`` finds it by who, what and when."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sealed
from command import noisewatch

from noisewatch.evidence import custody, seal
from noisewatch.evidence.log import ACTIONS, EventLog
from noisewatch.evidence.store import Store

WHY = ("--reason", sealed.REASON, "--case", sealed.CASE)


def run(*words: object) -> None:
    done = noisewatch(*words)
    assert done.code == 0, done.err


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> sealed.Place:
    """A place in which everything that is logged was done once."""
    folder = tmp_path_factory.mktemp("place")
    made = sealed.make_place(folder)
    desk = ("--node", made.node, "--custody", made.custody)
    run("clips", "pull", "--from", made.node, "--to", folder / "copy", "--custody", made.custody)
    run("clips", "show", made.event_id, *desk, "--as", "officer", *WHY)
    run("clips", "approve", made.event_id, *desk, "--as", "supervisor", *WHY)
    run(
        "clips",
        "export",
        made.event_id,
        *desk,
        "--as",
        "officer",
        *WHY,
        "--original",
        "--out",
        folder / "out",
    )
    assert noisewatch("clips", "show", made.event_id, *desk, "--as", "supervisor", *WHY).code == 77
    (made.node / "node.toml").touch()
    window = ("--from", "2026-03-01T12:00Z", "--to", "2026-03-01T13:00Z")
    run("privacy", "request", *window, *desk)
    log = EventLog.open(
        made.node / "log" / "node.jsonl", signer=seal.NodeSigner.from_folder(made.node / "keys")
    )
    with Store.open(made.node / "store", log=log) as store:
        store.lose(made.event_id, "the disk broke")
    custody.expire(custody.open_custody(made.custody), now=datetime.now(UTC) + timedelta(days=3))
    return made


def listed(place: sealed.Place, *words: object) -> list[dict[str, object]]:
    logs = ("--node", place.node, "--custody", place.custody)
    return noisewatch("audit", "list", *words, *logs, "--json").documents


def test_every_kind_of_entry_is_written_where_it_is_due(place: sealed.Place) -> None:
    kinds = Counter((entry["log"], entry["action"]) for entry in listed(place))
    assert {action for _, action in kinds} == ACTIONS
    assert {action for log, action in kinds if log == "node.jsonl"} >= {"collection", "alteration"}
    for action in ("pull", "consultation", "approval", "disclosure", "combination", "erasure", "refusal"):
        assert kinds["custody.jsonl", action] >= 1, action
    assert noisewatch("audit", "verify", "--node", place.node, "--custody", place.custody).code == 0


def test_who_viewed_what_and_why_is_one_question(place: sealed.Place) -> None:
    hits = listed(place, "--who", "officer", "--object", place.event_id, "--action", "consultation")
    assert [(hit["who"], hit["target"], hit["why"]) for hit in hits] == [
        ("officer", place.event_id, sealed.REASON)
    ]
    by = Counter(hit["action"] for hit in listed(place, "--who", "supervisor"))
    assert by["approval"] == 1
    assert "consultation" not in by
    assert listed(place, "--since", (datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []
    assert len(listed(place, "--since", (datetime.now(UTC) - timedelta(hours=1)).isoformat())) > 8


def test_no_reason_reaches_a_programs_own_output(place: sealed.Place, tmp_path: Path) -> None:
    desk = ("--node", place.node, "--custody", place.custody)
    # the officer's second try: the clip is lost by now
    done = noisewatch("clips", "export", place.event_id, *desk, "--as", "officer", *WHY, "--out", tmp_path)
    assert done.code != 0
    assert sealed.REASON not in done.err
    assert sealed.CASE not in done.err
