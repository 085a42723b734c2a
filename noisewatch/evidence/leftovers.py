"""What an export that was killed leaves behind: the next export to the same place removes it.

A package is filled under a hidden name and then renamed, so a kill leaves a hidden folder with a clip in the
clear. The folder of an export that is at work is locked; what nobody holds was left.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

#: How the hidden names of packages in the making begin and end.
PREFIX, SUFFIX = ".noisewatch-", ".tmp"

#: A file in the making is written in one go; one that is older was left.
FILE_IS_LEFT_AFTER_S = 3600.0


def hold(folder: Path) -> int:
    """Lock a hidden folder and return the descriptor; closing it, or dying, gives it free.

    Raises
    ------
    OSError
        It is no folder, or somebody else holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove(out: Path) -> tuple[str, ...]:
    """Remove what this user's killed exports left in a folder; return the names.

    Parameters
    ----------
    out : Path
        Where packages are written. Hidden folders that another export holds, and what belongs to another
        user or is a link, stay.
    """
    removed = []
    for path in sorted(out.glob(f"{PREFIX}*{SUFFIX}")):
        # one that ends meanwhile renames or removes its own; one that another user left is not ours
        with suppress(OSError):
            status = path.lstat()
            if status.st_uid != os.geteuid():
                continue
            if stat.S_ISDIR(status.st_mode):
                descriptor = hold(path)
                try:
                    shutil.rmtree(path)
                finally:
                    os.close(descriptor)
                removed.append(path.name)
            elif stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > FILE_IS_LEFT_AFTER_S:
                path.unlink()
                removed.append(path.name)
    return tuple(removed)
