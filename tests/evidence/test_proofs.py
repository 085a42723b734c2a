"""A package's log lines are proven to stand in the signed logs; custody remembers what it saw of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evidence_parts import Bench, entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import checkpoint, log, merkle, proofs, seal, witness

COUNT = 9


@pytest.fixture
def path(bench: Bench) -> Path:
    """A box's log of nine entries, three of them about event-1."""
    made = log.EventLog.open(bench.log_path, signer=bench.signer)
    for number in range(COUNT):
        made.append(entry(target=f"event-{number % 3}", why=f"entry {number} of this log"))
    return bench.log_path


def problems(bench: Bench, made: proofs.Excerpt, **changes: object) -> list[str]:
    given_ = {"rows": made.rows, "carried": made.checkpoint, "paths": made.document(), **changes}
    return proofs.problems_of(
        given_["rows"],  # type: ignore[arg-type]
        given_["carried"],  # type: ignore[arg-type]
        given_["paths"],
        log=bench.log_path.name,
        authority_pem=bench.custody.authority_pem(),
        role=seal.ROLE_NODE,
    )


def test_an_excerpt_holds_the_events_lines_as_they_stand_and_no_other(bench: Bench, path: Path) -> None:
    made = proofs.excerpt(path, "event-1")
    rows = [log.row_from_line(line, where=path) for line in made.rows.splitlines()]
    assert [row.seq for row in rows] == sorted(made.paths) == [1, 4, 7]
    assert b"event-2" not in made.rows
    assert problems(bench, made) == []


def test_a_target_that_is_only_quoted_in_a_reason_is_not_about_the_event(bench: Bench) -> None:
    made = log.EventLog.open(bench.log_path, signer=bench.signer)
    made.append(entry(target="event-2", why='"target":"event-1"'))
    assert proofs.excerpt(bench.log_path, "event-1").rows == b""


def test_a_checkpoint_that_is_carried_holds_the_root_of_the_lines(bench: Bench, path: Path) -> None:
    lines = path.read_bytes().splitlines()
    claim = checkpoint.read(path)
    assert claim is not None
    assert claim.root_sha256 == merkle.root_of([merkle.leaf_hash(line) for line in lines]).hex()
    assert claim.frontier is not None
    assert b"frontier" not in claim.carried()


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_bit_of_lines_checkpoint_or_paths_is_refused(
    bench: Bench, path: Path, data: st.DataObject
) -> None:
    made = proofs.excerpt(path, "event-1")
    parts = {"rows": made.rows, "carried": made.checkpoint, "paths": json.dumps(made.document()).encode()}
    name = data.draw(st.sampled_from(sorted(parts)))
    changed = bytearray(parts[name])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if name == "paths":
        try:
            paths = json.loads(bytes(changed))
        except ValueError:
            return
        # an upper-case digit is the same number: the package's manifest sees it, the tree does not
        if json.dumps(paths).lower() == json.dumps(made.document()).lower():
            return
        assert problems(bench, made, paths=paths) != []
        return
    found = problems(bench, made, **{name: bytes(changed)})
    torn = name == "rows" and len(bytes(changed).splitlines()) != 3
    unread = name == "rows" and any(not _is_entry(line) for line in bytes(changed).splitlines())
    same = name == "carried" and checkpoint.parse(bytes(changed), where=path) == checkpoint.parse(
        made.checkpoint, where=path
    )
    assert found != [] or torn or unread or same


def _is_entry(line: bytes) -> bool:
    try:
        log.row_from_line(line, where="line")
    except InputError:
        return False
    return True


def test_a_line_of_another_place_or_a_path_too_many_is_refused(bench: Bench, path: Path) -> None:
    made = proofs.excerpt(path, "event-1")
    paths = made.document()
    swapped = {**paths, "1": paths["4"], "4": paths["1"]}
    assert "entry 1: is not proven" in problems(bench, made, paths=swapped)[0]
    assert problems(bench, made, paths={**paths, "8": paths["1"]}) == [
        "proofs: speak of entry 8, which is not here"
    ]
    assert problems(bench, made, paths=None) == ["proofs: are missing"]
    assert problems(bench, made, carried=b"{}") == [
        "checkpoint: is missing, so that a cut tail would not show"
    ]


def test_a_log_without_checkpoint_or_with_a_cut_tail_gives_no_excerpt(bench: Bench, path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(InputError, match="its tail was cut"):
        proofs.excerpt(path, "event-1")
    checkpoint.path_of(path).unlink()
    with pytest.raises(MissingInputError, match="no signed checkpoint"):
        proofs.excerpt(path, "event-1")


def test_an_append_goes_on_from_the_frontier_and_mends_a_lost_one(bench: Bench, path: Path) -> None:
    beside = checkpoint.path_of(path)
    document = json.loads(beside.read_text())
    document["frontier"] = ["00" * 32]
    beside.write_text(json.dumps(document))
    made = log.EventLog(path, bench.signer)
    made.append(entry())
    claim = checkpoint.read(path)
    assert claim is not None
    assert claim.entries == COUNT + 1
    assert (
        claim.root_sha256
        == merkle.root_of([merkle.leaf_hash(x) for x in path.read_bytes().splitlines()]).hex()
    )
    assert log.verify(path, authority_pem=bench.custody.authority_pem(), role=seal.ROLE_NODE).valid


def sight(bench: Bench, seen: Path) -> witness.Sight:
    return witness.look(
        bench.log_path, seen, authority_pem=bench.custody.authority_pem(), role=seal.ROLE_NODE
    )


def test_a_log_that_only_grew_is_what_custody_saw_before(bench: Bench, path: Path, tmp_path: Path) -> None:
    seen = tmp_path / "witness" / "box.checkpoint"
    assert sight(bench, seen) == witness.Sight(COUNT, 0, ())
    log.EventLog.open(path, signer=bench.signer).append(entry())
    assert sight(bench, seen) == witness.Sight(COUNT + 1, COUNT, ())


def test_a_tail_cut_together_with_its_checkpoint_shows(bench: Bench, path: Path, tmp_path: Path) -> None:
    lines, earlier = path.read_bytes().splitlines(keepends=True), checkpoint.path_of(path).read_bytes()
    made = log.EventLog.open(path, signer=bench.signer)
    made.append(entry())
    made.append(entry())
    seen = tmp_path / "box.checkpoint"
    assert sight(bench, seen).problems == ()
    path.write_bytes(b"".join(lines))
    checkpoint.path_of(path).write_bytes(earlier)
    assert log.verify(path, authority_pem=bench.custody.authority_pem(), role=seal.ROLE_NODE).valid
    found = sight(bench, seen)
    assert len(found.problems) == 1
    assert "tail cut" in found.problems[0]
    assert f"held {COUNT + 2} entries, now {COUNT}" in found.problems[0]


def test_a_log_that_the_box_itself_rewrote_shows(bench: Bench, path: Path, tmp_path: Path) -> None:
    seen = tmp_path / "box.checkpoint"
    assert sight(bench, seen).problems == ()
    path.unlink()
    checkpoint.path_of(path).unlink()
    made = log.EventLog.open(path, signer=bench.signer)
    for number in range(COUNT + 2):
        made.append(entry(target=f"other-{number}"))
    assert log.verify(path, authority_pem=bench.custody.authority_pem(), role=seal.ROLE_NODE).valid
    assert "rewritten" in sight(bench, seen).problems[0]
    before = seen.read_bytes()
    assert sight(bench, seen).problems != ()
    assert seen.read_bytes() == before, "what does not fit is not remembered as seen"
