"""The installer's `devices` and `status`: what this machine has, and how its run is doing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisewatch.cli.output import JsonOption, emit, table

if TYPE_CHECKING:
    from noisewatch.capture.inventory import Camera, Microphone
    from noisewatch.capture.livecamera import Login


def devices(
    probe: Annotated[
        list[str] | None,
        typer.Option(
            "--probe", help="Also ask this camera what it sends (rtsp://…, /dev/videoN).", show_default=False
        ),
    ] = None,
    node: Annotated[
        Path | None,
        typer.Option("--node", help="Also ask this node's camera what it sends.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the microphones and cameras of this machine, and what they can do.

    \b
    Example:
      noisewatch devices
      noisewatch devices --probe rtsp://192.0.2.10/stream --json
    """
    from noisewatch.capture.inventory import cameras, microphones

    heard, seen = microphones(), cameras()
    answers = [_probe(spec, None) for spec in probe or ()]
    if node is not None:
        answers += _node_cameras(node)
    document = {
        "microphones": [asdict(one) for one in heard],
        "cameras": [asdict(one) for one in seen],
        "probed": answers,
    }
    emit(document, as_json=as_json, human="\n".join(_lines(heard, seen, answers)))


def _probe(spec: str, login: Login | None) -> dict[str, Any]:
    """Ask one camera what it sends; an error is an answer too, and holds no login."""
    from noisewatch.capture.livecamera import LiveVideo, describe
    from noisewatch.errors import NoisewatchError

    try:
        found = LiveVideo(spec, login=login).probe()
    except NoisewatchError as error:
        return {"camera": describe(spec), "sends": None, "why": error.what}
    return {"camera": describe(spec), "sends": f"{found.codec} {found.width}x{found.height}", "why": ""}


def _node_cameras(node: Path) -> list[dict[str, Any]]:
    from noisewatch.capture.camera import is_live_spec
    from noisewatch.node.config import load_config
    from noisewatch.node.sources import camera_login

    config = load_config(node / "node.toml")
    spec = config.video.source
    return [_probe(spec, camera_login(node, config, spec))] if spec and is_live_spec(spec) else []


def _lines(
    heard: Iterable[Microphone], seen: Iterable[Camera], answers: Iterable[dict[str, Any]]
) -> list[str]:
    rows = [
        (f"device:{m.name}", m.host, m.channels, m.default_rate_hz, ", ".join(map(str, m.rates_hz)) or "none")
        for m in heard
    ]
    lines = [
        table(("microphone", "by", "channels", "usual Hz", "takes Hz"), rows)
        if rows
        else "no microphone (PortAudio shows no input)"
    ]
    lines.append("")
    lines += [f"{c.path}  {c.name}  {'; '.join(c.modes) or 'no modes told'}" for c in seen] or [
        "no camera on a cable (/dev/video*); one on the network: --probe rtsp://…"
    ]
    lines += [f"{a['camera']}: {a['sends'] or 'cannot be used: ' + a['why']}" for a in answers]
    return lines


def status(
    node: Annotated[
        Path, typer.Option("--node", envvar="NOISEWATCH_NODE", help="Node folder.", show_default="here")
    ] = Path(),
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and show level, sources and events as they come.")
    ] = False,
    journal: Annotated[
        int, typer.Option(help="Also show this many of the newest entries of the box's journal.", min=0)
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Say how this node's run is doing: health, drift, camera, clock, events. Exit 1 when it does not run.

    \b
    Example:
      noisewatch status --node node
      noisewatch status --node node --watch
      noisewatch status --node node --journal 20
    """
    from noisewatch.node.journal import Journal
    from noisewatch.node.status import in_words, read_status

    if watch:
        _watch(node, as_json=as_json)
        return
    document = read_status(node)
    entries = Journal(node).entries(last=journal) if journal else []
    shown = [f"{entry['at']}  {entry['kind']:10} {entry['what']}" for entry in entries]
    emit(
        document | ({"journal": entries} if journal else {}),
        as_json=as_json,
        human="\n".join([in_words(document), *shown]),
    )
    if not document["running"]:
        raise typer.Exit(1)


def _watch(node: Path, *, as_json: bool) -> None:
    """Show what the run tells until it ends or somebody has seen enough."""
    from noisewatch.node.live import watch
    from noisewatch.node.screen import screen

    if as_json:
        for document in watch(node):
            emit(document, as_json=True, human=None)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    local = datetime.now().astimezone().tzinfo
    console = Console()
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as view:
        for document in watch(node):
            view.update(Text(screen(document, zone=local)), refresh=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(devices)
    app.command()(status)
