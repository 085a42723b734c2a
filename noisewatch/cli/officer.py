"""Commands of the officer and the supervisor: find a clip, look at it, export it, verify a package."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisewatch.cli import carrying, verifying
from noisewatch.cli.output import JsonOption, emit, say, table
from noisewatch.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from noisewatch.evidence.consult import Consulted
    from noisewatch.evidence.export import Exported

NodeOption = Annotated[
    Path,
    typer.Option("--node", envvar="NOISEWATCH_NODE", help="The node's folder, or what was pulled from it."),
]
CustodyOption = Annotated[
    Path, typer.Option("--custody", envvar="NOISEWATCH_CUSTODY", help="The custody folder.")
]
AsOption = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME|KEYFILE", help="Who you are: a name, or your SSH key's file."),
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Why, in 10 characters or more; it is logged.")
]
ReasonCodeOption = Annotated[
    str,
    typer.Option(
        "--reason-code",
        help="Why, in one word: complaint, inspection, court, data-subject, review, maintenance, other.",
    ),
]
CaseOption = Annotated[str | None, typer.Option("--case", help="Number of the case; it is logged.")]
LangOption = Annotated[
    str | None, typer.Option("--lang", help="Language: nl, fr or en; otherwise from LANG.")
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File (mode 0600) with the passphrase of your age identity."),
]


def list_clips(
    node: NodeOption = Path(),
    custody: CustodyOption = Path(),
    everything: Annotated[
        bool, typer.Option("--all", help="Also events without a clip: lost, or of which nothing may be kept.")
    ] = False,
    since: Annotated[str | None, typer.Option(help="From this day or time on, as 2026-03-01.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this day or time.")] = None,
    site: Annotated[str | None, typer.Option(help="At this site.")] = None,
    signature: Annotated[str | None, typer.Option(help="Of this signature, as exhaust.")] = None,
    behaviour: Annotated[str | None, typer.Option(help="Driven like this, as accelerating.")] = None,
    above_db: Annotated[float | None, typer.Option(help="With an LAFmax above this level.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the clips that are kept, oldest first. There is no other way to search.

    What a record tells is opened at custody's desk; without --custody only id, day, state and end are known.

    \b
    Example: noisewatch clips list --node node --custody custody --since 2026-03-01 --above-db 90
    """
    from noisewatch.cli.moments import moment
    from noisewatch.evidence import consult

    search = consult.Search(
        since=moment(since, where="--since"),
        until=moment(until, where="--until"),
        site=site,
        signature=signature,
        behaviour=behaviour,
        above_db=above_db,
    )

    known = custody if (custody / "custody.toml").is_file() or custody != Path() else None
    documents = list(consult.list_clips(node, known, with_lost=everything, search=search))
    carrying.say_alarms(known)
    if known is None and documents:
        say("the records are sealed: with --custody DIR the list says what, where and how loud")
    if as_json:
        for document in documents:
            emit(document, as_json=True)
        return
    header = (
        "id",
        "captured at (UTC)",
        "site",
        "signature",
        "LAFmax dB",
        "behaviour",
        "ends (UTC)",
        "viewed",
        "exported",
    )
    rows = [
        [
            document["id"],
            (document["captured_at"] or document["day"])[:19].replace("T", " "),
            *("sealed" if document[key] is None else document[key] for key in ("site", "signature")),
            "sealed" if document["lafmax_db"] is None else f"{document['lafmax_db']:.1f}",
            "sealed" if document["behaviour"] is None else document["behaviour"],
            document["expires_at"][:16].replace("T", " "),
            *(
                "?" if document[key] is None else "yes" if document[key] else "no"
                for key in ("viewed", "exported")
            ),
        ]
        for document in documents
    ]
    print(table(header, rows) if rows else "no clips")


def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The clip, as `clips list` names it.")],
    node: NodeOption = Path(),
    custody: CustodyOption = Path(),
    as_: AsOption = None,
    reason: ReasonOption = None,
    reason_code: ReasonCodeOption = "other",
    case: CaseOption = None,
    play: Annotated[
        bool, typer.Option("--play", help="Stream the clip to a player on this machine.")
    ] = False,
    player: Annotated[
        str | None,
        typer.Option("--player", help="With --play: this program opens it, such as ffplay or mpv."),
    ] = None,
    passphrase_file: PassphraseOption = None,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at one clip: logs the consultation, then opens the viewing copy in memory. No file is left.

    \b
    Example: noisewatch clips show ID --as officer --reason "complaint of 3 May" --case "PV 12" --play
    """
    from noisewatch.evidence import consult, jsonform
    from noisewatch.evidence.words import choose_language

    language = choose_language(lang, os.environ)
    seen = consult.consult(
        event_id,
        as_=_who(as_),
        reason=reason,
        reason_code=reason_code,
        case=case,
        node=node,
        custody=custody,
        passphrase=_passphrase(passphrase_file),
    )
    emit(jsonform.record_to_document(seen.record), as_json=as_json, human=_in_words(seen, language))
    if play or player is not None:
        _play(seen.viewing, player)


def verdict(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The clip, as `clips list` names it.")],
    said: Annotated[
        str, typer.Option("--verdict", metavar="exhaust|not-exhaust|unclear", help="What you heard.")
    ],
    node: NodeOption = Path(),
    custody: CustodyOption = Path(),
    as_: AsOption = None,
    reason: ReasonOption = None,
    reason_code: ReasonCodeOption = "other",
    case: CaseOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a clip was, once. Kept 12 months with rounded figures of the event, without its id or time.

    \b
    Example: noisewatch clips verdict ID --verdict exhaust --as officer --reason "weekly review" --case W18
    """
    from noisewatch.evidence import verdicts

    given = verdicts.give(
        event_id,
        said,
        as_=_who(as_),
        reason=reason,
        reason_code=reason_code,
        case=case,
        node=node,
        custody=custody,
        passphrase=_passphrase(passphrase_file),
    )
    document = {"id": event_id, **verdicts.to_document(given)}
    emit(document, as_json=as_json, human=f"kept: {said}; it ends on {document['ends_on']}")


def approve(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The clip, as `clips list` names it.")],
    node: NodeOption = Path(),
    custody: CustodyOption = Path(),
    as_: AsOption = None,
    reason: ReasonOption = None,
    reason_code: ReasonCodeOption = "other",
    case: CaseOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the officers open one original; only a supervisor can. Logged before any key is opened.

    \b
    Example: noisewatch clips approve ID --as supervisor --reason "judge asks for it" --case "PV 12"
    """
    from noisewatch.evidence import consult

    consult.approve(
        event_id,
        as_=_who(as_),
        reason=reason,
        reason_code=reason_code,
        case=case,
        node=node,
        custody=custody,
        passphrase=_passphrase(passphrase_file),
    )
    document = {"id": event_id, "approved": True}
    emit(document, as_json=as_json, human=f"approved: officers can export the original of {event_id}")


def export(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The clip, as `clips list` names it.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the package.")],
    node: NodeOption = Path(),
    custody: CustodyOption = Path(),
    as_: AsOption = None,
    reason: ReasonOption = None,
    reason_code: ReasonCodeOption = "other",
    case: CaseOption = None,
    original: Annotated[
        bool,
        typer.Option(
            "--original", help="The original instead of the viewing copy; a supervisor approves first."
        ),
    ] = False,
    with_zip: Annotated[bool, typer.Option("--zip", help="Also write the package as a zip.")] = False,
    recipient: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="age1…|FILE.pub",
            help="Write only a zip that is encrypted to this age recipient or SSH public key.",
        ),
    ] = None,
    dispose_by: Annotated[
        str | None, typer.Option(metavar="DAY", help="By when its receiver destroys it, as 2027-01-31.")
    ] = None,
    passphrase_file: PassphraseOption = None,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export one clip as a signed evidence package. Who, why and for which case is logged first.

    \b
    Example: noisewatch clips export ID --as officer --reason "complaint of 3 May" --case "PV 12" --out out
    """
    from noisewatch.evidence.export import Order
    from noisewatch.evidence.export import export as make_package
    from noisewatch.evidence.package import write_zip
    from noisewatch.evidence.words import choose_language

    order = Order(
        event_id=event_id,
        as_=_who(as_),
        reason=reason,
        reason_code=reason_code,
        case=case,
        original=original,
        language=choose_language(lang, os.environ),
        recipient=recipient,
        dispose_by=carrying.disposal_day(dispose_by),
    )
    if with_zip and recipient is not None:
        raise UsageError("--for writes a zip already, encrypted; leave --zip out")
    made = make_package(order, node=node, custody=custody, out=out, passphrase=_passphrase(passphrase_file))
    zipped = None
    if with_zip:
        zipped = write_zip(made.package, made.package.with_name(f"{made.package.name}.zip"))
    _tell(made, zipped=zipped, custody=custody, is_encrypted=recipient is not None, as_json=as_json)


def _tell(made: Exported, *, zipped: Path | None, custody: Path, is_encrypted: bool, as_json: bool) -> None:
    """Print what an export made, its alarms and what comes next."""
    document: dict[str, Any] = {
        "id": made.event_id,
        "package": str(made.package),
        "data_sha256": made.data_sha256,
        "alarms": list(made.alarms),
        "stamp": made.stamp,
        "missing": list(made.missing),
    }
    human = f"package: {made.package}"
    following = f"its receiver runs: age --decrypt -i KEY {made.package.name} > {made.package.stem}"
    if not is_encrypted:
        human += f"\nreport: {made.package / 'data' / 'report.pdf'}"
        following = f"noisewatch clips verify {made.package} --trust {custody}"
    if zipped is not None:
        document["zip"] = str(zipped)
        human += f"\nzip: {zipped}"
    if made.stamp == "pending":
        say(f"the stamp authority can't be reached; run later: noisewatch clips stamp {made.package}")
    for one in made.missing:
        say(f"not in the package, since it is not at hand (pull the box again): {one}")
    for alarm in made.alarms:
        say(f"ALARM: {alarm}")
    if made.is_trial:
        say("trial: this package is worth nothing as evidence")
    emit(document, as_json=as_json, human=f"{human}\nnext: {following}")


def _in_words(seen: Consulted, language: str) -> str:
    from noisewatch.evidence.consult import level_line
    from noisewatch.evidence.summary import summary
    from noisewatch.evidence.words import Words

    words = Words(language)
    indent = "\n" + 14 * " "
    rows = [f"{label:<14}{text}".replace("\n", indent) for label, text in summary(seen.record, words)]
    low_db, high_db = (function(seen.levels.levels_db["laf_db"]) for function in (min, max))
    history = f"LAF {words.number(low_db)} – {words.number(high_db)} dB  {level_line(seen.levels)}"
    return "\n".join([*rows, history, words("indication")])


def _play(clip: bytes, player: str | None) -> None:
    from noisewatch.evidence.playback import serve

    with serve(clip) as address:
        if player is not None:
            try:
                subprocess.run([player, address], check=False, stdin=subprocess.DEVNULL)
            except FileNotFoundError as error:
                raise UnavailableError("is not installed", where=player) from error
            return
        say(f"open this in a player, then press Enter here to end: {address}")
        try:
            input()
        except (EOFError, KeyboardInterrupt):
            say("ended")


def _who(as_: str | None) -> str:
    if not as_:
        raise UsageError(
            "say who you are", where="--as", remedy="a person's name or the file of your SSH key"
        )
    return as_


def _passphrase(path: Path | None) -> str | None:
    if path is None:
        return None
    from noisewatch.evidence.durable import read_secret

    return read_secret(path).decode("utf-8", "replace").rstrip("\r\n")


def register(app: typer.Typer) -> None:
    """Add the sub-command ``clips``."""
    clips = typer.Typer(
        no_args_is_help=True, help="Officer and supervisor: list, look, judge, approve, export, verify."
    )
    clips.command("list")(list_clips)
    clips.command("show")(show)
    clips.command("verdict")(verdict)
    clips.command("approve")(approve)
    clips.command("export")(export)
    verifying.register(clips)
    carrying.register(clips)
    app.add_typer(clips, name="clips")
