"""The installer's command that makes a node a service of the system."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from noisewatch.cli.output import JsonOption, emit, say
from noisewatch.errors import ConfigurationError, PermissionRefusedError


def register(app: typer.Typer) -> None:
    """Add this person's command."""
    app.command()(install)


def install(
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the unit, with the other files as comments; write nothing.")
    ] = False,
    node: Annotated[Path, typer.Option(help="The node's folder, absolute.")] = Path("/var/lib/noisewatch"),
    network: Annotated[
        list[str] | None,
        typer.Option(help="A network that the node may reach: the camera's, a broker's. May be repeated."),
    ] = None,
    command: Annotated[
        Path | None, typer.Option(help="The program; default: the one that runs now.", show_default=False)
    ] = None,
    root: Annotated[
        Path, typer.Option(help="Write below this folder, for an image; the system is not told.")
    ] = Path("/"),
    as_json: JsonOption = False,
) -> None:
    """Make the node a service: systemd unit, user, udev rules, waiting for the time, bounded journal.

    The service sees no more than it needs (`systemd-analyze security noisewatch`) and reaches this machine
    alone, until --network names more. It starts with the box as soon as there is a node in its folder.

    \b
    Example:
      noisewatch install --print
      sudo noisewatch install --network 192.0.2.0/24
    """
    from noisewatch.node import installing

    program = command or Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute()
    if print_only:
        _print(program, node, network or [], as_json=as_json)
        return
    chosen = installing.wanted(program, node=node, networks=network or [])
    files = installing.missing_files(chosen, root=root)
    if root == Path("/") and os.geteuid() != 0:
        raise PermissionRefusedError(
            "only root may install a service", where="install", remedy="put sudo before it"
        )
    installing.write(files, root=root)
    done = installing.tell_system() if root == Path("/") else []
    lines = [f"wrote {path}" for path in files] or ["the package brought all files"]
    lines += done
    if not (node / "node.toml").exists():
        lines.append(f"next: sudo -u noisewatch -- noisewatch init {node} --bundle FILE")
    lines.append(
        "start it with: sudo systemctl restart noisewatch; look at it with: systemctl status noisewatch"
    )
    document = {"files": [str(path) for path in files], "done": done, "node": str(node)}
    emit(document, as_json=as_json, human="\n".join(lines))


def _print(program: Path, node: Path, networks: list[str], *, as_json: bool) -> None:
    """Print what would be written; as text the whole is a unit, so that systemd-analyze takes it."""
    from noisewatch.node import installing

    try:
        chosen = installing.wanted(program, node=node, networks=networks)
    except ConfigurationError as error:
        say(f"not to be installed like this: {error.line()}")
        chosen = installing.Wanted(program, node, tuple(networks))
    files = installing.system_files(chosen)
    (unit, text), *others = files.items()
    lines = [f"# {unit}", text.rstrip()]
    for path, other in others:
        lines += ["", f"# {path}", *(f"#   {line}".rstrip() for line in other.splitlines())]
    emit(
        {"files": {str(path): text for path, text in files.items()}}, as_json=as_json, human="\n".join(lines)
    )
