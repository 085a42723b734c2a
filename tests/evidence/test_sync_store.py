"""Measured offsets on disk: signed, chained, never replaced."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from noisewatch.acoustics.sync import MeasuredOffset, SyncRecord
from noisewatch.capture.clock import utc_now
from noisewatch.errors import ConfigurationError, InputError, TryAgainError
from noisewatch.evidence import custody, enrol
from noisewatch.evidence.durable import take_lock
from noisewatch.evidence.seal import NodeSigner
from noisewatch.evidence.sync_store import append, list_offsets, sync_folder


def record(offset_s: float = 0.08) -> SyncRecord:
    return SyncRecord(
        who="An",
        when=utc_now().replace(microsecond=0),
        camera="camera x",
        microphone="microphone 'road'",
        distance_m=1.0,
        offsets={"arrival": MeasuredOffset(offset_s, 0.004, 0.01, 10, 9)},
    )


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sync")
    custody.init(folder / "custody", trial=True)
    enrol.prepare_node(folder / "node", folder / "custody", name="node-1")
    return folder / "node"


def chain(node: Path, folder: Path, count: int) -> list[Path]:
    signer = NodeSigner.from_folder(node / "keys")
    return [append(folder, record(0.01 * number), signer=signer)[0] for number in range(1, count + 1)]


def test_records_come_back_in_order_signed_and_chained(node: Path, tmp_path: Path) -> None:
    authority = (node / "keys" / "ca.pem").read_bytes()
    folder = sync_folder(tmp_path)
    assert list_offsets(folder, authority_pem=authority) == ()
    paths = chain(node, folder, 3)
    records = list_offsets(folder, authority_pem=authority)
    assert [r.offsets["arrival"].offset_s for r in records] == pytest.approx([0.01, 0.02, 0.03])
    assert [r.previous_sha256 for r in records] == [None, records[0].sha256, records[1].sha256]
    assert [path.name[:4] for path in paths] == ["0001", "0002", "0003"]


def test_an_altered_record_and_a_missing_signature_are_named(node: Path, tmp_path: Path) -> None:
    authority = (node / "keys" / "ca.pem").read_bytes()
    paths = chain(node, tmp_path, 2)
    data = paths[1].read_bytes()
    paths[1].write_bytes(data.replace(b'"who":"An"', b'"who":"Al"'))
    with pytest.raises(ConfigurationError, match="the signature does not verify"):
        list_offsets(tmp_path, authority_pem=authority)
    paths[1].write_bytes(data)
    paths[0].unlink()
    with pytest.raises(InputError, match="does not follow"):
        list_offsets(tmp_path, authority_pem=authority)


def test_a_record_without_a_signature_is_refused(node: Path, tmp_path: Path) -> None:
    (path,) = chain(node, tmp_path, 1)
    path.with_name(path.name + ".p7s").unlink()
    with pytest.raises(ConfigurationError, match="no signature beside it"):
        list_offsets(tmp_path, authority_pem=(node / "keys" / "ca.pem").read_bytes())


def test_two_writers_never_write_at_once(node: Path, tmp_path: Path) -> None:
    signer = NodeSigner.from_folder(node / "keys")
    lock = take_lock(tmp_path / ".lock")
    with pytest.raises(TryAgainError):
        append(tmp_path, replace(record(), note="second"), signer=signer)
    os.close(lock)
    assert append(tmp_path, record(), signer=signer)[0].is_file()
