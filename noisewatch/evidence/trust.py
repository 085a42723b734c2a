"""What a verifier trusts: the authority, the appointed people, what was revoked, whose stamps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from noisewatch.errors import ConfigurationError, MissingInputError
from noisewatch.evidence.certificates import read_pems


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a verifier trusts: the authority over boxes, the people, and what was revoked."""

    authority_pem: bytes
    allowed_signers: bytes
    revoked: bytes
    revoked_nodes: bytes = b""
    stamp_root: bytes = b""


def read_trust(folder: Path) -> Trust:
    """Read a trust folder, or the one inside a custody folder.

    Raises
    ------
    MissingInputError
        The folder holds no trust.
    """
    inner = folder / "trust"
    folder = inner if inner.is_dir() else folder
    for name in ("ca.pem", "allowed_signers"):
        if not (folder / name).is_file():
            remedy = "ask the municipality for its trust folder"
            raise MissingInputError("no such file in the trust folder", where=folder / name, remedy=remedy)
    revoked, nodes, stamps = folder / "revoked", folder / "revoked_nodes", folder / "tsa.pem"
    return Trust(
        authority_pem=(folder / "ca.pem").read_bytes(),
        allowed_signers=(folder / "allowed_signers").read_bytes(),
        revoked=revoked.read_bytes() if revoked.is_file() else b"",
        revoked_nodes=nodes.read_bytes() if nodes.is_file() else b"",
        stamp_root=stamps.read_bytes() if stamps.is_file() else b"",
    )


def expires_at(certificate: x509.Certificate, authority_pem: bytes) -> datetime:
    """Return when a certificate stops to count: its own end, or its authority's where that comes first."""
    try:
        authorities = read_pems(authority_pem)
    except ValueError as error:
        raise ConfigurationError("is not a certificate in PEM", where="ca.pem") from error
    return min(one.not_valid_after_utc for one in (certificate, *authorities))


def is_revoked(certificate: x509.Certificate, revoked_nodes: bytes, *, day: str) -> bool:
    """Tell whether ``trust/revoked_nodes`` distrusts a box on a UTC day.

    Each line holds the SHA-256 of a certificate, the first UTC day on which it does not count, and its name.
    """
    own = certificate.fingerprint(hashes.SHA256()).hex()
    lines = [line.split() for line in revoked_nodes.decode("utf-8", "replace").splitlines()]
    return any(line[0] == own and day >= line[1] for line in lines if len(line) >= 2)
