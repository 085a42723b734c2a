"""An officer's signature: SSHSIG by ``ssh-keygen -Y`` (OpenSSH PROTOCOL.sshsig), bound to a namespace.

Works with key files, with ssh-agent (name the public key) and with hardware keys, as ssh-keygen does.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from pathlib import Path

from noisewatch.errors import AnswerIsNo, MissingInputError, PermissionRefusedError
from noisewatch.evidence import tools

#: What an officer's signature over a package is for; a signature for another purpose is refused.
PACKAGE_NAMESPACE = "noisewatch-package"
#: What a person's signature over a request is for.
ACCESS_NAMESPACE = "noisewatch-access"
#: What a supervisor's approval is for; ``allowed_signers`` gives it to nobody else.
APPROVAL_NAMESPACE = "noisewatch-approve"

_ARMOR = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\n"
    rb"((?:[A-Za-z0-9+/]{70}\n)*[A-Za-z0-9+/]{1,70}={0,2}\n)"
    rb"-----END SSH SIGNATURE-----\n"
)
_PREAMBLE = b"SSHSIG" + (1).to_bytes(4, "big")
_ODD = "is not an SSH signature in the form that ssh-keygen writes"
_PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")


def sign(data: bytes, *, key: Path, namespace: str) -> bytes:
    """Sign with a person's SSH key.

    Parameters
    ----------
    data : bytes
        What is signed.
    key : Path
        The private key, or the public key of one that ssh-agent or a token holds.
    namespace : str
        What the signature is for, such as ``noisewatch-package``.

    Returns
    -------
    bytes
        The armoured signature.

    Raises
    ------
    MissingInputError
        There is no such key file.
    PermissionRefusedError
        The key does not sign: readable by others, wrong passphrase, not in the agent.
    """
    if not key.is_file():
        raise MissingInputError("no such key file", where=key)
    done = tools.call(["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace], stdin=data)
    if done.returncode != 0 or not done.stdout:
        what = done.stderr.decode("utf-8", "replace").strip().splitlines()
        remedy = "the key must be your own, mode 0600, or held by ssh-agent"
        raise PermissionRefusedError(
            f"this key does not sign ({what[-1] if what else 'no reason given'})", where=key, remedy=remedy
        )
    return done.stdout


def verify(
    data: bytes,
    signature: bytes,
    *,
    allowed_signers: bytes,
    revoked: bytes | None = None,
    namespace: str,
    at: datetime,
) -> str:
    """Verify a signature and return the name of the person who made it.

    Parameters
    ----------
    data, signature : bytes
        What was signed, and the armoured signature.
    allowed_signers : bytes
        People and their keys, as ``ssh-keygen`` reads them, with from and until.
    revoked : bytes, optional
        Key revocation list, or one public key a line.
    namespace : str
        What the signature must be for.
    at : datetime
        The moment of signing, against which from and until are judged.

    Raises
    ------
    AnswerIsNo
        The signature is not good, and why.
    """
    _refuse_odd_armor(signature)
    moment = f"verify-time={at.astimezone(UTC):%Y%m%d%H%M%S}"
    found = tools.call(
        ["ssh-keygen", "-Y", "find-principals", "-s", signature, "-f", allowed_signers, "-O", moment]
    )
    listed = found.stdout.decode("utf-8", "replace").splitlines()
    names = [name for line in listed for name in line.split(",")]
    if found.returncode != 0 or not names:
        raise AnswerIsNo("is signed by a key that is not among the allowed signers")
    command: list[str | bytes] = ["ssh-keygen", "-Y", "verify", "-s", signature, "-n", namespace]
    command += ["-f", allowed_signers, "-O", moment]
    why = "it is not over these bytes"
    for name in names:
        if _PRINCIPAL.fullmatch(name) is None:
            raise AnswerIsNo("is signed by a key whose name among the allowed signers is a pattern")
        done = tools.call([*command, "-I", name], stdin=data)
        if done.returncode == 0:
            _refuse_revoked([*command, "-I", name], data=data, revoked=revoked, name=name)
            return name
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = next((line.rstrip(".") for line in lines if ":" in line), why)
    raise AnswerIsNo(f"does not verify for {', '.join(names)}: {why}")


def _refuse_revoked(command: list[str | bytes], *, data: bytes, revoked: bytes | None, name: str) -> None:
    if revoked is None or not revoked.strip():
        return
    if tools.call([*command, "-r", revoked], stdin=data).returncode != 0:
        raise AnswerIsNo(f"is signed by {name}, whose key is revoked")


def _refuse_odd_armor(signature: bytes) -> None:
    """Refuse any spelling but the one that ssh-keygen writes.

    It reads over white space and stray bits of base64, takes version 0 for 1, and does not look into the
    reserved field; so a file could differ and still verify.
    """
    match = _ARMOR.fullmatch(signature)
    if match is None:
        raise AnswerIsNo(_ODD)
    body = match.group(1).replace(b"\n", b"")
    try:
        blob = base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise AnswerIsNo(_ODD) from error
    if base64.b64encode(blob) != body or not blob.startswith(_PREAMBLE):
        raise AnswerIsNo(_ODD)
    fields = _strings(blob[len(_PREAMBLE) :])
    # public key, namespace, reserved, hash algorithm, signature
    if len(fields) != 5 or fields[2] != b"":
        raise AnswerIsNo(_ODD)


def _strings(data: bytes) -> list[bytes]:
    """Return the strings of an SSH structure (RFC 4251 section 5); none where it does not add up."""
    fields: list[bytes] = []
    while data:
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length or len(fields) > 5:
            return []
        fields.append(data[4 : 4 + length])
        data = data[4 + length :]
    return fields
