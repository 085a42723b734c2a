"""Certificates that somebody damaged or forged are refused; none is a traceback."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.errors import ConfigurationError
from noisewatch.evidence import certificates, custody, enrol, trust


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    custody.init(folder / "custody", trial=True)
    enrol.prepare_node(folder / "node", folder / "custody", name="node-1")
    return folder / "node" / "keys"


def der_of(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.split(b"-----")[2].split()))


def each_bit_changed(good: bytes) -> Iterator[bytes]:
    for position in range(len(good) * 8):
        changed = bytearray(good)
        changed[position // 8] ^= 1 << (position % 8)
        yield bytes(changed)


def test_what_is_whole_is_read_and_its_issuer_is_told(keys: Path) -> None:
    own = certificates.read_pem((keys / "node.pem").read_bytes())
    authority = certificates.read_pem((keys / "ca.pem").read_bytes())
    assert certificates.read_der(der_of((keys / "node.pem").read_bytes())) == own
    assert certificates.read_pems((keys / "ca.pem").read_bytes()) == [authority]
    assert certificates.is_issued_by(own, authority)
    assert not certificates.is_issued_by(authority, own)


def test_no_changed_bit_of_a_certificate_is_a_traceback_or_passes(keys: Path) -> None:
    authority = certificates.read_pem((keys / "ca.pem").read_bytes())
    good = der_of((keys / "node.pem").read_bytes())
    refused = passed = 0
    for changed in each_bit_changed(good):
        try:
            one = certificates.read_der(changed)
        except ValueError:
            refused += 1
            continue
        passed += certificates.is_issued_by(one, authority)
    assert refused > 500
    assert passed == 0


def test_no_changed_bit_of_an_authority_is_a_traceback_or_another_issuer(keys: Path) -> None:
    authority = certificates.read_pem((keys / "ca.pem").read_bytes())
    own = certificates.read_pem((keys / "node.pem").read_bytes())
    good = der_of((keys / "ca.pem").read_bytes())
    read = 0
    for changed in each_bit_changed(good):
        try:
            one = certificates.read_der(changed)
        except ValueError:
            continue
        read += 1
        if certificates.is_issued_by(own, one):
            assert (one.public_key(), one.subject) == (authority.public_key(), authority.subject)
    assert read > 500


@given(st.binary(max_size=200))
def test_bytes_that_are_no_certificate_are_one_error(data: bytes) -> None:
    text = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(data) + b"-----END CERTIFICATE-----\n"
    with pytest.raises(ValueError, match="not a certificate"):
        certificates.read_pem(text)
    with pytest.raises(ValueError, match="not a certificate"):
        certificates.read_pems(text)
    with pytest.raises(ValueError, match="not a certificate"):
        certificates.read_der(data)
    with pytest.raises(ValueError, match="not a certificate"):
        certificates.read_request(text.replace(b"CERTIFICATE", b"CERTIFICATE REQUEST"))


def test_a_request_with_a_changed_bit_is_refused_or_does_not_verify(tmp_path: Path) -> None:
    command = ["openssl", "req", "-new", "-newkey", "ec", "-nodes"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "csr"), "-subj", "/CN=node-1"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    good = der_of((tmp_path / "csr").read_bytes())
    for changed in each_bit_changed(good):
        text = base64.encodebytes(changed)
        pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + text + b"-----END CERTIFICATE REQUEST-----\n"
        try:
            one = certificates.read_request(pem)
        except ValueError:
            continue
        assert not one.is_signature_valid


def test_a_trust_folder_without_a_certificate_is_one_line(keys: Path) -> None:
    own = certificates.read_pem((keys / "node.pem").read_bytes())
    assert trust.expires_at(own, (keys / "ca.pem").read_bytes()).date() > date(2026, 1, 1)
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        trust.expires_at(own, b"no certificate")
