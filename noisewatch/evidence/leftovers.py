"""What a killed command leaves behind outside the node's store, and who removes it.

A package is filled under a hidden name and then renamed, so a kill leaves a hidden folder with a clip in the
clear: the next export to the same place removes it. The folder of an export that is at work is locked; what
nobody holds was left. Of custody's own files, keys among them, a kill can leave a temporary copy: it goes
with the day that it is about, and everything else of that kind at the next ``retention enforce``.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

from noisewatch.evidence.durable import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, is_temporary, remove_durably

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


def copies_of(path: Path) -> list[Path]:
    """Return the temporary copies that killed writes of one file left beside it."""
    return sorted(path.parent.glob(f"{TEMPORARY_PREFIX}{path.name}.*{TEMPORARY_SUFFIX}"))


def remove_temporaries(folder: Path, *, older_than_s: float = FILE_IS_LEFT_AFTER_S) -> int:
    """Remove the temporary files below a folder that are too old to be at work; return how many."""
    oldest = time.time() - older_than_s
    return sum(
        remove_durably(path)
        for path in sorted(folder.rglob(f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"))
        if is_temporary(path) and path.is_file() and path.lstat().st_mtime <= oldest
    )
