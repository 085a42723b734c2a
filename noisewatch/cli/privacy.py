"""The data protection officer's papers: sign, register, impact assessment, yearly report, answers."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisewatch.cli.moments import moment
from noisewatch.cli.output import JsonOption, emit, say, table
from noisewatch.errors import AnswerIsNo, MissingInputError, UsageError

if TYPE_CHECKING:
    from noisewatch.evidence.deployment import Deployment, NodeFacts
    from noisewatch.evidence.log import LogRow
    from noisewatch.evidence.yearly import Year

NodesOption = Annotated[
    list[Path] | None,
    typer.Option("--node", help="A node's folder, or what was pulled from it; may be given several times."),
]
CustodyOption = Annotated[
    Path | None, typer.Option("--custody", envvar="NOISEWATCH_CUSTODY", help="The custody folder.")
]
DetailsOption = Annotated[
    Path | None, typer.Option(help="TOML file with the controller's own words; what is missing stays blank.")
]
LangOption = Annotated[
    str | None, typer.Option("--lang", help="Language: nl, fr or en; otherwise from LANG.")
]
OutOption = Annotated[Path | None, typer.Option(help="Write it here instead of printing it.")]


def sign(
    node: NodesOption = None,
    details: DetailsOption = None,
    lang: Annotated[
        str | None, typer.Option("--lang", help="Language: nl, fr, en or de; otherwise from LANG.")
    ] = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the text of the statutory camera sign and of a web notice, with the streets and no position.

    \b
    Example: noisewatch privacy sign --node node --details details.toml --lang nl
    """
    from noisewatch.evidence import papers
    from noisewatch.evidence.deployment import SIGN_LANGUAGES

    language = _language(lang, SIGN_LANGUAGES)
    deployment = _deployment(node, None, details)
    document = {
        "sign": papers.sign(deployment, language),
        "notice": papers.notice(deployment, language),
        "blanks": list(deployment.blanks()),
    }
    _give(document, papers.sign_markdown(deployment, language), out, as_json=as_json)


def register_(
    node: NodesOption = None,
    custody: CustodyOption = None,
    details: DetailsOption = None,
    lang: LangOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fill in the fields of the processing register, each with where its content comes from.

    \b
    Example: noisewatch privacy register --node node --custody custody --details details.toml
    """
    from noisewatch.evidence import papers
    from noisewatch.evidence.deployment import LANGUAGES

    language = _language(lang, LANGUAGES)
    deployment = _deployment(node, custody, details)
    document = {"fields": papers.register(deployment, language), "blanks": list(deployment.blanks())}
    _give(document, papers.register_markdown(deployment, language), out, as_json=as_json)


def dpia(
    node: NodesOption = None,
    custody: CustodyOption = None,
    details: DetailsOption = None,
    pia: Annotated[
        Path | None, typer.Option(help="Also write the document that the CNIL's PIA tool imports.")
    ] = None,
    lang: LangOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fill in the impact assessment: facts, flows, measured figures, residual risks. Opinions stay blank.

    \b
    Example: noisewatch privacy dpia --node node --custody custody --pia pia.json --out dpia.md
    """
    from noisewatch.evidence import dpia as paper
    from noisewatch.evidence.deployment import LANGUAGES
    from noisewatch.evidence.durable import write_atomic
    from noisewatch.evidence.measured import measured

    language = _language(lang, LANGUAGES)
    deployment = _deployment(node, custody, details)
    now = datetime.now(UTC)
    live = _count(now.year, node, custody, now=now).figures if node else ()
    if pia is not None:
        document = paper.pia_document(deployment, language, now=now, live=live)
        write_atomic(pia, json.dumps(document, ensure_ascii=False, indent=1).encode(), mode=0o644)
        say(f"for the PIA tool: {pia}")
    answers = paper.answers(deployment, language)
    _give(
        {
            "answers": [
                {"question": a.question, "text": a.text, "items": list(a.items), "blank": a.is_blank}
                for a in answers
            ],
            "measured": measured(language, live),
            "blanks": list(deployment.blanks()),
            "pia": None if pia is None else str(pia),
        },
        paper.markdown(deployment, language, live=live),
        out,
        as_json=as_json,
    )


def report(
    node: NodesOption = None,
    custody: CustodyOption = None,
    year: Annotated[int | None, typer.Option(help="Calendar year (UTC); otherwise this one.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the report as HTML with plots.")] = None,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count a year from the signed logs: events, looks, exports, erasures, seconds forgotten, alarms.

    Counts from 1 to 4 are suppressed. Exit 1 where a log is not whole: then no figure can be relied on.

    \b
    Example: noisewatch privacy report --year 2026 --node node --custody custody --out 2026.html
    """
    from noisewatch.evidence.deployment import LANGUAGES
    from noisewatch.evidence.durable import write_atomic
    from noisewatch.evidence.yearly_report import label, shown, yearly_html

    language = _language(lang, LANGUAGES)
    now = datetime.now(UTC)
    nodes = _nodes(node)
    counted = _count(year or now.year, node, custody, now=now)
    problems = _log_problems(nodes, custody)
    if out is not None:
        data = yearly_html(
            counted,
            language,
            nodes=len(nodes),
            is_whole=not problems,
            is_trial=_is_trial(custody),
        )
        write_atomic(out, data, mode=0o644)
        say(f"report: {out}")
    rows = [(label(one.key, language), shown(one, language), one.source) for one in counted.figures]
    document = {
        "year": counted.year,
        "figures": [one.document() for one in counted.figures],
        "by_month": {key: [one.document() for one in ones] for key, ones in counted.by_month.items()},
        "logs_whole": not problems,
        "problems": problems,
        "report": None if out is None else str(out),
    }
    emit(document, as_json=as_json, human=table(("figure", "value", "query"), rows))
    if problems:
        raise AnswerIsNo(f"the logs are not whole: {problems[0]}")


def request(
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="Begin, as 2026-03-01T14:00.")],
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="End; no zone means Belgian time.")],
    node: NodesOption = None,
    custody: CustodyOption = None,
    lang: LangOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a person's request for a window of time covers; no clip is opened.

    Custody's desk opens the records; without --custody times are known within a clip's length.

    \b
    Example: noisewatch privacy request --from 2026-03-01T14:00 --to 2026-03-01T15:00 --node node
    """
    from noisewatch.evidence import filed, subject
    from noisewatch.evidence.consult import count_accesses
    from noisewatch.evidence.custody import note, open_custody
    from noisewatch.evidence.deployment import LANGUAGES
    from noisewatch.evidence.told import listed

    language = _language(lang, LANGUAGES)
    begin, end = moment(since, where="--from"), moment(until, where="--to")
    opened = None if custody is None else open_custody(custody)
    accesses = None if opened is None else count_accesses(opened)
    found = []
    for folder in _nodes(node):
        covered = subject.cover(
            begin,
            end,
            events=listed(folder, opened),
            node_rows=_rows(folder / "log" / "node.jsonl"),
            accesses=accesses,
            minutes=None if opened is None else filed.read(opened, folder, since=begin, until=end),
        )
        found.append({"node": folder.name, **covered})
    if opened is not None:
        # records, logs and minutes of several boxes about one person's hour: combined data, so logged
        why = "records, logs and one-minute levels put together for a person's request"
        details = {"from": begin, "to": end, "nodes": [one["node"] for one in found]}
        window = "window of a person's request"
        who, action = "data protection", "combination"
        note(opened.log(), opened, who=who, target=window, why=why, action=action, details=details)
    if opened is None:
        say("records and minutes are sealed: with --custody DIR the answer says where, and how many minutes")
    _give({"windows": found}, "\n\n".join(_window(one, language) for one in found), out, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the sub-command ``privacy``."""
    group = typer.Typer(no_args_is_help=True, help="Data protection officer: sign, register, DPIA, report.")
    group.command("sign")(sign)
    group.command("register")(register_)
    group.command("dpia")(dpia)
    group.command("report")(report)
    group.command("request")(request)
    app.add_typer(group, name="privacy")


def _give(document: dict[str, Any], text: str, out: Path | None, *, as_json: bool) -> None:
    """Write the paper where it was asked for, print it otherwise; JSON is always printed."""
    from noisewatch.evidence.durable import write_atomic

    if out is not None:
        write_atomic(out, (text + "\n").encode(), mode=0o644)
        say(f"written: {out}")
    for blank in document.get("blanks", []):
        say(f"blank: {blank} (add it to the file of --details)")
    emit(document, as_json=as_json, human=None if out is not None else text)


def _language(asked: str | None, known: tuple[str, ...]) -> str:
    from noisewatch.evidence.words import choose_language

    if asked is not None and asked not in known:
        raise UsageError(f"no papers in {asked[:20]!r}", where="--lang", remedy=f"one of {', '.join(known)}")
    return asked if asked is not None else choose_language(None, os.environ)


def _nodes(given: list[Path] | None) -> list[Path]:
    """Return the node folders that were named, else the one of the environment or this folder."""
    folders = list(given or [Path(os.environ.get("NOISEWATCH_NODE", "."))])
    for folder in folders:
        if not (folder / "node.toml").is_file():
            raise MissingInputError("there is no node here", where=folder, remedy="add --node DIR")
    return folders


def _deployment(given: list[Path] | None, custody: Path | None, details: Path | None) -> Deployment:
    from noisewatch import __version__
    from noisewatch.evidence import people
    from noisewatch.evidence.custody import open_custody
    from noisewatch.evidence.deployment import Deployment, read_details

    counted: dict[str, int] = {}
    if custody is not None:
        for person in people.read_all(open_custody(custody).people):
            if person.is_in_office(datetime.now(UTC)):
                counted[person.role] = counted.get(person.role, 0) + 1
    return Deployment(
        nodes=tuple(_facts(folder) for folder in _nodes(given)),
        software=f"noisewatch {__version__}",
        people=counted,
        details={} if details is None else read_details(details),
        is_trial=_is_trial(custody),
    )


def _facts(folder: Path) -> NodeFacts:
    from noisewatch.evidence.deployment import NodeFacts
    from noisewatch.node.config import load_config
    from noisewatch.recognition.signature import find_signature, load_signature

    config = load_config(folder / "node.toml")
    gate_db = config.trigger.gate_db
    if gate_db is None:
        gate_db = min(load_signature(find_signature(name)).gate_db for name in config.trigger.signatures)
    return NodeFacts(
        name=config.name,
        street=config.site.street,
        signatures=config.trigger.signatures,
        gate_db=gate_db,
        maximum_days=config.retention.maximum_days,
        minutes_days=config.retention.minutes_days,
        has_mask=len(config.video.carriageway) >= 3,
    )


def _is_trial(custody: Path | None) -> bool:
    from noisewatch.evidence.custody import open_custody

    return custody is not None and open_custody(custody).is_trial


def _rows(path: Path) -> list[LogRow]:
    from noisewatch.evidence.log import EventLog

    return list(EventLog(path, None).entries()) if path.is_file() else []


def _count(year: int, node: list[Path] | None, custody: Path | None, *, now: datetime) -> Year:
    from noisewatch.evidence import verdicts
    from noisewatch.evidence.custody import open_custody
    from noisewatch.evidence.yearly import report_year

    opened = None if custody is None else open_custody(custody)
    kept = [] if opened is None else verdicts.read(verdicts.verdicts_folder(opened), now=now)
    return report_year(
        year,
        node_rows=[_rows(folder / "log" / "node.jsonl") for folder in _nodes(node)],
        custody_rows=[] if opened is None else _rows(opened.log_path),
        verdicts=[(one.day, one.verdict) for one in kept],
        now=now,
    )


def _log_problems(nodes: list[Path], custody: Path | None) -> list[str]:
    """Verify each log with its authority; custody's authority counts before a copy on the node."""
    from noisewatch.evidence import log, seal
    from noisewatch.evidence.durable import read_bounded

    anchor = None if custody is None else custody / "authority" / "ca.pem"
    logs = [(n / "log" / "node.jsonl", anchor or n / "keys" / "ca.pem", seal.ROLE_NODE) for n in nodes]
    if custody is not None and anchor is not None:
        logs.append((custody / "log" / "custody.jsonl", anchor, seal.ROLE_CUSTODY_LOG))
    problems = []
    for path, authority, role in logs:
        pem = read_bounded(authority, max_bytes=64 * 1024)
        found = log.verify(path, authority_pem=pem, role=role) if path.is_file() else None
        problems += [f"{path.name}: {problem}" for problem in (found.problems if found else ())]
    return problems


def _window(document: dict[str, Any], language: str) -> str:
    from noisewatch.evidence.yearly_report import texts

    words = {key: entry[language] for key, entry in texts().items() if key.startswith("request_")}
    lines = [
        "# " + words["request_title"].format(since=document["from"], until=document["to"]),
        document["node"],
        words["request_kept"].format(
            kept=len(document["kept"]), ended=len(document["ended"]), without=len(document["without_clip"])
        ),
    ]
    for event in (*document["kept"], *document["without_clip"]):
        looks = "" if event["views"] is None else f", views {event['views']}, exports {event['exports']}"
        lines.append(f"- {event['from']}: {event['id']}, {event['state']}, {event['expires_at']}{looks}")
    lines += [f"- {event['onset']}: {event['id']}, † {event['erased_at']}" for event in document["ended"]]
    if document["minutes"] is not None:
        heard = f"{document['heard_s']:g}"
        lines.append(words["request_minutes"].format(minutes=document["minutes"], heard=heard))
    lines.append(words["request_note"])
    return "\n".join(lines)
