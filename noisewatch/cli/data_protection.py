"""Commands of the data protection officer: what ends when, and whether the logs are whole."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from noisewatch.cli.output import JsonOption, emit, say, table
from noisewatch.errors import AnswerIsNo, ConfigurationError, InputError, TryAgainError, UsageError

NodeOption = Annotated[
    Path | None,
    typer.Option("--node", envvar="NOISEWATCH_NODE", help="The node's folder; otherwise the current one."),
]
CustodyOption = Annotated[
    Path | None, typer.Option("--custody", envvar="NOISEWATCH_CUSTODY", help="The custody folder.")
]


def plan(node: NodeOption = None, as_json: JsonOption = False) -> None:
    """Say of every event when it ends and why; change nothing.

    \b
    Example: noisewatch retention plan --node node
    """
    from noisewatch.evidence import retention
    from noisewatch.evidence.jsonform import utc_text
    from noisewatch.evidence.store import Store
    from noisewatch.node.config import load_config

    folder = node or Path()
    maximum_days = load_config(folder / "node.toml").retention.maximum_days
    now = datetime.now(UTC)
    with Store.open(folder / "store", writable=False) as store:
        decisions = retention.plan(store.list(), now, maximum_days=maximum_days)
    events = [
        {"id": one.id, "erase": one.erase, "ends_at": utc_text(one.ends_at), "why": one.why}
        for one in decisions
    ]
    rows = [[one.id, "erase" if one.erase else "keep", one.why] for one in decisions]
    human = table(["event", "now", "why"], rows) if rows else "the store holds no events"
    emit({"now": utc_text(now), "events": events}, as_json=as_json, human=human)


def enforce(node: NodeOption = None, custody: CustodyOption = None, as_json: JsonOption = False) -> None:
    """Erase what has ended and prove it; with --custody also end the keys and verdicts that are over.

    \b
    Example: noisewatch retention enforce --node node --custody custody
    """
    from noisewatch.capture.clock import system_clock_state
    from noisewatch.evidence import filed, retention, verdicts
    from noisewatch.evidence.custody import expire, open_custody
    from noisewatch.evidence.log import EventLog
    from noisewatch.evidence.seal import NodeSigner
    from noisewatch.evidence.store import Store
    from noisewatch.node.config import load_config

    folder = node or Path()
    maximum_days = load_config(folder / "node.toml").retention.maximum_days
    log = EventLog.open(folder / "log" / "node.jsonl", signer=NodeSigner.from_folder(folder / "keys"))
    with Store.open(folder / "store", log=log) as store:
        done = retention.enforce(
            store,
            log,
            datetime.now(UTC),
            maximum_days=maximum_days,
            synchronised=system_clock_state().synchronised,
        )
    ended, verdicts_ended = [], 0
    if custody is not None:
        opened, now = open_custody(custody), datetime.now(UTC)
        # before a day's key ends, its minutes are filed: they are kept for longer
        try:
            filed.file_minutes(opened, folder)
        except InputError as error:
            # a damaged minute holds up the end of no key
            say(error.line())
        ended = [day.isoformat() for day in expire(opened)]
        verdicts_ended = verdicts.end(opened)
        filed.end(opened, now=now)
    kept = sum(not decision.erase for decision in done.decisions)
    document = {
        "erased": [*done.erased],
        "unproven": [*done.unproven],
        "kept": kept,
        "days_ended": ended,
        "verdicts_ended": verdicts_ended,
    }
    human = (
        f"erased {len(done.erased)}, kept {kept}, ended the keys of {len(ended)} days "
        f"and {verdicts_ended} verdicts"
    )
    emit(document, as_json=as_json, human=human)
    if done.unproven:
        raise TryAgainError(
            f"{len(done.unproven)} erased events are still held by another process",
            where=folder / "store",
            remedy="stop what reads the store and run it again",
        )


def verify(node: NodeOption = None, custody: CustodyOption = None, as_json: JsonOption = False) -> None:
    """Check that no entry of the logs was edited, removed, moved or added, and that no tail was cut.

    \b
    Example: noisewatch audit verify --node node --custody custody
    """
    from noisewatch.evidence import log, seal
    from noisewatch.evidence.durable import read_bounded

    found = _logs(node, custody)
    logs: list[dict[str, Any]] = []
    problems: list[dict[str, str]] = []
    for path, authority, role in found:
        pem = read_bounded(authority, max_bytes=64 * 1024)
        verdict = log.verify(path, authority_pem=pem, role=getattr(seal, role))
        logs.append({"log": str(path), "valid": verdict.valid, "entries": verdict.entries})
        for problem in verdict.problems:
            part, _, what = problem.partition(": ")
            problems.append({"part": f"{path.name} {part}", "what": what})
    if node is not None and custody is not None:
        for what in _unseen(node, custody):
            problems.append({"part": "node.jsonl since custody last saw it", "what": what})
    document = {
        "valid": not problems,
        "entries": sum(one["entries"] for one in logs),
        "problems": problems,
        "logs": logs,
    }
    lines = [
        f"{one['log']}: {one['entries']} entries, {'whole' if one['valid'] else 'NOT WHOLE'}" for one in logs
    ]
    lines += [f"  {one['part']}: {one['what']}" for one in problems]
    emit(document, as_json=as_json, human="\n".join(lines))
    if problems:
        raise AnswerIsNo(f"{len(problems)} problems in the logs")


def list_entries(
    who: Annotated[str | None, typer.Option(help="Only what this person did.")] = None,
    object_: Annotated[
        str | None, typer.Option("--object", help="Only what was done to this clip, person or day.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only from this moment on, as 2026-11-01 or 2026-11-01T08:00:00Z.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as consultation.")] = None,
    node: NodeOption = None,
    custody: CustodyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say who did what, to what, when and why. With --json one entry a line.

    \b
    Example: noisewatch audit list --object ID --since 2026-11-01 --custody custody
    """
    from noisewatch.evidence.search import Wanted, search

    wanted = Wanted(who=who, target=object_, since=_moment(since), action=action)
    rows = []
    for path, _, _ in _logs(node, custody):
        for row in search(path, wanted):
            document = {"log": path.name, "entry": row.seq, **row.said}
            if as_json:
                emit(document, as_json=True, human=None)
            rows.append([row.said[key] for key in ("at", "who", "action", "target", "why")])
    if not as_json:
        human = table(["when", "who", "what", "object", "why"], rows) if rows else "nothing of that kind"
        emit({}, as_json=False, human=human)


def register(app: typer.Typer) -> None:
    """Add this person's commands."""
    group = typer.Typer(no_args_is_help=True, help="Data protection officer: when clips end.")
    group.command("plan")(plan)
    group.command("enforce")(enforce)
    app.add_typer(group, name="retention")
    audit = typer.Typer(no_args_is_help=True, help="Who did what, and whether the logs are whole.")
    audit.command("list")(list_entries)
    audit.command("verify")(verify)
    app.add_typer(audit, name="audit")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        remedy = "write it as 2026-11-01 or 2026-11-01T08:00:00Z"
        raise UsageError("is not a moment", where="--since", remedy=remedy) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _unseen(node: Path, custody: Path) -> tuple[str, ...]:
    """Return what of the box's log does not continue what custody last saw of it."""
    from noisewatch.evidence import witness
    from noisewatch.evidence.custody import open_custody
    from noisewatch.evidence.durable import read_bounded

    pem = read_bounded(node / "keys" / "node.pem", max_bytes=64 * 1024)
    return witness.compare(open_custody(custody), node, node_pem=pem)


def _logs(node: Path | None, custody: Path | None) -> list[tuple[Path, Path, str]]:
    """Return each log that was named or lies here, the authority it is checked against, its signer's role."""
    here = Path()
    if node is None and custody is None:
        node = here if (here / "node.toml").is_file() else None
        custody = here if (here / "custody.toml").is_file() else None
    if node is None and custody is None:
        raise ConfigurationError(
            "is neither a node's nor a custody folder",
            where=here.resolve(),
            remedy="give --node or --custody",
        )
    found = []
    anchor = None if custody is None else custody / "authority" / "ca.pem"
    if node is not None:
        # the node's copy of the authority is only as good as the node: custody's own goes first
        found.append((node / "log" / "node.jsonl", anchor or node / "keys" / "ca.pem", "ROLE_NODE"))
        if anchor is None:
            say("the node's log is checked against the node's own copy of the authority; add --custody")
    if custody is not None and anchor is not None:
        found.append((custody / "log" / "custody.jsonl", anchor, "ROLE_CUSTODY_LOG"))
    return found
