"""Verify the box's detached CMS signature (RFC 5652) with openssl, against one certificate authority only."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from noisewatch.errors import AnswerIsNo
from noisewatch.evidence import tools
from noisewatch.evidence.certificates import read_pem


def verify_detached(
    content: bytes, signature: bytes, *, authority_pem: bytes, at: datetime
) -> x509.Certificate:
    """Verify a detached signature in DER and return the signer's certificate.

    Parameters
    ----------
    content, signature : bytes
        What was signed, and the CMS structure, which includes the signer's certificate.
    authority_pem : bytes
        The only certificate authority that is trusted; the system's own are left out.
    at : datetime
        The moment at which the certificate must have been valid.

    Raises
    ------
    AnswerIsNo
        The signature is not good, and why.
    """
    done = tools.call(
        [
            *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", signature),
            *("-content", content, "-CAfile", authority_pem, "-no-CApath", "-no-CAstore"),
            *("-purpose", "any", "-attime", str(int(at.timestamp()))),
            *("-signer", "/dev/stdout", "-out", "/dev/null"),
        ]
    )
    if done.returncode != 0:
        raise AnswerIsNo(f"does not verify ({_reason(done.stderr)})")
    try:
        return read_pem(done.stdout)
    except ValueError as error:
        raise AnswerIsNo("does not carry the signer's certificate") from error


def common_name(certificate: x509.Certificate) -> str:
    """Return the common name of a certificate's subject, or its whole subject."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _reason(stderr: bytes) -> str:
    text = stderr.decode("utf-8", "replace")
    for line in text.splitlines():
        if "Verify error:" in line:
            return line.split("Verify error:", 1)[1].strip()
    for known in ("content verify error", "digest failure", "certificate verify error", "no signers"):
        if known in text:
            return known
    return "openssl cannot read it"
