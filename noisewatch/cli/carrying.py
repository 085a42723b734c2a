"""The officer's commands that fetch from outside: what a box sealed, and a time stamp."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from noisewatch.cli.output import JsonOption, emit, say
from noisewatch.errors import ConfigurationError, InputError, UsageError

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
        remedy = "see docs/custody.md: a time stamp on every package"
        raise ConfigurationError("has no stamp authority", where=custody, remedy=remedy)
    moment = utc_text(stamping.complete(package, authority))
    emit({"package": str(package), "stamp": moment}, as_json=as_json, human=f"stamped: {moment}")


def disposal_day(text: str | None) -> date | None:
    """Return the day of ``--dispose-by``; ``UsageError`` where it is none."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise UsageError("is not a day such as 2027-01-31", where="--dispose-by") from error


def say_alarms(custody: Path | None) -> None:
    """Say what custody's log raised an alarm about in the last seven days."""
    if custody is None:
        return
    from noisewatch.evidence.custody import open_custody
    from noisewatch.evidence.quota import alarms

    for alarm in alarms(open_custody(custody), now=datetime.now(UTC)):
        say(f"ALARM of {alarm.at[:16].replace('T', ' ')} UTC about {alarm.target}: {alarm.what}")


def pull(
    from_: Annotated[
        str, typer.Option("--from", metavar="FOLDER|USER@HOST:/PATH", help="The box: its node folder.")
    ],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="The copy, one folder for each box.")],
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME|KEYFILE", help="Who pulls; otherwise the custody.")
    ] = None,
    custody: CustodyOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Copy ciphertext and log from a box, over ssh or from a folder; no clip is opened.

    Custody's desk then reads the records for its index and files the one-minute levels. Afterwards
    --node FOLDER works for list, show, approve and export. Run it again to go on or to renew.

    \b
    Example: noisewatch clips pull --from noisewatch@box-1:/var/lib/noisewatch --to copy --custody custody
    """
    from noisewatch.evidence import filed
    from noisewatch.evidence.boxes import open_box
    from noisewatch.evidence.custody import open_custody
    from noisewatch.evidence.pull import pull as pull_box
    from noisewatch.evidence.told import listed

    opened = open_custody(custody)
    now = datetime.now(UTC)
    who = "custody" if as_ is None else opened.find_person(as_, now=now).name
    done = pull_box(open_box(from_), to, opened, who=who, now=now)
    # the copy is ciphertext; what lists and figures need of it is opened at the desk
    new_minutes, alarms = 0, list(done.alarms)
    try:
        new_minutes = filed.file_minutes(opened, to)
    except InputError as error:
        alarms.append(error.line())
    listed(to, opened)
    for alarm in alarms:
        say(f"ALARM: {alarm}")
    document = {
        "node": done.node,
        "copy": str(to),
        "events": done.events,
        "arrived": done.arrived,
        "bytes": done.bytes,
        "erased": done.erased,
        "entries": done.entries,
        "minutes": new_minutes,
        "alarms": alarms,
    }
    human = (
        f"{done.node}: {done.arrived} events arrived ({done.bytes / 1e6:.1f} MB), {done.erased} erased; "
        f"the copy holds {done.events}\nnext: noisewatch clips list --node {to}"
    )
    emit(document, as_json=as_json, human=human)


def register(group: typer.Typer) -> None:
    """Add these commands to the group ``clips``."""
    group.command("pull")(pull)
    group.command("stamp")(stamp)
