"""The installer's `site`: where a box hangs, and moving it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noisewatch.cli.output import JsonOption, emit
from noisewatch.errors import TryAgainError, UsageError

if TYPE_CHECKING:
    from noisewatch.node.box import Identity
    from noisewatch.node.site import SiteRecord

NodeOption = Annotated[
    Path, typer.Option("--node", envvar="NOISEWATCH_NODE", help="Node folder.", show_default="here")
]


def show(node: NodeOption = Path(), as_json: JsonOption = False) -> None:
    """Say where this box hangs and where it hung before, each place with its time.

    \b
    Example:
      noisewatch site show --node node
    """
    from noisewatch.evidence.jsonform import utc_text
    from noisewatch.node.box import read_identity
    from noisewatch.node.site import list_sites, periods

    identity = read_identity(node / "node.toml")
    found = periods(list_sites(node, authority_pem=identity.authority_pem))
    current = identity.config.site.model_dump()
    documents = [
        one.record.document()
        | one.record.section()
        | {"until": None if one.until is None else utc_text(one.until), "note": one.record.note}
        for one in found
    ]
    lines = [
        f"{d['record']}  {d['since'][:16]} to {(d['until'] or 'now')[:16]:16}  {d['name']}, {d['street']}; "
        f"lanes at {', '.join(f'{m:g} m' for m in d['lane_distances_m']) or '?'}; by {d['installer']}"
        for d in documents
    ]
    if not lines:
        lines = [f"{current['name']}, by node.toml; record a place with: noisewatch site move"]
    emit({"current": current, "records": documents}, as_json=as_json, human="\n".join(lines))


def move(
    name: Annotated[str, typer.Option(help="Name of the new site, as reports print it.")],
    installer: Annotated[str, typer.Option(help="Who hung the box there.")],
    node: NodeOption = Path(),
    street: Annotated[str, typer.Option(help="Street, without a house number.")] = "",
    lane: Annotated[
        list[float] | None,
        typer.Option(help="Metres from the microphone to the middle of a lane; repeat per lane."),
    ] = None,
    position: Annotated[
        str, typer.Option(help='Latitude and longitude in degrees, as "50.9653,5.5005".', show_default=False)
    ] = "",
    temperature_c: Annotated[
        float | None, typer.Option(help="Temperature of the air there, in °C.", show_default=False)
    ] = None,
    note: Annotated[str, typer.Option(help="Why it was moved.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Record that the box hangs at a new place from now on. The old place's record ends.

    What was calibrated, measured or drawn before does not hold at the new place: calibrate level and sync,
    draw the mask, then check. Figures of two places are never put together.

    \b
    Example:
      noisewatch site move --node node --name "Weg naar As" --street "Weg naar As" --lane 6.5 --installer "An"
    """
    from noisewatch.node.box import read_identity

    _refuse_running(node)
    identity = read_identity(node / "node.toml")
    record, path = _write(
        node,
        identity,
        name=name.strip(),
        street=street.strip(),
        lanes=tuple(sorted(lane or ())),
        position=_position(position),
        temperature_c=temperature_c,
        installer=installer.strip(),
        note=note.strip(),
    )
    to_do = ["noisewatch calibrate level", "noisewatch calibrate sync", "noisewatch calibrate mask"]
    human = (
        f"place {record.number}: {record.name}, since {record.since:%Y-%m-%d %H:%M UTC} ({path})\n"
        "nothing here is evidence until these are done at the new place:\n"
        + "\n".join(f"  {command} --node {node}" for command in to_do)
        + f"\nthen: noisewatch check --node {node}"
    )
    emit(record.document() | record.section() | {"to_do": to_do}, as_json=as_json, human=human)


def _write(
    node: Path,
    identity: Identity,
    *,
    name: str,
    street: str,
    lanes: tuple[float, ...],
    position: tuple[float, float] | None,
    temperature_c: float | None,
    installer: str,
    note: str,
) -> tuple[SiteRecord, Path]:
    from pydantic import ValidationError

    from noisewatch.capture.clock import utc_now
    from noisewatch.evidence.log import EventLog
    from noisewatch.node.section import SiteSection
    from noisewatch.node.site import SiteRecord, append, list_sites
    from noisewatch.records import LogEntry

    if not installer:
        raise UsageError("say who hung the box there", where="--installer")
    before = list_sites(node, authority_pem=identity.authority_pem)
    record = SiteRecord(
        number=len(before) + 1,
        name=name,
        street=street,
        since=utc_now().replace(microsecond=0),
        installer=installer,
        lane_distances_m=lanes,
        position_deg=position,
        air_temperature_c=temperature_c,
        note=note,
        previous_sha256=before[-1].sha256 if before else None,
    )
    try:
        SiteSection.model_validate(record.section())
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{first['loc'][0]}: {first['msg']}", where="site move") from None
    if before and record.since <= before[-1].since:
        raise UsageError("the clock stands before the last move", where="site move", remedy="set the clock")
    path = append(node, record, signer=identity.signer)
    why = f"the box was moved to place {record.number}"
    details = {"record": record.number, "record_sha256": record.sha256}
    log = EventLog.open(node / "log" / "node.jsonl", signer=identity.signer)
    log.append(LogEntry(installer, "alteration", "site", why, record.since, details))
    return record, path


def _position(text: str) -> tuple[float, float] | None:
    if not text.strip():
        return None
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"'{text}' is no position", where="--position", remedy='write "50.9,5.5"') from None
    return latitude, longitude


def _refuse_running(node: Path) -> None:
    """Refuse to move a box whose run goes on: its events would name the old place."""
    from noisewatch.errors import MissingInputError
    from noisewatch.node.status import read_status

    try:
        is_running = bool(read_status(node)["running"])
    except MissingInputError:
        return
    if is_running:
        raise TryAgainError("a run goes on", where=node, remedy="stop it, move the box, start it again")


def register(app: typer.Typer) -> None:
    """Add the sub-commands."""
    site = typer.Typer(no_args_is_help=True, help="Where this box hangs, and moving it.")
    site.command()(show)
    site.command()(move)
    app.add_typer(site, name="site")
