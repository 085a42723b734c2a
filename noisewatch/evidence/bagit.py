"""BagIt 1.0 (RFC 8493), written and read by ourselves, stricter than the format asks.

A bag is handled as a mapping from path to bytes, so that what is hashed is what is read. On top of
RFC 8493: every file is listed in exactly one manifest, manifests have one spelling, names use few
characters, links and special files do not exist, and a zip has one byte-exact form.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from noisewatch.errors import InputError, MissingInputError

BAGIT_TXT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
#: The signature stands over the tag manifest, so no manifest can list it.
SIGNATURE = "tagmanifest-sha256.txt.sig"
#: A time stamp over the signature, where one was asked for; it comes later, so no manifest lists it.
STAMP = "tagmanifest-sha256.txt.tsr"

MAXIMUM_FILES = 100
MAXIMUM_BYTES = 512 * 1024 * 1024
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)

_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,3}}")
_LINE = re.compile(rb"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._/-]{0,399})")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a package: which part, and what."""

    part: str
    what: str


def is_safe_name(name: str) -> bool:
    """Tell whether a path may stand in a package: few characters, no way out, no hidden file.

    Examples
    --------
    >>> is_safe_name("data/clip.mp4"), is_safe_name("../clip.mp4"), is_safe_name("data//clip.mp4")
    (True, False, False)
    """
    return _NAME.fullmatch(name) is not None


def printable(name: str) -> str:
    r"""Return a name that is safe to print: control and direction marks become escapes.

    Examples
    --------
    >>> print(printable("clip\u202e.mp4"))
    clip\u202e.mp4
    """
    return name.encode("unicode_escape").decode("ascii")[:200]


def manifest(files: Mapping[str, bytes]) -> bytes:
    """Return the one spelling of a SHA-256 manifest: sorted, two spaces, line feeds (RFC 8493 2.1.3).

    Examples
    --------
    >>> print(manifest({"data/a": b""}).decode(), end="")
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  data/a
    """
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return "".join(lines).encode("ascii")


def make_bag(
    payload: Mapping[str, bytes], tags: Mapping[str, bytes], *, info: Sequence[tuple[str, str]]
) -> dict[str, bytes]:
    """Return all files of a bag but the signature.

    Parameters
    ----------
    payload : mapping
        Files below ``data/``, named with that prefix.
    tags : mapping
        Other files: custody, keys, README.
    info : sequence of (label, value)
        Lines of ``bag-info.txt``; the payload's size is added (RFC 8493 2.2.2).

    Raises
    ------
    InputError
        A name that may not stand in a package.
    """
    for name in [*payload, *tags]:
        if not is_safe_name(name) or name.startswith("data/") != (name in payload):
            raise InputError("this name may not stand in a package", where=printable(name))
    size = sum(len(data) for data in payload.values())
    lines = [*info, ("Payload-Oxum", f"{size}.{len(payload)}")]
    text = "".join(f"{label}: {' '.join(value.split())}\n" for label, value in lines)
    files = {"bagit.txt": BAGIT_TXT, "bag-info.txt": text.encode("utf-8"), **tags}
    files[MANIFEST] = manifest(payload)
    tag_manifest = manifest(files)
    return {**payload, **files, TAG_MANIFEST: tag_manifest}


def check_bag(files: Mapping[str, bytes]) -> list[Problem]:
    """Check every byte of a bag against its manifests; the signature is somebody else's matter.

    Returns
    -------
    list of Problem
        Empty where each file is listed in the right manifest with its hash, and nothing else is there.
    """
    problems = [
        Problem(name, "is missing")
        for name in ("bagit.txt", MANIFEST, TAG_MANIFEST, SIGNATURE)
        if name not in files
    ]
    if files.get("bagit.txt", BAGIT_TXT) != BAGIT_TXT:
        problems.append(Problem("bagit.txt", "is not the declaration of BagIt 1.0"))
    listed: set[str] = {MANIFEST, TAG_MANIFEST, SIGNATURE, STAMP}
    for name, is_payload in ((MANIFEST, True), (TAG_MANIFEST, False)):
        hashes, found = _read_manifest(name, files.get(name, b""), is_payload=is_payload)
        problems += found
        problems += _compare(files, hashes)
        listed |= set(hashes)
    problems += [
        Problem(printable(name), "is not listed in a manifest")
        for name in sorted(files)
        if name not in listed
    ]
    return problems


def _read_manifest(name: str, data: bytes, *, is_payload: bool) -> tuple[dict[str, str], list[Problem]]:
    hashes: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        match = _LINE.fullmatch(line)
        path = match.group(2).decode("ascii") if match else ""
        if match is None or not is_safe_name(path) or path.startswith("data/") != is_payload:
            problems.append(Problem(name, f"line {number} is not a line of a manifest"))
        elif path in hashes or path in (TAG_MANIFEST, SIGNATURE, STAMP):
            problems.append(Problem(name, f"line {number} lists {path}, which may not stand there"))
        else:
            hashes[path] = match.group(1).decode("ascii")
    if data and (not data.endswith(b"\n") or list(hashes) != sorted(hashes)):
        problems.append(Problem(name, "is not in the sorted form that noisewatch writes"))
    if not is_payload and data and MANIFEST not in hashes:
        problems.append(Problem(name, f"does not list {MANIFEST}"))
    return hashes, problems


def _compare(files: Mapping[str, bytes], hashes: Mapping[str, str]) -> list[Problem]:
    problems = []
    for path, expected in hashes.items():
        if path not in files:
            problems.append(Problem(path, "is listed in the manifest but missing"))
        elif hashlib.sha256(files[path]).hexdigest() != expected:
            problems.append(Problem(path, "differs from its SHA-256 in the manifest"))
    return problems


def read_bag(path: Path) -> tuple[dict[str, bytes], list[Problem]]:
    """Read a package, a folder or a stored zip, within limits; links and odd names become problems.

    Raises
    ------
    MissingInputError
        There is nothing at this path.
    """
    if path.is_symlink():
        return {}, [Problem(printable(path.name), "is a symbolic link")]
    if path.is_dir():
        return _read_folder(path)
    if path.is_file():
        return _read_zip(path)
    raise MissingInputError("no package here", where=path, remedy="name its folder or its zip")


def _read_folder(folder: Path) -> tuple[dict[str, bytes], list[Problem]]:
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    folders: set[str] = set()
    total = 0
    for root, names, leaves in os.walk(folder, followlinks=False):
        for name in [*names, *leaves]:
            path = Path(root) / name
            relative = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                folders.add(relative)
            elif not stat.S_ISREG(mode):
                problems.append(Problem(printable(relative), "is a link or special file"))
            elif not is_safe_name(relative):
                problems.append(Problem(printable(relative), "has a name that may not stand in a package"))
            else:
                total += path.lstat().st_size
                if total > MAXIMUM_BYTES or len(files) >= MAXIMUM_FILES:
                    return {}, [Problem("package", _too_big())]
                files[relative] = _read_file(path)
    problems += _stray_folders(folders, files)
    return files, problems


def _read_file(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=printable(str(path))) from error
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(MAXIMUM_BYTES)


def _stray_folders(folders: Iterable[str], files: Mapping[str, bytes]) -> list[Problem]:
    needed = {parent.as_posix() for name in files for parent in Path(name).parents}
    return [Problem(printable(name), "is an empty folder") for name in sorted(folders) if name not in needed]


def _too_big() -> str:
    return f"holds more than {MAXIMUM_FILES} files or {MAXIMUM_BYTES // 1024**2} MiB: refused unread"


def make_zip(files: Mapping[str, bytes], *, root: str) -> bytes:
    """Return the one zip of these files: stored, sorted, fixed dates, below one folder.

    Examples
    --------
    >>> make_zip({"bagit.txt": BAGIT_TXT}, root="p") == make_zip({"bagit.txt": BAGIT_TXT}, root="p")
    True
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(f"{root}/{name}", date_time=_ZIP_DATE)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o600) << 16
            archive.writestr(info, files[name])
    return buffer.getvalue()


def _read_zip(path: Path) -> tuple[dict[str, bytes], list[Problem]]:
    if path.stat().st_size > MAXIMUM_BYTES:
        return {}, [Problem("zip", _too_big())]
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            problems = _refuse_entries(entries, size=len(data))
            if problems:
                return {}, problems
            contents = {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        return {}, [Problem("zip", f"cannot be read: {error}")]
    root = next(iter(contents)).split("/", 1)[0]
    files = {name.removeprefix(f"{root}/"): content for name, content in contents.items()}
    if make_zip(files, root=root) != data:
        remedy = "not the byte-exact zip that noisewatch writes (one folder, stored, sorted, fixed dates)"
        return files, [Problem("zip", f"{remedy}; an unpacked folder can be verified instead")]
    return files, []


def _refuse_entries(entries: Sequence[zipfile.ZipInfo], *, size: int) -> list[Problem]:
    if not entries or len(entries) > MAXIMUM_FILES:
        return [Problem("zip", "holds no file, or far too many")]
    problems = []
    for entry in entries:
        name = printable(entry.filename)
        if not is_safe_name(entry.filename) or "/" not in entry.filename:
            problems.append(Problem(name, "has a name that may not stand in a package"))
        elif stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            problems.append(Problem(name, "is a link or special file"))
        elif entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            problems.append(Problem(name, "is compressed; a package's zip is stored"))
    if sum(entry.file_size for entry in entries) > size:
        problems.append(Problem("zip", "claims to hold more bytes than it has"))
    return problems
