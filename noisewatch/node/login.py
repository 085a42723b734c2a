"""Reads a login (camera, broker, mail) from a file that belongs to the node's user alone."""

from __future__ import annotations

from pathlib import Path

from noisewatch.capture.livecamera import Login
from noisewatch.errors import InputError
from noisewatch.evidence.durable import read_secret


def read_login(path: Path) -> Login:
    """Return user and password of a file with one line ``user:password``.

    Parameters
    ----------
    path : Path
        The file; a password may hold colons.

    Raises
    ------
    InputError
        It is not one such line.
    MissingInputError
        There is no such file.
    PermissionRefusedError
        Others can read it, somebody else owns it, or it is a symbolic link.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "camera.login"
    ...     file.touch(mode=0o600)
    ...     _ = file.write_text("admin:a:secret")
    ...     read_login(file)
    Login(user='admin')
    """
    try:
        user, colon, password = read_secret(path).decode("utf-8").strip().partition(":")
    except UnicodeDecodeError:
        user = colon = password = ""
    if not (user and colon and password) or "\n" in user + password:
        raise InputError("is not one line user:password", where=path)
    return Login(user, password)
