"""Put a package together and write it: a BagIt folder that only its owner can read (design section 8)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from noisewatch.errors import UsageError
from noisewatch.evidence import bagit, jsonform, leftovers
from noisewatch.evidence.contents import (
    APPROVAL,
    APPROVAL_SIGNATURE,
    CUSTODY_CHECKPOINT,
    EVENT,
    EVENT_SIGNATURE,
    KNOWN,
    LEVELS,
    NODE_CHECKPOINT,
    OF_ORIGINAL,
    OPTIONAL,
    PROOFS,
    REQUEST,
    REQUEST_SIGNATURE,
)
from noisewatch.evidence.durable import fsync_folder, make_folder, storage_errors, write_atomic
from noisewatch.evidence.stamp import ROOT


@dataclass(frozen=True, slots=True)
class Parts:
    """What goes into a package, in the clear.

    ``data`` of the same event and language is the same bytes in every export; who asked, why and when stand
    in ``request`` and in the custody rows, outside ``data/``. ``shown`` holds report, plots, stills, tables
    and what the record refers to, by path below the package; ``approval`` a supervisor's request and
    signature, where the clip is an original.
    """

    event_json: bytes
    event_p7s: bytes
    clip_name: str
    clip: bytes
    levels_csv: bytes
    shown: Mapping[str, bytes]
    request: bytes
    request_signature: bytes
    node_rows: bytes
    custody_rows: bytes
    node_checkpoint: bytes
    custody_checkpoint: bytes
    proofs: Mapping[str, Any]
    authority_pem: bytes
    node_pem: bytes
    allowed_signers: bytes
    stamp_root: bytes = b""
    approval: tuple[bytes, bytes] | None = None


def assemble(
    parts: Parts,
    *,
    info: Sequence[tuple[str, str]],
    sign: Callable[[bytes], bytes],
    stamp: Callable[[bytes], bytes | None] = lambda _: None,
    note: bytes = b"",
) -> dict[str, bytes]:
    """Return every file of a package.

    Parameters
    ----------
    parts : Parts
        What goes in.
    info : sequence of (label, value)
        Lines for ``bag-info.txt``.
    sign : callable
        The officer's signature over the tag manifest.
    stamp : callable
        A time stamp over that signature, or None where it is pending or none is asked for.
    note : bytes
        What ``README.txt`` says on top.
    """
    payload = {
        f"data/{parts.clip_name}": parts.clip,
        LEVELS: parts.levels_csv,
        EVENT: parts.event_json,
        EVENT_SIGNATURE: parts.event_p7s,
        **parts.shown,
    }
    tags = {
        "README.txt": note + _template("README.txt"),
        "verify.sh": verify_script(),
        REQUEST: parts.request,
        REQUEST_SIGNATURE: parts.request_signature,
        "custody/node.jsonl": parts.node_rows,
        "custody/custody.jsonl": parts.custody_rows,
        NODE_CHECKPOINT: parts.node_checkpoint,
        CUSTODY_CHECKPOINT: parts.custody_checkpoint,
        PROOFS: jsonform.document_to_bytes(parts.proofs) + b"\n",
        "keys/ca.pem": parts.authority_pem,
        "keys/node.pem": parts.node_pem,
        "keys/allowed_signers": parts.allowed_signers,
    }
    if parts.approval is not None:
        tags[APPROVAL], tags[APPROVAL_SIGNATURE] = parts.approval
    if parts.stamp_root:
        tags[ROOT] = parts.stamp_root
    files = bagit.make_bag(payload, tags, info=info)
    files[bagit.SIGNATURE] = sign(files[bagit.TAG_MANIFEST])
    stamped = stamp(files[bagit.SIGNATURE])
    return files if stamped is None else {**files, bagit.STAMP: stamped}


def disposal_note(day: date | None) -> bytes:
    """Return the lines that tell a receiver by when to destroy the package; none where no day is named.

    They stand in ``README.txt`` and not in the report: ``data/`` is the same in every export of an event.
    """
    if day is None:
        return b""
    lines = (
        f"Vernietig dit pakket en elke kopie uiterlijk op {day.isoformat()}.",
        f"Détruisez ce dossier et toute copie au plus tard le {day.isoformat()}.",
        f"Destroy this package and every copy by {day.isoformat()}.",
    )
    return ("\n".join(lines) + "\n\n").encode()


def verify_script() -> bytes:
    """Return ``verify.sh`` as it goes into packages and to verifiers."""
    lists = {b"@KNOWN@": KNOWN, b"@OPTIONAL@": OPTIONAL, b"@OF_ORIGINAL@": OF_ORIGINAL}
    script = _template("verify.sh")
    for mark, names in lists.items():
        script = script.replace(mark, "\n".join(sorted(names)).encode("ascii"))
    return script


def _template(name: str) -> bytes:
    return (resources.files("noisewatch.evidence") / "templates" / name).read_bytes()


def write_package(files: Mapping[str, bytes], *, out: Path, name: str) -> Path:
    """Write a package's folder so that it appears whole or not at all; files 0600, folders 0700.

    Parameters
    ----------
    files : mapping
        All files, by path.
    out : Path
        The folder that will hold the package; made if it is missing.
    name : str
        The package's own name.

    Returns
    -------
    Path
        The package's folder.

    Raises
    ------
    UsageError
        The name leads elsewhere, or stands there already.
    InputOutputError
        The disk is full, read-only or broken; nothing of the package is left.
    """
    if not bagit.is_safe_name(name) or "/" in name or not all(bagit.is_safe_name(path) for path in files):
        raise UsageError("this name may not be a package's", where=bagit.printable(name))
    target = out / name
    if target.exists() or target.is_symlink():
        raise UsageError("stands there already", where=target, remedy="choose another --out")
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
        leftovers.remove(out)
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".tmp", dir=out))
        lock = leftovers.hold(partial)
    try:
        _fill(partial, files)
        with storage_errors(target):
            partial.rename(target)
        fsync_folder(out)
    except BaseException:
        with suppress(OSError):
            shutil.rmtree(partial)
        raise
    finally:
        os.close(lock)
    return target


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    folders = {folder}
    for path in sorted(files):
        parent = (folder / path).parent
        # each folder on the way, whatever the umask: mkdir(parents=True) gives its mode to the last alone
        make_folder(parent)
        write_atomic(folder / path, files[path])
        folders.add(parent)
    for made in sorted(folders, reverse=True):
        fsync_folder(made)


def write_zip(package: Path, target: Path) -> Path:
    """Write the one byte-exact zip of a package beside it; the same package always gives the same zip."""
    files, problems = bagit.read_bag(package)
    if problems:
        raise UsageError(f"{problems[0].part} {problems[0].what}", where=package)
    write_atomic(target, bagit.make_zip(files, root=package.name))
    return target
