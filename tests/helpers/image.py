"""A disk of a test's own, which is read as a thief reads it: raw, with journal and deleted blocks."""

from __future__ import annotations

import base64
import struct
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import marks


class Disk:
    """A file system of its own; where this user may not mount one, a folder whose files are read instead."""

    def __init__(self, folder: Path, *, size_mib: int = 48) -> None:
        self.image, self.root = folder / "image", folder / "disk"
        self.root.mkdir()
        with self.image.open("wb") as file:
            file.truncate(size_mib * 1024 * 1024)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", str(self.image)], check=True)
        mounted = subprocess.run(
            ["mount", "-o", "loop", str(self.image), str(self.root)], capture_output=True
        )
        self.is_mounted = mounted.returncode == 0

    def content(self) -> bytes:
        """Everything that the disk holds; it is not mounted any more after this."""
        if not self.is_mounted:
            return b"".join(path.read_bytes() for path in marks.files_below(self.root))
        self.close()
        return self.image.read_bytes()

    def close(self) -> None:
        """Unmount it."""
        if self.is_mounted:
            subprocess.run(["umount", str(self.root)], check=True)
            self.is_mounted = False


def of_words(words: Iterable[str]) -> dict[str, list[bytes]]:
    """Return the forms in which words can stand on a disk: UTF-8, UTF-16, base64 at any place."""
    found: dict[str, list[bytes]] = {}
    for word in words:
        raw = word.encode()
        shifted = [base64.b64encode(b"\0" * shift + raw) for shift in range(3)]
        # the first and last groups of base64 hold neighbours too
        found[word] = [raw, word.encode("utf-16-le"), *(one[4:-4] for one in shifted if len(one) > 16)]
    return found


def of_levels(levels_db: Mapping[str, float]) -> dict[str, list[bytes]]:
    """Return the forms in which levels can stand on a disk: as text, and as 8 bytes in either order."""
    return {
        f"{name} {level}": [repr(level).encode(), struct.pack(">d", level), struct.pack("<d", level)]
        for name, level in levels_db.items()
    }


def found_in(data: bytes, forms: Mapping[str, Iterable[bytes]]) -> set[str]:
    """Return the names of what stands in some bytes, in any of its forms."""
    return {name for name, those in forms.items() if any(form in data for form in those)}
