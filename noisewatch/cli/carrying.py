"""The officer's commands that fetch from outside: what a box sealed, and a time stamp."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noisewatch.cli.output import JsonOption, emit
from noisewatch.errors import ConfigurationError

CustodyOption = Annotated[
    Path, typer.Option("--custody", envvar="NOISEWATCH_CUSTODY", help="The custody folder.")
]


def stamp(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package's folder.")],
    custody: CustodyOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Give a package the time stamp that it waits for, from custody's stamp authority (RFC 3161).

    \b
    Example: noisewatch clips stamp noisewatch-ID-20260302T090000Z --custody custody
    """
    from noisewatch.evidence import stamp as stamping
    from noisewatch.evidence.jsonform import utc_text

    authority = stamping.configured(custody)
    if authority is None:
        remedy = "see docs/custodian.md: a time stamp on every package"
        raise ConfigurationError("has no stamp authority", where=custody, remedy=remedy)
    moment = utc_text(stamping.complete(package, authority))
    emit({"package": str(package), "stamp": moment}, as_json=as_json, human=f"stamped: {moment}")


def register(group: typer.Typer) -> None:
    """Add these commands to the group ``clips``."""
    group.command("stamp")(stamp)
