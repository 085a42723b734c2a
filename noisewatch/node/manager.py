"""What a run tells the service manager (sd_notify(3)): ready, alive, ending, and how it is doing, in words.

The words go where everybody on the box can read them (``systemctl status``), so they hold no level and
nothing of the street. Where no service manager listens, nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

#: How often the words are renewed, in seconds.
WORDS_EVERY_S = 10.0
#: What must be heard (ready, ending) waits so long for a manager that is slow to read, in seconds.
PATIENCE_S = 1.0
#: A service manager that hears nothing for its time limit ends us; we speak four times as often.
_BEATS_PER_LIMIT = 4


class ServiceManager:
    """The service manager that started us, or nobody; made by :meth:`from_environment`.

    Parameters
    ----------
    address : str or None
        The datagram socket that listens; ``@`` stands for the abstract namespace. None: nobody listens.
    watchdog_s : float or None
        After how long without a beat it takes us for hung, in seconds.
    monotonic : callable
        Where the time comes from, in seconds.

    Examples
    --------
    >>> ServiceManager(None).ready("listening")
    False
    """

    def __init__(
        self,
        address: str | None,
        *,
        watchdog_s: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = None if address is None else address.replace("@", "\0", 1)
        self._beat_every_s = None if watchdog_s is None else watchdog_s / _BEATS_PER_LIMIT
        self._monotonic = monotonic
        self._beaten_s = self._told_s = float("-inf")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> ServiceManager:
        """Return the manager that ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC`` name; a wrong value is nobody."""
        given = os.environ if environment is None else environment
        address = given.get("NOTIFY_SOCKET", "")
        limit = given.get("WATCHDOG_USEC", "")
        is_ours = given.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_s = int(limit) / 1e6 if limit.isdecimal() and int(limit) > 0 and is_ours else None
        return cls(address if address[:1] in ("/", "@") else None, watchdog_s=watchdog_s)

    def ready(self, words: str) -> bool:
        """Tell that the sources are open; return whether somebody was told."""
        return self._send("READY=1", _status(words), patience_s=PATIENCE_S)

    def beat(self, words: Callable[[], str]) -> None:
        """Tell that a block arrived and was processed; quick, and sent only as often as it must be."""
        now_s = self._monotonic()
        lines = []
        if self._beat_every_s is not None and now_s - self._beaten_s >= self._beat_every_s:
            self._beaten_s = now_s
            lines.append("WATCHDOG=1")
        if now_s - self._told_s >= WORDS_EVERY_S:
            self._told_s = now_s
            lines.append(_status(words()))
        if lines:
            # a manager that is slow to read must not delay the microphone
            self._send(*lines, patience_s=0.0)

    def ending(self, words: str) -> None:
        """Tell that the run ends; from here on its time to stop counts, not the watchdog's."""
        self._send("STOPPING=1", _status(words), patience_s=PATIENCE_S)

    def _send(self, *lines: str, patience_s: float) -> bool:
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(patience_s)
                channel.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True


def _status(words: str) -> str:
    # one line is one assignment: a line break would end it
    return "STATUS=" + " ".join(words.split())


def heard_in_words(counts: Mapping[str, int], *, has_picture: bool) -> str:
    """Return how a run is doing in words that everybody may read: counts, no levels; pure.

    Examples
    --------
    >>> heard_in_words({"events": 3, "sealed": 2}, has_picture=False)
    'listening, no picture; 3 events, 2 of them sealed'
    """
    sources = "listening and looking" if has_picture else "listening, no picture"
    return f"{sources}; {counts.get('events', 0)} events, {counts.get('sealed', 0)} of them sealed"
