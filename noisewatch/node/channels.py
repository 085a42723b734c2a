"""Carries alerts out: to a program, by e-mail, to the broker. Each channel on its own; none stops the other.

Alerts wait on a thread of their own, bounded. A mail that could not be sent is tried again, with
growing pauses.
"""

from __future__ import annotations

import json
import queue
import smtplib
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from noisewatch.errors import ConfigurationError
from noisewatch.node.login import read_login
from noisewatch.node.section import AlertsSection

#: Alerts that may wait; more means that something is very wrong, and the journal has them all.
ROOM = 200
#: How long a hook may take, and a mail server may be silent, in seconds.
HOOK_S, MAIL_S = 30.0, 20.0
#: Pauses before a failed alert is tried again, in seconds; the last one counts on.
PAUSES_S = (5.0, 30.0, 120.0, 600.0, 3600.0)
#: After so many tries an alert is given up; with the pauses above that is two days.
TRIES = 52


class Channel(Protocol):
    """One way to tell somebody; raises what :data:`FAILURES` names where it could not."""

    @property
    def name(self) -> str:
        """Name of the channel, as failures are told."""

    def send(self, document: Mapping[str, Any]) -> None:
        """Tell somebody of one alert."""


FAILURES = (OSError, smtplib.SMTPException, subprocess.SubprocessError)


@dataclass(frozen=True, slots=True)
class Hook:
    """A program of the city: it gets the alert as JSON on its standard input, and nothing as an argument."""

    command: tuple[str, ...]
    name: str = "hook"

    def send(self, document: Mapping[str, Any]) -> None:
        """Run the program; a failure is its exit code."""
        subprocess.run(
            self.command,
            input=json.dumps(document, ensure_ascii=False).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=HOOK_S,
            check=True,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        )


class Mail:
    """E-mail over SMTP, with TLS always: from the first byte (port 465) or by STARTTLS (RFC 3207).

    Raises
    ------
    ConfigurationError
        The file of certificates holds none.
    """

    name = "mail"

    def __init__(self, settings: AlertsSection, folder: Path) -> None:
        self._settings = settings
        authority = folder / settings.mail_authority_file if settings.mail_authority_file else None
        try:
            self._context = ssl.create_default_context(cafile=authority)
        except (OSError, ssl.SSLError):
            where = f"alerts.mail_authority_file {authority}"
            raise ConfigurationError("holds no certificate", where=where) from None
        self._login = (
            read_login(folder / settings.mail_credentials_file) if settings.mail_credentials_file else None
        )

    def send(self, document: Mapping[str, Any]) -> None:
        """Send one message; a server without TLS or with a foreign certificate gets nothing."""
        settings = self._settings
        message = EmailMessage()
        message["Subject"] = subject(document)
        message["From"] = settings.mail_from
        message["To"] = ", ".join(settings.mail_to)
        message.set_content(text(document))
        with self._connected() as server:
            if self._login is not None:
                server.login(self._login.user, self._login.password)
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        if settings.mail_tls == "always":
            return smtplib.SMTP_SSL(
                settings.mail_host, settings.mail_port, timeout=MAIL_S, context=self._context
            )
        server = smtplib.SMTP(settings.mail_host, settings.mail_port, timeout=MAIL_S)
        try:
            server.starttls(context=self._context)
        except FAILURES:
            server.close()
            raise
        return server


@dataclass(frozen=True, slots=True)
class ToBroker:
    """The broker of the telemetry, topic ``alert``; it keeps its own queue."""

    tell: Callable[[Mapping[str, Any]], None]
    name: str = "broker"

    def send(self, document: Mapping[str, Any]) -> None:
        """Hand the alert to the telemetry."""
        self.tell(document)


def subject(document: Mapping[str, Any]) -> str:
    """Return a mail's subject.

    Examples
    --------
    >>> subject({"node": "genk-1", "site": "Stalenstraat", "kind": "deaf", "state": "open"})
    '[noisewatch] genk-1, Stalenstraat: deaf'
    """
    over = " (over)" if document["state"] == "over" else ""
    # a line break in a name must not become a header of its own
    place = " ".join(f"{document['node']}, {document['site']}".split())
    return f"[noisewatch] {place}: {document['kind']}{over}"


def text(document: Mapping[str, Any]) -> str:
    """Return a mail's text."""
    return (
        f"{document['sentence']}\n\nbox {document['node']}, site {document['site']}, {document['at']}\n"
        "See what the box says of itself: noisewatch status; noisewatch check\n"
    )


def channels_of(
    settings: AlertsSection, folder: Path, *, tell_broker: Callable[[Mapping[str, Any]], None] | None
) -> tuple[Channel, ...]:
    """Return the channels that the settings name."""
    found: list[Channel] = []
    if settings.hook:
        found.append(Hook(settings.hook))
    if settings.mail_host:
        found.append(Mail(settings, folder))
    if tell_broker is not None:
        found.append(ToBroker(tell_broker))
    return tuple(found)


@dataclass(slots=True)
class _Waiting:
    document: Mapping[str, Any]
    channel: Channel
    tries: int = 0
    due_s: float = 0.0


class Dispatcher:
    """Sends alerts over channels, on one thread; a context manager.

    Attributes
    ----------
    failures : dict of str to str
        By channel, what went wrong last; empty where the last alert went out.
    given_up : int
        Alerts that no try delivered, or for which there was no room.
    """

    def __init__(self, channels: Sequence[Channel], *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self.failures: dict[str, str] = {}
        self.given_up = 0
        self._channels = tuple(channels)
        self._pauses_s = tuple(pauses_s)
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(maxsize=ROOM)
        self._later: list[_Waiting] = []
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def __enter__(self) -> Dispatcher:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what waits once more, then end."""
        try:
            self._queue.put(None, timeout=1.0)
        except queue.Full:
            self.given_up += self._queue.qsize()
        self._thread.join(timeout=HOOK_S)

    def send(self, document: Mapping[str, Any]) -> None:
        """Let an alert go out over every channel; never waits."""
        for channel in self._channels:
            try:
                self._queue.put_nowait(_Waiting(document, channel))
            except queue.Full:
                self.given_up += 1

    def _run(self) -> None:
        is_ending = False
        while not is_ending:
            try:
                waiting = self._queue.get(timeout=self._patience_s())
                is_ending = waiting is None
                if waiting is not None:
                    self._try(waiting)
            except queue.Empty:
                pass
            now_s = time.monotonic()
            due = [one for one in self._later if is_ending or one.due_s <= now_s]
            self._later = [one for one in self._later if one not in due]
            for one in due:
                self._try(one)
        self.given_up += len(self._later)

    def _patience_s(self) -> float:
        due_s = min((one.due_s for one in self._later), default=float("inf"))
        return max(0.01, min(5.0, due_s - time.monotonic()))

    def _try(self, waiting: _Waiting) -> None:
        name = waiting.channel.name
        try:
            waiting.channel.send(waiting.document)
        except FAILURES as error:
            waiting.tries += 1
            self.failures[name] = _in_words(error)
            if waiting.tries >= TRIES or len(self._later) >= ROOM:
                self.given_up += 1
                return
            pause_s = self._pauses_s[min(waiting.tries, len(self._pauses_s)) - 1]
            waiting.due_s = time.monotonic() + pause_s
            self._later.append(waiting)
            return
        self.failures.pop(name, None)


def _in_words(error: Exception) -> str:
    """Say what went wrong without an exception's own text, which may quote a login."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit code {error.returncode}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__} {error.smtp_code}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
