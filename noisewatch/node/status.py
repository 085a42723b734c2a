"""How a run is doing, in a small file that it writes every few seconds; no sound, no level, no picture in it.

The file is no evidence: it is replaced without being forced to the disk, so that a card does not wear, by a
thread of its own, so that a slow disk delays nothing.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from noisewatch import __version__
from noisewatch.capture.clock import utc_now
from noisewatch.errors import MissingInputError
from noisewatch.evidence.durable import read_bounded
from noisewatch.evidence.jsonform import bytes_to_document, plain, utc_text

NAME = "status.json"
EVERY_S = 10.0
#: A run that has not written for so long does not run any more, or hangs.
SILENT_S = 35.0
_MAX_BYTES = 64 * 1024
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class StatusWriter:
    """Writes the status of one run while it lasts; a context manager.

    A disk that takes no more is counted in ``failures`` and never ends a run.
    """

    def __init__(
        self, folder: Path, told: Callable[[], Mapping[str, Any]], *, every_s: float = EVERY_S
    ) -> None:
        self.failures = 0
        self._path = folder / NAME
        self._told = told
        self._every_s = every_s
        self._started = time.monotonic()
        self._started_at = utc_text(utc_now())
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def __enter__(self) -> StatusWriter:
        """Begin to write."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write a last time, that the run has ended."""
        self._ending.set()
        self._thread.join(timeout=10.0)
        self._write(is_running=False)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._write(is_running=True)
            self._ending.wait(self._every_s)

    def _write(self, *, is_running: bool) -> None:
        now_s = time.monotonic()
        document = {
            "version": __version__,
            "running": is_running,
            "pid": os.getpid(),
            "boot_id": _boot_id(),
            "monotonic_s": round(now_s, 3),
            "started_at": self._started_at,
            "written_at": utc_text(utc_now()),
            "uptime_s": round(now_s - self._started, 1),
            **plain(self._told(), unmeasured_as_null=True),
        }
        temporary = self._path.with_name(f".{NAME}.{os.getpid()}.tmp")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(document, ensure_ascii=False, allow_nan=False).encode())
            temporary.replace(self._path)
        except OSError:
            self.failures += 1


def written_status(folder: Path) -> dict[str, Any]:
    """Return what the last run of a node wrote, as it wrote it: a run that was cut off says "running" still.

    Raises
    ------
    MissingInputError
        No run has written anything here.
    InputError
        The file is damaged.
    """
    path = folder / NAME
    if not path.exists():
        raise MissingInputError(
            "no live run was ever started here", where=folder, remedy="noisewatch run --config NODE/node.toml"
        )
    return bytes_to_document(read_bounded(path, max_bytes=_MAX_BYTES), where=path)


def read_status(folder: Path) -> dict[str, Any]:
    """Return what the last run of a node wrote; ``running`` says whether it still runs.

    Raises
    ------
    MissingInputError, InputError
        As ``written_status``.
    """
    document = written_status(folder)
    now_s = time.monotonic()
    pid = document.get("pid")
    document["running"] = is_running(
        document,
        now_s=now_s,
        boot_id=_boot_id(),
        is_alive=isinstance(pid, int) and pid > 0 and Path(f"/proc/{pid}").exists(),
    )
    return document


def is_running(document: Mapping[str, Any], *, now_s: float, boot_id: str, is_alive: bool) -> bool:
    """Tell whether the run that wrote a status still goes on; pure, and whatever the wall clock does.

    Examples
    --------
    >>> written = {"running": True, "boot_id": "a", "monotonic_s": 100.0}
    >>> is_running(written, now_s=110.0, boot_id="a", is_alive=True)
    True
    >>> is_running(written, now_s=200.0, boot_id="a", is_alive=True)
    False
    """
    written_s = document.get("monotonic_s")
    if not document.get("running") or not is_alive or document.get("boot_id") != boot_id:
        return False
    return isinstance(written_s, int | float) and 0.0 <= now_s - written_s <= SILENT_S


def in_words(document: Mapping[str, Any]) -> str:
    """Return a status for people; pure."""
    state = "running" if document["running"] else f"NOT running; last heard of {document['written_at']}"
    lines = [
        f"{document.get('node', 'node')}: {state}, {document['uptime_s'] / 3600:.1f} h, pid {document['pid']}"
    ]
    if "state" in document:
        reasons = "; ".join(document.get("reasons") or ()) or "nothing is wrong"
        lines.append(f"health     {document['state']}: {reasons}")
    lines.append(f"events     {document.get('events', 0)}, {document.get('sealed', 0)} of them sealed")
    lines += _sound_lines(document.get("sound") or {})
    lines += _picture_lines(document.get("picture"), document.get("sync") or {})
    clock = document.get("clock") or {}
    kept = f" by {clock['service']}" if clock.get("service") else ""
    bound = "" if clock.get("bound_s") is None else f", within {clock['bound_s']:.3f} s"
    steps = f", set {clock['steps']} times (last {clock['last_step_s']:+.3f} s)" if clock.get("steps") else ""
    state = "synchronised" if clock.get("synchronised") else "NOT synchronised"
    lines.append(f"clock      {state}{kept}{bound}{steps}")
    broker = document.get("broker")
    if broker:
        how = "connected" if broker["is_connected"] else f"away ({broker['last_error'] or 'not reached yet'})"
        counts = f"{broker['sent']} sent, {broker['waiting']} wait, {broker['refused']} refused"
        lines.append(f"broker     {how}; {counts}")
    return "\n".join(lines)


def _sound_lines(sound: Mapping[str, Any]) -> list[str]:
    lines = [f"sound      {sound.get('source')}, {sound.get('rate_hz')} Hz, {sound.get('channels')} channels"]
    if "xruns" not in sound:
        return lines
    drift = "not measured yet" if sound["drift_ppm"] is None else f"{sound['drift_ppm']:+.0f} ppm"
    lines.append(
        f"           drift {drift}, {sound['xruns']} xruns, {sound['stalls']} stalls, "
        f"{sound['reconnects']} reconnects, {sound['lost_samples']} samples lost"
    )
    return lines


def _picture_lines(picture: Mapping[str, Any] | None, sync: Mapping[str, Any]) -> list[str]:
    if picture is None:
        return ["picture    none"]
    state = {True: "connected", False: "NOT connected", None: "a file"}[picture.get("is_connected")]
    bound = "" if picture.get("bound_s") is None else f" within {1e3 * picture['bound_s']:.0f} ms"
    lines = [f"picture    {picture['source']}, {state}, placed by {picture['placed_by']}{bound}"]
    if "packets" in picture:
        error = f", last error: {picture['last_error']}" if picture.get("last_error") else ""
        lines.append(
            f"           {picture['packets']} frames, {picture['connections']} connections, "
            f"{picture['failures']} failures, {picture['jumps']} jumps of its clock{error}"
        )
    return [*lines, f"sync       {sync.get('state')}: {sync.get('sentence')}"]


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
