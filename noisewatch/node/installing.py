"""A node as a service of the system: what is written where, and what the system is told afterwards.

The unit, the udev rules and the rest are files in ``system/`` beside this module; what differs between boxes
(the program, the node's folder, the networks) is filled in here.
"""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from noisewatch.errors import ConfigurationError, UnavailableError, UsageError
from noisewatch.evidence.durable import make_folder, write_atomic

UNIT = "noisewatch.service"
#: Where a Debian package keeps the unit: where it is, only what differs from it is written.
PACKAGED_UNIT = Path("usr/lib/systemd/system") / UNIT
#: Where a node lives that is a service.
DEFAULT_NODE = Path("/var/lib/noisewatch")
#: Folders that the unit hides from the service: no program can be started from there.
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - named to be refused
_STATE = Path("/var/lib")
_TEMPLATES = Path(__file__).resolve().parent / "system"

#: How long the system may take to answer, in seconds.
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What differs between boxes.

    Attributes
    ----------
    command : Path
        The program ``noisewatch``.
    node : Path
        The node's folder.
    networks : tuple of str
        Networks beside this machine that the node may reach, as ``192.0.2.0/24``.
    """

    command: Path
    node: Path = DEFAULT_NODE
    networks: tuple[str, ...] = ()


def wanted(command: Path, *, node: Path, networks: Sequence[str]) -> Wanted:
    """Check what somebody asked for.

    Raises
    ------
    UsageError
        A network is none, or a path is not absolute or holds a space.
    ConfigurationError
        The program lies where the service may not look.

    Examples
    --------
    >>> wanted(Path("/usr/bin/noisewatch"), node=DEFAULT_NODE, networks=["192.0.2.10"]).networks
    ('192.0.2.10/32',)
    """
    for path in (command, node):
        if not path.is_absolute() or any(
            character.isspace() or character in "%\\\"'" for character in str(path)
        ):
            raise UsageError(
                "is not an absolute path without spaces, quotes and percent signs", where=str(path)
            )
    for folder in _HIDDEN:
        if command.is_relative_to(folder) or node.is_relative_to(folder):
            hidden = command if command.is_relative_to(folder) else node
            raise ConfigurationError(
                f"lies in {folder}, which is hidden from the service",
                where=hidden,
                remedy="install noisewatch from its Debian package or in /opt, a node in /var/lib/noisewatch",
            )
    return Wanted(command, node, tuple(_network(text) for text in networks))


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise UsageError(f"'{text}' is not a network such as 192.0.2.0/24", where="--network") from None


def unit_text(chosen: Wanted) -> str:
    """Return the unit; pure but for reading the form that ships."""
    is_in_state = chosen.node != _STATE and chosen.node.is_relative_to(_STATE)
    writable = (
        f"StateDirectory={chosen.node.relative_to(_STATE)}\nStateDirectoryMode=0700"
        if is_in_state
        else f"ReadWritePaths={chosen.node}"
    )
    text = (_TEMPLATES / UNIT).read_text(encoding="utf-8")
    filled = {
        "COMMAND": str(chosen.command),
        "NODE": str(chosen.node),
        "STATE": writable,
        "NETWORKS": " ".join(("localhost", *chosen.networks)),
    }
    for name, value in filled.items():
        text = text.replace(f"@{name}@", value)
    return text


def networks_text(networks: Sequence[str]) -> str:
    """Return the drop-in that lets a packaged unit reach networks; pure.

    Examples
    --------
    >>> print(networks_text(["192.0.2.0/24"]), end="")
    # written by noisewatch install: networks that the node may reach
    [Service]
    IPAddressAllow=192.0.2.0/24
    """
    lines = ["# written by noisewatch install: networks that the node may reach", "[Service]"]
    return "\n".join([*lines, f"IPAddressAllow={' '.join(networks)}"]) + "\n"


def system_files(chosen: Wanted, *, is_package: bool = False) -> dict[Path, str]:
    """Return all files of a service and what they hold, by absolute path, the unit first.

    Parameters
    ----------
    chosen : Wanted
        What differs between boxes.
    is_package : bool
        Whether the files go where a package keeps them (``/usr/lib``), not where an administrator does.
    """
    systemd = Path("/usr/lib/systemd" if is_package else "/etc/systemd")
    base = Path("/usr/lib" if is_package else "/etc")
    return {
        systemd / "system" / UNIT: unit_text(chosen),
        systemd / "system/systemd-time-wait-sync.service.d/noisewatch.conf": _form("time-sync.conf"),
        systemd / "journald.conf.d/noisewatch.conf": _form("journald.conf"),
        base / "udev/rules.d/70-noisewatch.rules": _form("udev.rules"),
        base / "sysusers.d/noisewatch.conf": _form("sysusers.conf"),
    }


def missing_files(chosen: Wanted, *, root: Path) -> dict[Path, str]:
    """Return the files that a system still needs: all of them, or only a drop-in beside a packaged unit.

    Raises
    ------
    ConfigurationError
        A package brought the unit, which knows one node folder only.
    """
    if not (root / PACKAGED_UNIT).exists():
        return system_files(chosen)
    if chosen.node != DEFAULT_NODE:
        raise ConfigurationError(
            f"the package's unit runs the node in {DEFAULT_NODE}",
            where=chosen.node,
            remedy=f"make the node there: noisewatch init {DEFAULT_NODE} --bundle FILE",
        )
    if not chosen.networks:
        return {}
    return {Path("/etc/systemd/system/noisewatch.service.d/networks.conf"): networks_text(chosen.networks)}


def write(files: Mapping[Path, str], *, root: Path) -> None:
    """Write files below a root, readable by all; raises as ``write_atomic``."""
    for path, text in files.items():
        target = root / path.relative_to("/")
        if not target.parent.is_dir():
            make_folder(target.parent, mode=0o755)
        write_atomic(target, text.encode(), mode=0o644)


def tell_system() -> list[str]:
    """Let the running system take the files up; return what was done, in words.

    Raises
    ------
    UnavailableError
        A program of systemd is missing or refused.
    """
    steps = [(["systemd-sysusers", "noisewatch.conf"], "user noisewatch is there")]
    if Path("/run/systemd/system").is_dir():
        steps += [
            (["systemctl", "daemon-reload"], "systemd has read the unit"),
            (["udevadm", "control", "--reload"], "udev has read its rules"),
            (["systemctl", "try-restart", "systemd-journald.service"], "the journal is bounded"),
            (["systemctl", "enable", UNIT], "the node starts with the box"),
        ]
    else:
        # an image or a container that is being made: the link is all that can be done
        steps.append((["systemctl", "enable", UNIT], "the node will start with the box"))
    for command, _ in steps:
        _run(command)
    return [words for _, words in steps]


def _run(command: Sequence[str]) -> None:
    if shutil.which(command[0]) is None:
        raise UnavailableError("this program is needed", where=command[0], remedy="install systemd")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"did not answer within {TIMEOUT_S:g} s", where=" ".join(command)) from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UnavailableError(f"did not do its part: {said}", where=" ".join(command))


def _form(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
