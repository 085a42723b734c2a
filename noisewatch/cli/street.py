"""The analyst's `street report`: a month of a street in figures, without a clip."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noisewatch.cli.output import JsonOption, emit, say
from noisewatch.errors import MissingInputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from noisewatch.evidence.minutes import Minute
    from noisewatch.evidence.street import StreetEvent, StreetMonth
    from noisewatch.node.site import SiteRecord

FORMS = (".html", ".csv", ".parquet")


def report(
    month: Annotated[str, typer.Option(help="Month, local, as 2026-05.")],
    custody: Annotated[
        Path,
        typer.Option(
            "--custody",
            envvar="NOISEWATCH_CUSTODY",
            help="The custody folder, whose desk opens what the box sealed.",
        ),
    ],
    node: Annotated[
        Path, typer.Option("--node", envvar="NOISEWATCH_NODE", help="A node's folder, or its copy.")
    ] = Path(),
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Write here: .html (report), .csv or .parquet (open data); repeat for more."),
    ] = None,
    threshold_db: Annotated[float, typer.Option(help="LAFmax from which a minute counts as loud.")] = 80.0,
    time_zone: Annotated[str, typer.Option(help="Time zone of hours and weekdays.")] = "Europe/Brussels",
    language: Annotated[str, typer.Option("--lang", help="nl, fr or en.")] = "nl",
    as_json: JsonOption = False,
) -> None:
    """Tell what a street sounded like in a month: by hour and weekday, with counts by signature.

    It reads one-minute levels and what event records tell; no clip is opened. Nothing is printed that fewer
    than five minutes or events stand behind.

    \b
    Example:
      noisewatch street report --month 2026-05 --node node --custody custody --out may.html --out may.csv
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from noisewatch.evidence.durable import write_atomic
    from noisewatch.evidence.street_report import open_data_csv, open_data_parquet, street_html

    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise UsageError(f"'{time_zone}' is no time zone", where="--time-zone") from None
    if language not in ("nl", "fr", "en"):
        raise UsageError(f"'{language}' is not nl, fr or en", where="--lang")
    for path in out or ():
        if path.suffix not in FORMS:
            raise UsageError(f"{path.name}: .html, .csv and .parquet are possible", where="--out")
    months = _months(month, node, custody, zone=zone, threshold_db=threshold_db)
    for path in out or ():
        if path.suffix == ".html":
            data = b"\n".join(street_html(one, language) for one in months)
        else:
            data = open_data_csv(months) if path.suffix == ".csv" else open_data_parquet(months)
        write_atomic(path, data, mode=0o644)
        say(f"written: {path}")
    emit(
        {"month": month, "sites": [one.document() for one in months]},
        as_json=as_json,
        human="\n\n".join(_in_words(one) for one in months),
    )


def _months(
    month: str, folder: Path, custody: Path, *, zone: tzinfo, threshold_db: float
) -> list[StreetMonth]:
    """Return the month of each place at which the box hung in it."""
    from noisewatch.evidence.street import month_bounds, report_month

    begin, end = month_bounds(month, zone)
    minutes, events, sites, first = _read(folder, custody, begin, end)
    by_site = _by_site(minutes, sites, [event.site for event in events])
    if not by_site:
        raise MissingInputError(f"nothing was heard in {month}", where=folder)
    return [
        report_month(
            month,
            site=site,
            minutes=found,
            events=events,
            zone=zone,
            threshold_db=threshold_db,
            events_from=first,
        )
        for site, found in by_site.items()
    ]


def _read(
    node: Path, custody: Path, begin: datetime, end: datetime
) -> tuple[tuple[Minute, ...], list[StreetEvent], Sequence[SiteRecord], str | None]:
    from noisewatch.evidence import filed
    from noisewatch.evidence.custody import open_custody
    from noisewatch.evidence.street import StreetEvent
    from noisewatch.evidence.told import listed
    from noisewatch.node.site import list_sites

    opened = open_custody(custody)
    events = listed(node, opened)
    told = [
        StreetEvent(t.captured_at, t.site, t.signature, t.behaviour, t.lafmax_db)
        for t in (one.told for one in events)
        if t is not None
    ]
    days = sorted(one.event.sealed_day for one in events)
    first = days[0].isoformat() if days and days[0] > begin.date() else None
    return filed.read(opened, node, since=begin, until=end), told, list_sites(node), first


def _by_site(
    minutes: Iterable[Minute], sites: Sequence[SiteRecord], named: Sequence[str]
) -> dict[str, list[Minute]]:
    """Return the minutes of each place; without records of places all are of the one that events name."""
    from noisewatch.node.site import place_at

    found: dict[str, list[Minute]] = {}
    known = sorted(set(named))
    for minute in minutes:
        place = place_at(sites, minute.start)
        if place is None and len(known) > 1 and not sites:
            raise UsageError(
                f"events name {len(known)} places and nothing says which minute belongs where",
                where="street report",
                remedy="record places with: noisewatch site move",
            )
        name = place.name if place is not None else (known[0] if known else "unnamed site")
        found.setdefault(name, []).append(minute)
    return found


def _in_words(month: StreetMonth) -> str:
    whole = month.whole
    lines = [f"{month.site}, {month.month}: {whole.minutes} minutes, LAeq {whole.laeq_db} dB"]
    counts = ", ".join(f"{name} {'< 5' if n is None else n}" for name, n in whole.events.items())
    lines.append(f"events: {counts or 'none are known'}")
    for cell in month.hours:
        if cell.laeq_db is not None:
            over = "" if cell.share_over is None else f"  {100 * cell.share_over:4.1f} % loud"
            lines.append(f"  {cell.key} h  LAeq {cell.laeq_db:5.1f}  L90 {cell.l90_db:5.1f}{over}")
    return "\n".join(lines)


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(no_args_is_help=True, help="A street in figures, without a clip.")

    @group.callback()
    def street() -> None:
        """Tell of a street in figures, without a clip."""

    group.command("report")(report)
    app.add_typer(group, name="street")
