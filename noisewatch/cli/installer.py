"""The installer's commands: set a node up, run it, check that it is fit to measure."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noisewatch.cli.output import JsonOption, emit, say, table
from noisewatch.errors import UsageError

if TYPE_CHECKING:
    from noisewatch.node.config import NodeConfig


def register(app: typer.Typer) -> None:
    """Add this person's commands."""
    app.command()(init)
    app.command()(run)
    app.command()(check)


def folder_or_default(given: Path | None, variable: str) -> Path:
    """Return the folder that was named, else the one in the environment, else the current one."""
    return given if given is not None else Path(os.environ.get(variable, "."))


def init(
    node: Annotated[Path, typer.Argument(help="Folder of the new node.")],
    custody: Annotated[
        Path | None, typer.Option(help="Custody folder on this machine, as in the demo.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the node: a-z, 0-9 and hyphens.")] = "node-1",
    site: Annotated[str, typer.Option(help="Name of the site, as reports print it.")] = "unnamed site",
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the custodian's passphrase; asked for without it.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="What custody's `custody bundle` wrote; also renews a node.", show_default=False),
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(help="SHA-256 of the authority, as the custodian read it out.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a node: keys, certificate, day keys, an empty store, and node.toml with every key commented.

    \b
    Example:
      noisewatch custody init custody --trial
      noisewatch init node --custody custody --name genk-1 --site "Stalenstraat"
      noisewatch init node --bundle genk-1.bundle --name genk-1
    """
    if bundle is not None:
        _init_from_bundle(node, bundle, name=name, site=site, fingerprint=fingerprint, as_json=as_json)
        return
    if custody is None:
        raise UsageError(
            "a node needs a custody folder to seal to", remedy="add --custody DIR or --bundle FILE"
        )
    config = make_node(node, custody, name=name, site=site, passphrase_file=passphrase_file)
    emit(
        {"node": str(node), "name": config.name, "site": config.site.name, "custody": str(custody)},
        as_json=as_json,
        human=f"node {config.name} is ready in {node}; settings: {node / 'node.toml'}\n"
        f"run it with: noisewatch run --config {node / 'node.toml'} --audio … --video …",
    )


def make_node(
    node: Path, custody: Path, *, name: str, site: str, passphrase_file: Path | None = None
) -> NodeConfig:
    """Make a node's folder and its node.toml; a wrong name or site is refused before anything is made."""
    from noisewatch.evidence.durable import write_atomic
    from noisewatch.evidence.enrol import prepare_node
    from noisewatch.node.config import parse_config, render_config

    if (node / "node.toml").exists():
        raise UsageError("there is a node here already", where=node, remedy="choose another folder")
    document = f"name = {json.dumps(name)}\n[site]\nname = {json.dumps(site, ensure_ascii=False)}\n"
    config = parse_config(document.encode(), where=node / "node.toml")
    prepare_node(node, custody, name=config.name, passphrase=custody_passphrase(custody, passphrase_file))
    write_atomic(node / "node.toml", render_config(config).encode(), mode=0o644)
    return config


def _init_from_bundle(
    node: Path, bundle: Path, *, name: str, site: str, fingerprint: str | None, as_json: bool
) -> None:
    """Make a node from custody's bundle, or bring a new bundle or the certificate to one that is there."""
    from datetime import UTC

    from noisewatch.evidence import kit
    from noisewatch.evidence.durable import write_atomic
    from noisewatch.node.config import load_config, parse_config, render_config

    read = kit.read_kit(bundle)
    settings = node / "node.toml"
    if settings.exists():
        config = load_config(settings)
    else:
        document = f"name = {json.dumps(name)}\n[site]\nname = {json.dumps(site, ensure_ascii=False)}\n"
        config = parse_config(document.encode(), where=settings)
        kit.prepare(node, name=config.name)
        write_atomic(settings, render_config(config).encode(), mode=0o644)
    done = kit.install(read, node / "keys", expected_fingerprint=fingerprint, today=datetime.now(UTC).date())
    if done.is_certified:
        kit.start_log(node)
    if fingerprint is None:
        say(f"authority {done.fingerprint}: compare it with what the custodian reads out")
    last = max(done.keys.days).isoformat()
    lines = [f"node {config.name} in {node} can seal until {last}"]
    if not done.is_certified:
        lines = [
            f"node {config.name} in {node} is not certified yet",
            f"  take {node / 'keys' / 'node.csr'} to the custodian",
            "  custodian: noisewatch custody bundle --request node.csr --out FILE",
            f"  here:      noisewatch init {node} --bundle FILE",
        ]
    emit(
        {
            "node": str(node),
            "name": config.name,
            "site": config.site.name,
            "certified": done.is_certified,
            "authority_sha256": done.fingerprint,
            "last_day": last,
            "trial": done.keys.is_trial,
        },
        as_json=as_json,
        human="\n".join(lines),
    )


def custody_passphrase(custody: Path, passphrase_file: Path | None) -> str | None:
    """Return the custodian's passphrase, from its file or asked for; a trial has none."""
    from noisewatch.cli.custodian import read_passphrase
    from noisewatch.evidence.custody import open_custody

    return None if open_custody(custody).is_trial else read_passphrase(passphrase_file)


def run(
    config: Annotated[
        Path | None, typer.Option(help="The node's node.toml; default: NOISEWATCH_NODE, else this folder.")
    ] = None,
    audio: Annotated[
        list[str] | None,
        typer.Option(
            help='A file, or "device:NAME"; several files are one street. Default: the sound of --video.'
        ),
    ] = None,
    video: Annotated[
        list[str] | None, typer.Option(help="A file, rtsp://… or /dev/videoN; several files are one street.")
    ] = None,
    pace: Annotated[
        str, typer.Option(help="real: as in life; fast: as fast as it goes (files only).")
    ] = "real",
    start: Annotated[
        str | None,
        typer.Option(help="UTC of the first sample of a file, as 2026-11-22T14:00:00Z.", show_default=False),
    ] = None,
    pascal_per_unit: Annotated[
        float | None,
        typer.Option(help="Pascal of a sample value of 1.0; for files only.", show_default=False),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="Say nothing of single events, as a service must; the summary only."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the node: measure, recognise, and on a match seal ten seconds of sound and picture.

    It ends with the files, or cleanly at Ctrl-C: what was recorded is sealed, what did not match is gone.

    \b
    Example:
      noisewatch run --config node/node.toml --video street.mp4 --pace fast
      noisewatch run --config node/node.toml --audio device:road --video rtsp://127.0.0.1:8554/cam
    """
    # before NumPy and the first thread are there
    from noisewatch.node import lean

    lean.one_thread()
    lean.small_heap()
    from noisewatch.node.service import RunRequest, run_node

    if pace not in ("real", "fast"):
        raise UsageError(f"the pace is real or fast, not '{pace}'", where="--pace")
    path = config if config is not None else folder_or_default(None, "NOISEWATCH_NODE") / "node.toml"
    request = RunRequest(
        config_path=path,
        audio=tuple(audio or ()),
        video=tuple(video or ()),
        at_real_pace=pace == "real",
        started_at=None if start is None else _utc(start),
        pascal_per_unit=pascal_per_unit,
        is_quiet=quiet,
    )
    run_node(
        request,
        emit=lambda document, human: emit(document, as_json=as_json, human=human),
        report=say,
    )


def check(
    node: Annotated[
        Path | None, typer.Option(help="The node's folder; default: NOISEWATCH_NODE, else this folder.")
    ] = None,
    conformance: Annotated[
        bool,
        typer.Option("--conformance", help="Examine the processing against IEC 61672-1 and IEC 61260-1."),
    ] = False,
    rate_hz: Annotated[int, typer.Option(help="Sample rate to examine, with --conformance.")] = 48_000,
    pdf: Annotated[
        Path | None, typer.Option(help="Also write the examination's report here.", show_default=False)
    ] = None,
    audio: Annotated[
        str | None, typer.Option(help="Try this sound instead of node.toml's.", show_default=False)
    ] = None,
    video: Annotated[
        str | None, typer.Option(help="Try this picture instead of node.toml's.", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long each source is tried.")] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Say whether this box is fit to measure, item by item, each failure with its remedy. Exit 1 if not.

    Microphone and camera are tried for some seconds; nothing of them is kept.

    \b
    Example:
      noisewatch check --node node
      noisewatch check --conformance --pdf conformance.pdf
    """
    if conformance:
        _check_conformance(rate_hz, pdf, as_json=as_json)
        return
    from noisewatch.node.check import check_node

    if not 2.0 <= seconds <= 60.0:
        raise UsageError(f"--seconds {seconds:g}: 2 to 60 s are possible", where="check")
    items = check_node(
        folder_or_default(node, "NOISEWATCH_NODE") / "node.toml", audio=audio, video=video, seconds=seconds
    )
    is_fit = all(item.ok for item in items)
    lines = [f"{'ok ' if item.ok else 'BAD'}  {item.name:20} {item.value}" for item in items]
    lines = [
        line if item.ok or not item.remedy else f"{line}\n     {'':20} -> {item.remedy}"
        for line, item in zip(lines, items, strict=True)
    ]
    verdict = "fit to measure" if is_fit else "NOT fit to measure"
    emit(
        {"fit": is_fit, "items": [item.to_document() for item in items]},
        as_json=as_json,
        human="\n".join([*lines, verdict]),
    )
    if not is_fit:
        raise typer.Exit(1)


def _check_conformance(rate_hz: int, pdf: Path | None, *, as_json: bool) -> None:
    from noisewatch.acoustics.conformance import report

    found = report(rate_hz=rate_hz, progress=say)
    if pdf is not None:
        from noisewatch.evidence.conformance_pdf import write_conformance_pdf

        write_conformance_pdf(found, pdf)
        say(f"report: {pdf}")
    documents = [item.document() for item in found.items]
    rows = [(d["clause"], d["name"], d["value"], d["limit"], d["margin_db"]) for d in documents]
    worst = min(found.items, key=lambda item: item.margin_db)
    emit(
        {"fit": found.ok, "statement": str(found.statement), "items": documents},
        as_json=as_json,
        human=table(("clause", "point", "value", "limit", "margin dB"), rows)
        + f"\n{found.statement}\n{len(documents)} points, smallest margin {worst.margin_db:.3f} dB "
        f"({worst.clause}, {worst.name})",
    )
    if not found.ok:
        raise typer.Exit(1)


def _utc(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a time such as 2026-11-22T14:00:00Z", where="--start") from None
    if moment.tzinfo is None:
        raise UsageError(f"'{text}' has no time zone", where="--start", remedy="add Z for UTC")
    return moment
