"""Keeps a process that runs for months small: one thread of linear algebra and few heaps that hoard nothing.

Takes nothing along that a library would read its settings from: call `one_thread` before NumPy is imported.
"""

from __future__ import annotations

import ctypes
import os

#: From malloc.h of glibc.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
#: Blocks from this size on are given back as soon as they are freed: a clip is tens of megabytes.
LARGE_BYTES = 128 * 1024
#: Heaps of small blocks; by default up to eight a processor, each as large as its threads ever needed.
ARENAS = 2


def one_thread() -> None:
    """Let linear algebra use the thread that asks for it; what somebody set otherwise stays.

    Products here are small. On two processors OpenBLAS wakes a second thread for each and lets it spin, which
    costs several times what the product does.
    """
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def small_heap() -> bool:
    """Bound glibc's heaps of this process, before it has threads; tell whether the system could.

    Examples
    --------
    >>> small_heap() in (True, False)
    True
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        # another C library, which has its own way
        return False
    wanted = ((_M_ARENA_MAX, ARENAS), (_M_MMAP_THRESHOLD, LARGE_BYTES), (_M_TRIM_THRESHOLD, LARGE_BYTES))
    return [mallopt(name, value) for name, value in wanted] == [1] * len(wanted)
