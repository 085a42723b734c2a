"""Who a package is encrypted to: an age recipient, or the SSH public key of whoever receives it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyrage

from noisewatch.errors import UsageError
from noisewatch.evidence import ageplugin
from noisewatch.evidence.durable import read_bounded

_REMEDY = "give age1… or the file of an SSH public key"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient as they name themselves; ``text`` is public and stands in the log."""

    text: str

    def encrypt(self, data: bytes) -> bytes:
        """Return data that only this recipient opens (age-encryption.org/v1)."""
        if self.text.startswith("age1"):
            return ageplugin.encrypt(data, self.text)
        sealed: bytes = pyrage.encrypt(data, [pyrage.ssh.Recipient.from_str(self.text)])
        return sealed


def read_recipient(given: str) -> Recipient:
    """Return the recipient that a person named: ``age1…``, or a file that holds one recipient or SSH key.

    Raises
    ------
    UsageError
        It is none.
    MissingInputError
        There is no such file.

    Examples
    --------
    >>> read_recipient("age1notakey")
    Traceback (most recent call last):
    noisewatch.errors.UsageError: --for: is no recipient; give age1… or the file of an SSH public key
    """
    text = given.strip()
    if not text.startswith("age1"):
        lines = read_bounded(Path(given), max_bytes=16 * 1024).decode("utf-8", "replace").splitlines()
        found = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
        if len(found) != 1:
            raise UsageError("does not hold one recipient", where=given[:100], remedy=_REMEDY)
        # what stands behind an SSH key is a comment, often with a name
        text = " ".join(found[0].split()[:2])
    try:
        if text.startswith("age1"):
            ageplugin.check_recipient(text)
        else:
            pyrage.ssh.Recipient.from_str(text)
    except (pyrage.RecipientError, UsageError):
        # the cause quotes what was given, which may be a secret key by mistake
        raise UsageError("is no recipient", where="--for", remedy=_REMEDY) from None
    return Recipient(text)
