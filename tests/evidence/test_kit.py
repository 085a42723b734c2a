"""A box takes day keys and its certificate from custody's bundle, and nothing else than that."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from evidence_parts import Bench

from noisewatch.errors import ConfigurationError, UsageError
from noisewatch.evidence import custody, kit, lifecycle
from noisewatch.evidence.seal import DayKeys, NodeSigner

NOW = datetime.now(UTC)
TODAY = NOW.date()


def certified(bench: Bench, node: Path, *, name: str = "genk-1", now: datetime = NOW) -> kit.Kit:
    kit.prepare(node, name=name)
    made, issued = lifecycle.make_kit(bench.custody, request=node / "keys" / "node.csr", now=now)
    assert issued == name
    return made


def test_a_box_is_made_from_a_bundle_that_was_carried_to_it(bench: Bench, tmp_path: Path) -> None:
    made = certified(bench, tmp_path / "node")
    path = tmp_path / "genk-1.bundle"
    kit.write_kit(path, made)
    done = kit.install(
        kit.read_kit(path),
        tmp_path / "node" / "keys",
        expected_fingerprint=kit.fingerprint(bench.custody.authority_pem()),
        today=TODAY,
    )
    assert done.is_certified
    keys = DayKeys.load_bundle(
        tmp_path / "node" / "keys" / "bundle.json", bench.custody.authority_pem(), today=TODAY
    )
    assert keys.days == done.keys.days
    assert NodeSigner.from_folder(tmp_path / "node" / "keys").name == "genk-1"
    assert b"PRIVATE" not in path.read_bytes()


def test_a_bundle_before_the_certificate_leaves_the_box_uncertified(bench: Bench, tmp_path: Path) -> None:
    kit.prepare(tmp_path / "node", name="genk-1")
    made, _ = lifecycle.make_kit(bench.custody)
    assert not kit.install(made, tmp_path / "node" / "keys", today=TODAY).is_certified
    assert not (tmp_path / "node" / "keys" / "node.pem").exists()


def test_an_older_bundle_is_refused_once_a_newer_one_is_there(bench: Bench, tmp_path: Path) -> None:
    older, _ = lifecycle.make_kit(bench.custody, now=NOW - timedelta(hours=1), days=3)
    newer = certified(bench, tmp_path / "node")
    keys = tmp_path / "node" / "keys"
    kit.install(newer, keys, today=TODAY)
    before = (keys / "bundle.json").read_bytes()
    with pytest.raises(ConfigurationError, match="before the one that is here"):
        kit.install(older, keys, today=TODAY)
    assert (keys / "bundle.json").read_bytes() == before


def test_a_bundle_without_todays_key_is_outdated(bench: Bench, tmp_path: Path) -> None:
    made = certified(bench, tmp_path / "node")
    with pytest.raises(ConfigurationError, match="outdated"):
        kit.install(made, tmp_path / "node" / "keys", today=TODAY + timedelta(days=60))


@pytest.mark.parametrize("part", ["bundle", "bundle_p7s", "ca_pem", "node_pem"])
def test_an_altered_bundle_is_refused_and_nothing_is_installed(
    bench: Bench, tmp_path: Path, part: str
) -> None:
    made = certified(bench, tmp_path / "node")
    data = bytearray(getattr(made, part))
    data[len(data) // 2] ^= 1
    with pytest.raises(ConfigurationError):
        kit.install(replace(made, **{part: bytes(data)}), tmp_path / "node" / "keys", today=TODAY)
    assert not (tmp_path / "node" / "keys" / "bundle.json").exists()


def test_another_authority_is_refused_by_fingerprint_and_by_what_the_box_has(
    bench: Bench, tmp_path: Path
) -> None:
    stranger = custody.init(tmp_path / "stranger", trial=True)
    foreign, _ = lifecycle.make_kit(stranger)
    made = certified(bench, tmp_path / "node")
    keys = tmp_path / "node" / "keys"
    known = kit.fingerprint(bench.custody.authority_pem())
    with pytest.raises(ConfigurationError, match="not the one you gave"):
        kit.install(foreign, keys, expected_fingerprint=known, today=TODAY)
    kit.install(made, keys, expected_fingerprint=known, today=TODAY)
    with pytest.raises(ConfigurationError, match="another authority"):
        kit.install(foreign, keys, today=TODAY)


def test_a_certificate_for_another_box_is_refused(bench: Bench, tmp_path: Path) -> None:
    made = certified(bench, tmp_path / "one")
    kit.prepare(tmp_path / "two", name="genk-2")
    with pytest.raises(ConfigurationError, match="certifies another box's key"):
        kit.install(made, tmp_path / "two" / "keys", today=TODAY)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema":"noisewatch-kit-1"}', "-----BEGIN", json.dumps({"schema": "other"})]
)
def test_a_file_that_is_no_bundle_says_so_with_a_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kit"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="custody bundle"):
        kit.read_kit(path)


def test_a_request_that_is_none_is_refused(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "node.csr"
    path.write_bytes(bench.custody.authority_pem())
    with pytest.raises(UsageError, match="not a certificate signing request"):
        lifecycle.make_kit(bench.custody, request=path)


def test_a_box_is_distrusted_from_a_day_on(bench: Bench, tmp_path: Path) -> None:
    made = certified(bench, tmp_path / "node")
    lifecycle.revoke_node(bench.custody, made.node_pem, name="genk-1", why="stolen from its post", now=NOW)
    line = (bench.custody.trust / "revoked_nodes").read_text()
    assert line == f"{kit.fingerprint(made.node_pem)} {TODAY.isoformat()} genk-1\n"
