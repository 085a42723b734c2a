"""What `check` looks at on the machine itself: memory, heat, software, recipients, place, last event."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, PackagePath, distribution
from pathlib import Path

from noisewatch import __version__
from noisewatch.evidence.stored import StoredEvent
from noisewatch.node.box import Identity
from noisewatch.node.fit import CheckItem
from noisewatch.node.observing import temperature_c
from noisewatch.node.troubles import HOT_C

#: What a run and its sealing child need at most, in bytes, with room for the system.
NEEDED_BYTES = 700_000_000
_MEMINFO = Path("/proc/meminfo")


def memory(path: Path = _MEMINFO) -> CheckItem:
    """Say how much memory is left for a run and the child that seals."""
    found = {
        line.split(":")[0]: int(line.split()[1]) * 1024
        for line in path.read_text().splitlines()
        if len(line.split()) >= 2
    }
    available = found.get("MemAvailable", 0)
    is_fit = available >= NEEDED_BYTES
    return CheckItem(
        "memory",
        ok=is_fit,
        value=f"{available / 1e9:.1f} of {found.get('MemTotal', 0) / 1e9:.1f} GB available",
        limit=f"at least {NEEDED_BYTES / 1e9:g} GB",
        remedy="" if is_fit else "stop what else runs here, or take a machine with 2 GB",
    )


def temperature() -> CheckItem:
    """Say how hot the processor is; a machine that tells no temperature is not held back by it."""
    found = temperature_c()
    is_fit = found is None or found < HOT_C
    return CheckItem(
        "temperature",
        ok=is_fit,
        value="not told by this machine" if found is None else f"{found:.0f} °C",
        limit=f"below {HOT_C:g} °C",
        remedy="" if is_fit else "give the box shade or air",
    )


def software() -> CheckItem:
    """Say whether the installed files are those of the package, by the hashes of its own list (PEP 376)."""
    try:
        files = distribution("noisewatch").files or []
    except PackageNotFoundError:
        files = []
    listed = [file for file in files if file.hash is not None and file.suffix in (".py", ".toml", ".json")]
    named = [file for file in listed if str(file).startswith("noisewatch/")]
    limit = "every file as it was installed"
    if not named:
        value = f"noisewatch {__version__}, from a folder of sources"
        return CheckItem("software", ok=True, value=value, limit=limit, remedy="")
    changed = changed_files(named)
    value = f"noisewatch {__version__}, {len(named)} files"
    if changed:
        value = f"{value}; changed: {', '.join(changed[:3])}"
    remedy = "install the package anew; tell the custodian" if changed else ""
    return CheckItem("software", ok=not changed, value=value, limit=limit, remedy=remedy)


def changed_files(listed: Iterable[PackagePath]) -> list[str]:
    """Return the files whose hash is not the listed one, or that are gone."""
    changed = []
    for file in listed:
        path = Path(str(file.locate()))
        try:
            found = hashlib.new(file.hash.mode if file.hash else "sha256", path.read_bytes()).digest()
        except OSError:
            found = b""
        if file.hash is None or urlsafe_b64encode(found).rstrip(b"=").decode() != file.hash.value:
            changed.append(str(file))
    return changed


def recipients(identity: Identity, today: datetime) -> CheckItem:
    """Say to whose keys clips are sealed today."""
    key = identity.day_keys.for_day(today.astimezone(UTC).date())
    told = ", ".join(
        f"{role} {recipient[:12]}…"
        for role, recipient in (("officers", key.officer), ("supervisors", key.supervisor))
    )
    return CheckItem("recipients", ok=True, value=told, limit="officers and supervisors", remedy="")


def place(identity: Identity) -> CheckItem:
    """Say where the box hangs, and whether that is recorded."""
    site = identity.config.site
    if identity.site is None:
        value = f"{site.name}, by node.toml"
    else:
        value = f"{site.name}, since {identity.site.since:%Y-%m-%d}, by {identity.site.installer}"
    is_named = site.name != "unnamed site" or identity.day_keys.is_trial
    remedy = "" if is_named else "record the place with: noisewatch site move"
    return CheckItem("site", ok=is_named, value=value, limit="a name", remedy=remedy)


def last_event(events: Iterable[StoredEvent], now: datetime) -> CheckItem:
    """Say when the last event was sealed; none is no fault, a street may be quiet."""
    moments = [event.sealed_at for event in events]
    if not moments:
        value = "none is stored"
    else:
        age = now - max(moments)
        value = f"{max(moments):%Y-%m-%d %H:%M UTC}"
        if age > timedelta(days=14):
            value = f"{value}, {age.days} days ago: is that likely here?"
    return CheckItem("last event", ok=True, value=value, limit="", remedy="")
