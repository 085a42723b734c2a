"""Which core computes: the compiled one where numba works, else plain scipy with equal results."""

from __future__ import annotations

import importlib
import os
from functools import cache
from types import ModuleType
from typing import Literal, cast

from noisewatch.acoustics.core import Core
from noisewatch.errors import ConfigurationError, UnavailableError

Backend = Literal["auto", "numba", "scipy"]

#: Environment variable that decides what "auto" means.
VARIABLE = "NOISEWATCH_BACKEND"


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"noisewatch.acoustics.{name}")


@cache
def _numba_works() -> bool:
    """Import the compiled core; the first call compiles its loops or loads them from the cache."""
    try:
        _module("core_numba")
    except ImportError:
        return False
    return True


def chosen(backend: Backend) -> Literal["numba", "scipy"]:
    """Return which backend a meter uses.

    Parameters
    ----------
    backend : {'auto', 'numba', 'scipy'}
        "auto" is what ``NOISEWATCH_BACKEND`` says, else numba where it works, else scipy.

    Raises
    ------
    UnavailableError
        numba was asked for and is not installed.
    ConfigurationError
        There is no such backend.

    Examples
    --------
    >>> chosen("scipy")
    'scipy'
    """
    wanted = os.environ.get(VARIABLE, "auto") if backend == "auto" else backend
    if wanted not in ("auto", "numba", "scipy"):
        raise ConfigurationError(
            f"there is no backend {wanted!r}", where=VARIABLE, remedy="use auto, numba or scipy"
        )
    if wanted == "scipy":
        return "scipy"
    if _numba_works():
        return "numba"
    if wanted == "numba":
        raise UnavailableError("numba does not import here", remedy="install it, or use the backend 'scipy'")
    return "scipy"


def make_core(backend: Backend, *, rate_hz: int, bands: bool) -> Core:
    """Return a new core for one channel (errors as `chosen`)."""
    if chosen(backend) == "numba":
        return cast(Core, _module("core_numba").NumbaCore(rate_hz=rate_hz, bands=bands))
    # scipy.signal takes two seconds to import on a small board: only where it computes
    return cast(Core, _module("core_scipy").ScipyCore(rate_hz=rate_hz, bands=bands))


def node_backend() -> Backend:
    """Return the backend of a node that runs for months: what ``NOISEWATCH_BACKEND`` says, else scipy.

    A node measures levels without bands, which scipy does a few hundred times as fast as sound comes in. The
    compiler takes 100 MB of memory along, a third of what a node may hold, and is idle all day.

    Examples
    --------
    >>> import os
    >>> node_backend() == os.environ.get(VARIABLE, "scipy")
    True
    """
    return cast(Backend, os.environ.get(VARIABLE, "scipy"))


def prepare() -> str:
    """Compile the loops, or load them from the cache, and return which backend will compute.

    The installer calls this once, so that no meter has to wait when it starts.
    """
    return chosen("auto")
