"""The third key pair of a day: it opens records, not clips, and custody's desk holds it unwrapped.

Records say what, where, when and how loud, and minutes say how loud a street is; no clip, no voice and no
picture is in them. So that lists, reports and answers to a person's request need nobody's passphrase, the
private half lies in the day's file of the keyring, which custody's user alone may read. It is made, renewed,
merged and ended with the day's other keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyrage

from noisewatch.errors import ConfigurationError

#: Where a day's file and a bundle name it.
RECORDS = "records"
MAKE_REMEDY = "run: noisewatch custody bundle --out FILE, and install it on the box"


def new_part() -> dict[str, Any]:
    """Return a new key pair as it stands in a day's file."""
    identity = pyrage.x25519.Identity.generate()
    return {"recipient": str(identity.to_public()), "secret": str(identity)}


def check_part(document: Mapping[str, Any]) -> None:
    """Look whether a day's file holds whole record keys, or none as older files do.

    Raises
    ------
    ValueError
        A private half is not one, or is another recipient's; the message quotes neither.
    """
    for part in _parts(document):
        try:
            identity = pyrage.x25519.Identity.from_str(part["secret"])
        except pyrage.IdentityError:
            # the cause is not chained: it might quote the secret
            raise ValueError("not a private key of records") from None
        if str(identity.to_public()) != part["recipient"]:
            raise ValueError("another key's recipient")


def recipient_of(document: Mapping[str, Any], *, where: Path) -> str:
    """Return the day's public half.

    Raises
    ------
    ConfigurationError
        An older noisewatch made the day.
    """
    if RECORDS not in document:
        raise ConfigurationError("holds no key for records", where=where, remedy=MAKE_REMEDY)
    return str(document[RECORDS]["recipient"])


def identities_of(document: Mapping[str, Any]) -> list[pyrage.x25519.Identity]:
    """Return the private halves of a day, the present one first; none where an older noisewatch made it."""
    return [pyrage.x25519.Identity.from_str(part["secret"]) for part in _parts(document)]


def renewed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new pair that keeps the former ones: a box seals to them until it has its new bundle."""
    former = [{key: part[key] for key in ("recipient", "secret")} for part in _parts(document)]
    return {**new_part(), **({"previous": former} if former else {})}


def joined(document: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return this day's pairs with those that only another copy of the day has; None where it has no more."""
    own = list(_parts(document))
    known = {part["recipient"] for part in own}
    more = [part for part in _parts(other) if part["recipient"] not in known]
    if not more:
        return None
    first, *rest = ({key: part[key] for key in ("recipient", "secret")} for part in [*own, *more])
    return {**first, **({"previous": rest} if rest else {})}


def _parts(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    part = document.get(RECORDS)
    return () if part is None else (part, *part.get("previous", ()))
