"""Custody's desk: opens records and minutes with the day's key for records. Never imported by the node.

It opens no clip, no level history and no voice: these are sealed to people. So no entry is written, just as
none was when records lay in the clear; who may read the keyring may read what happened, where and how loud.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pyrage

from noisewatch.errors import InputError, MissingInputError
from noisewatch.evidence import jsonform, keyring, recordfile, recordkeys
from noisewatch.evidence.custody import Custody
from noisewatch.evidence.durable import read_secret

#: A box that was brought up to date sealed what lay there in the clear to the day on which that happened.
_SEALED_LATER_DAYS = 31


class Desk:
    """Opens what a custody's boxes sealed for it; keeps the days' keys in memory while it lives.

    Parameters
    ----------
    custody : Custody
        Whose keyring holds the days.
    """

    def __init__(self, custody: Custody) -> None:
        self._keyring = custody.keyring
        self._identities: dict[date, list[pyrage.x25519.Identity]] = {}

    def record(self, ciphertext: bytes, *, day: date, where: str | Path) -> tuple[bytes, bytes]:
        """Open an event's record; return its canonical bytes and its box's signature, which is not checked.

        Raises
        ------
        MissingInputError
            The day has ended: its keys are gone.
        InputError
            It was altered, truncated or sealed to another day.
        PermissionRefusedError
            Others can read the day's keys.
        """
        return recordfile.unpack(self.open(ciphertext, day=day, where=where), where=str(where))

    def open(self, ciphertext: bytes, *, day: date, where: str | Path) -> bytes:
        """Open what was sealed to a day's key for records; raises as ``record``."""
        identities = self._of(day)
        clear = _tried(ciphertext, identities)
        if clear is None:
            clear = _tried(ciphertext, self._later(day))
        if clear is not None:
            return clear
        if not identities:
            what = f"the keys of {day.isoformat()} have ended, or are another custody's"
            raise MissingInputError(what, where=where)
        raise InputError("does not open: altered, truncated or sealed to another day", where=where)

    def _of(self, day: date) -> list[pyrage.x25519.Identity]:
        if day not in self._identities:
            try:
                document = keyring.read(self._keyring, day)
            except MissingInputError:
                self._identities[day] = []
            else:
                # refuses a file that others can read
                read_secret(keyring.path_of(self._keyring, day), max_bytes=jsonform.MAX_BYTES)
                self._identities[day] = recordkeys.identities_of(document)
        return self._identities[day]

    def _later(self, day: date) -> list[pyrage.x25519.Identity]:
        last = day + timedelta(days=_SEALED_LATER_DAYS)
        days = [one for one in keyring.days(self._keyring) if day < one <= last]
        return [identity for one in days for identity in self._of(one)]


def _tried(ciphertext: bytes, identities: Sequence[pyrage.x25519.Identity]) -> bytes | None:
    if not identities:
        return None
    try:
        clear: bytes = pyrage.decrypt(ciphertext, list(identities))
    except pyrage.DecryptError:
        return None
    return clear
