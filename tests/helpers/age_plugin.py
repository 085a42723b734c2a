#!/usr/bin/env python3
"""A small age plugin (C2SP age-plugin): wraps a file key under a secret that stands in its identity.

Installed by ``install`` as ``age-plugin-nwtest``; it speaks the whole protocol, so that the real age and the
real pyrage take it for any other. It asks for a PIN where ``NWTEST_PIN`` is set.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from pathlib import Path

NAME = "nwtest"
_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def bech32(prefix: str, data: bytes) -> str:
    """Encode as BIP 173 does, without its limit of length."""
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    expanded = [ord(one) >> 5 for one in prefix] + [0] + [ord(one) & 31 for one in prefix]
    checked = _polymod([*expanded, *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [(checked >> 5 * (5 - number)) & 31 for number in range(6)]
    return f"{prefix}1{''.join(_CHARSET[value] for value in values)}"


def _polymod(values: list[int]) -> int:
    generator = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for number in range(5):
            check ^= generator[number] if (top >> number) & 1 else 0
    return check


def unbech32(text: str) -> bytes:
    """Decode what ``bech32`` wrote; the checksum is the caller's."""
    body = text.lower().rpartition("1")[2][:-6]
    bits = "".join(f"{_CHARSET.index(one):05b}" for one in body)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - len(bits) % 8, 8))


def keys_of(secret: bytes) -> tuple[str, str]:
    """Return the recipient and the identity of a secret (this toy's recipient holds the secret as well)."""
    return bech32(f"age1{NAME}", secret), bech32(f"age-plugin-{NAME}-", secret).upper()


def install(folder: Path) -> Path:
    """Put the plugin into a folder that goes on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / f"age-plugin-{NAME}"
    source = Path(__file__).read_text().partition("\n")[2]
    program.write_text(f"#!{sys.executable}\n{source}")
    program.chmod(0o755)
    return folder


def _pad(secret: bytes) -> bytes:
    return hashlib.sha256(b"nwtest" + secret).digest()[:16]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _read() -> tuple[list[str], bytes]:
    """Read one stanza: its words, and its body in base64 of 64 columns that ends with a shorter line."""
    head = sys.stdin.readline().split()
    body = ""
    while True:
        line = sys.stdin.readline().rstrip("\n")
        body += line
        if len(line) < 64:
            return head[1:], base64.b64decode(body + "=" * (-len(body) % 4))


def _write(*words: str, body: bytes = b"") -> None:
    text = base64.b64encode(body).decode().rstrip("=")
    sys.stdout.write(f"-> {' '.join(words)}\n{text}\n")
    sys.stdout.flush()


def _stanzas() -> list[tuple[list[str], bytes]]:
    found = []
    while True:
        words, body = _read()
        if words[0] == "done":
            return found
        found.append((words, body))


def main() -> None:
    """Speak one of the two state machines."""
    machine = sys.argv[1].partition("=")[2]
    told = _stanzas()
    if machine == "recipient-v1":
        keys = [body for words, body in told if words[0] == "wrap-file-key"]
        to = [unbech32(words[1]) for words, _ in told if words[0] == "add-recipient"]
        for number, key in enumerate(keys):
            for secret in to:
                _write("recipient-stanza", str(number), NAME, body=_xor(key, _pad(secret)))
                _read()
    else:
        if os.environ.get("NWTEST_PIN"):
            _write("request-secret", body=b"PIN?")
            words, pin = _read()
            if words[0] != "ok" or pin.decode() != os.environ["NWTEST_PIN"]:
                _write("done")
                return
        own = [unbech32(words[1]) for words, _ in told if words[0] == "add-identity"]
        for words, body in told:
            if words[0] == "recipient-stanza" and words[2] == NAME and own:
                _write("file-key", words[1], body=_xor(body, _pad(own[0])))
                _read()
    _write("done")


if __name__ == "__main__":
    main()
