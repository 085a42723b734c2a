"""Shows whoever stands at the box how it is, four times a second: a UNIX socket that only this user may open.

What is told lives in memory: the level of the last 125 ms for a meter, the last events, sources and health.
Nothing of it is written anywhere.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from noisewatch.errors import MissingInputError
from noisewatch.evidence.jsonform import plain

NAME = "live.sock"
EVERY_S = 0.25
#: One document is a page of text.
_MAX_BYTES = 64 * 1024
#: The kernel takes no longer name of a socket (unix(7)).
_LONGEST_PATH = 100
#: So many may watch at once.
_MOST_WATCHERS = 4


class LiveView:
    """Serves the view while it lasts; a context manager. Where no socket can be made there is no view.

    Parameters
    ----------
    folder : Path
        The node's folder.
    told : callable
        What is shown now; quick, and safe to call from another thread.
    """

    def __init__(self, folder: Path, told: Callable[[], Mapping[str, Any]]) -> None:
        self.is_served = False
        self._path = folder / NAME
        self._told = told
        self._ending = threading.Event()
        self._room = threading.BoundedSemaphore(_MOST_WATCHERS)
        self._server: socketserver.ThreadingUnixStreamServer | None = None

    def __enter__(self) -> LiveView:
        """Begin to serve."""
        if len(os.fsencode(self._path)) > _LONGEST_PATH:
            return self
        view = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                view._show(self.request)

        self._path.unlink(missing_ok=True)
        try:
            self._server = socketserver.ThreadingUnixStreamServer(str(self._path), Handler)
        except OSError:
            return self
        self._server.daemon_threads = True
        self._path.chmod(0o600)
        threading.Thread(target=self._server.serve_forever, name="live", daemon=True).start()
        self.is_served = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._ending.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._path.unlink(missing_ok=True)

    def _show(self, channel: socket.socket) -> None:
        if not self._room.acquire(blocking=False):
            return
        try:
            channel.settimeout(5.0)
            while not self._ending.is_set():
                document = plain(self._told(), unmeasured_as_null=True)
                channel.sendall(json.dumps(document, ensure_ascii=False).encode() + b"\n")
                self._ending.wait(EVERY_S)
        except OSError:
            # whoever watched has gone
            return
        finally:
            self._room.release()


def watch(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what a running node tells, until it ends.

    Raises
    ------
    MissingInputError
        No run shows itself here.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(5.0)
        try:
            channel.connect(str(folder / NAME))
        except OSError:
            raise MissingInputError(
                "no live run shows itself here", where=folder, remedy="noisewatch run --config NODE/node.toml"
            ) from None
        waiting = b""
        while True:
            try:
                data = channel.recv(_MAX_BYTES)
            except OSError:
                return
            if not data or len(waiting) > _MAX_BYTES:
                return
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                yield json.loads(line)
