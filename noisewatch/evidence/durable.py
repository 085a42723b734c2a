"""Files that are there whole or not at all: temporary name, fsync, rename, fsync of the folder.

Every write of the evidence room goes through here, so that a crash, a full disk or a read-only folder leaves
the old state or the new one. Secrets are read here too: a key that others can read is refused, never used.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from noisewatch.errors import (
    ConfigurationError,
    InputError,
    InputOutputError,
    MissingInputError,
    NoisewatchError,
    PermissionRefusedError,
    TryAgainError,
)

#: Temporary names start and end like this; recovery removes what a crash left of them.
TEMPORARY_PREFIX = "."
TEMPORARY_SUFFIX = ".tmp"

#: A secret is a key or a passphrase: anything larger is not one.
MAX_SECRET_BYTES = 64 * 1024

#: The environment variable in which systemd names the folder of the secrets that it hands to a service.
CREDENTIALS = "CREDENTIALS_DIRECTORY"

_REMEDIES = {
    errno.ENOSPC: ("no space left on the disk", "free space there; nothing half-written was left"),
    errno.EDQUOT: ("the disk quota is used up", "free space there; nothing half-written was left"),
    errno.EROFS: ("the file system is read-only", "mount it for writing or choose another folder"),
    errno.EIO: ("the device reports an input/output error", "check the disk or card and its cable"),
    errno.EMFILE: ("too many open files", "raise the limit with ulimit -n"),
}


def explain(error: OSError, where: str | Path) -> NoisewatchError:
    """Return the error of our tree that tells a person what an ``OSError`` means.

    Examples
    --------
    >>> explain(OSError(errno.ENOSPC, "x"), "store").exit_code
    74
    >>> explain(PermissionError(errno.EACCES, "x"), "store").exit_code
    77
    """
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionRefusedError(
            "this user may not do that here", where=where, remedy="run as the user who owns the folder"
        )
    if error.errno == errno.ENOENT:
        return MissingInputError("there is no such file or folder", where=where)
    if error.errno == errno.ELOOP:
        return PermissionRefusedError("is a symbolic link", where=where, remedy="put the real file there")
    what, remedy = _REMEDIES.get(error.errno or 0, (os.strerror(error.errno or errno.EIO).lower(), None))
    return InputOutputError(what, where=where, remedy=remedy)


@contextmanager
def storage_errors(where: str | Path) -> Iterator[None]:
    """Turn each ``OSError`` of the block into one line with a remedy and the right exit code."""
    try:
        yield
    except OSError as error:
        raise explain(error, where) from error


def fsync_folder(path: Path) -> None:
    """Make the names in a folder durable (a rename alone does not survive a power cut)."""
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, however often the system takes only a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600, with_folder: bool = True) -> None:
    """Write a file so that its name shows the old content or the new, never a part.

    Parameters
    ----------
    path : Path
        The file; its folder must exist. What stood there is replaced, a symbolic link is replaced as such.
    data : bytes
        The whole content.
    mode : int
        Permissions of the file, whatever the umask.
    with_folder : bool
        Make the name durable too. Without it the caller writes more files there, then calls ``fsync_folder``.

    Raises
    ------
    InputOutputError
        The disk is full, read-only or broken; the old content still stands and no temporary file is left.
    PermissionRefusedError
        This user may not write there.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with storage_errors(path):
        descriptor = os.open(temporary, flags, mode)
        try:
            try:
                os.fchmod(descriptor, mode)
                write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.rename(path)
        except OSError:
            # the first failure is the one to tell; recovery removes the file where even this fails
            with suppress(OSError):
                temporary.unlink()
            raise
    if with_folder:
        fsync_folder(path.parent)


def make_folder(path: Path, *, mode: int = 0o700) -> None:
    """Make a folder and its missing parents durably; an existing folder is left as it is."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    with storage_errors(path):
        for folder in reversed(missing):
            with suppress(FileExistsError):
                folder.mkdir(mode=mode)
            fsync_folder(folder.parent)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a directory")


def remove_durably(path: Path) -> bool:
    """Remove a file if it is there and make that durable; tell whether it was there."""
    with storage_errors(path):
        try:
            path.unlink()
        except FileNotFoundError:
            return False
    fsync_folder(path.parent)
    return True


def remove_folder(folder: Path) -> None:
    """Remove a folder of files durably, and the folder above it where nothing else is left in that."""
    with storage_errors(folder):
        if folder.is_dir() and not folder.is_symlink():
            for path in sorted(folder.iterdir()):
                path.unlink()
            fsync_folder(folder)
            folder.rmdir()
            fsync_folder(folder.parent)
        above = folder.parent
        if above.is_dir() and not any(above.iterdir()):
            above.rmdir()
            fsync_folder(above.parent)


def take_lock(path: Path) -> int:
    """Take the lock that a file stands for and return its descriptor; closing it, or dying, gives it back.

    Raises
    ------
    TryAgainError
        Another process holds it.
    """
    with storage_errors(path):
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise TryAgainError(
                "another process holds it", where=path.parent, remedy="stop that one, or try again later"
            ) from error
    return lock


def is_temporary(path: Path) -> bool:
    """Tell whether a name is one that ``write_atomic`` leaves behind when it is killed.

    Examples
    --------
    >>> is_temporary(Path("store/.viewing.age.0a1b2c3d.tmp")), is_temporary(Path("store/viewing.age"))
    (True, False)
    """
    return path.name.startswith(TEMPORARY_PREFIX) and path.name.endswith(TEMPORARY_SUFFIX)


def read_bounded(path: Path, *, max_bytes: int) -> bytes:
    """Read a file that is not a secret, but refuse one that is larger than it can honestly be.

    Raises
    ------
    MissingInputError
        There is no such file.
    InputError
        It is not a plain file or larger than ``max_bytes``.
    """
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise InputError("is not a plain file", where=path)
            data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise InputError(f"is larger than {max_bytes} bytes", where=path)
    return data


def read_secret(path: Path, *, max_bytes: int = MAX_SECRET_BYTES) -> bytes:
    """Read a secret that belongs to this user alone, or that the service manager handed to this service.

    Raises
    ------
    PermissionRefusedError
        Others can read or write it, somebody else owns it, or it is a symbolic link.
    MissingInputError
        There is no such file.
    ConfigurationError
        It is not a plain file, or too large to be a secret.
    """
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            _refuse_shared_secret(status, path)
            data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ConfigurationError("is too large to be a secret", where=path)
    return data


def _refuse_shared_secret(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError("is not a plain file", where=path)
    if str(path.parent) == os.environ.get(CREDENTIALS) and status.st_uid in (0, os.geteuid()):
        # systemd lets one user in by an access list, whose mask shows where a group's right to read stands
        shared = status.st_mode & 0o037
    elif status.st_uid != os.geteuid():
        raise PermissionRefusedError(
            "this secret belongs to another user", where=path, remedy=f"run: chown $(id -un) {path}"
        )
    else:
        shared = status.st_mode & 0o077
    if shared:
        raise PermissionRefusedError(
            f"this secret can be used by others (mode {stat.S_IMODE(status.st_mode):04o})",
            where=path,
            remedy=f"run: chmod 600 {path}",
        )
