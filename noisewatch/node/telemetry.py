"""Tells a broker of the city how the box is and what it measured: MQTT 5 over TLS, by paho-mqtt.

One thread owns everything; paho's own thread and the run only hand it things to do, so nothing here ever
waits for the network but this thread. What paho has not got acknowledged it sends again after a reconnect
(with the same packet identifier), what was not yet handed to it waits in the outbox.

Topics, under ``TOPIC/NODE/``: ``state`` (retained: online, offline by the last will), ``health`` (retained),
``heartbeat``, ``event``, ``hour``, ``alert``.
"""

from __future__ import annotations

import json
import queue
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from noisewatch.errors import ConfigurationError
from noisewatch.evidence.durable import read_secret
from noisewatch.node.hours import Hour
from noisewatch.node.login import read_login
from noisewatch.node.notices import Sender, event_notice, health_notice, heartbeat, hour_notice
from noisewatch.node.outbox import Kind, Message, Outbox
from noisewatch.node.section import TelemetrySection
from noisewatch.records import Event

#: Messages handed to paho and not yet acknowledged.
UNDER_WAY = 20
#: Shortest and longest pause between two tries to reach the broker, in seconds; paho doubles it.
BACK_OFF_S = (1, 300)
#: How long the end of a run waits for what is left, in seconds.
FAREWELL_S = 3.0
KEEPALIVE_S = 30

Health = Callable[[], tuple[str, tuple[str, ...]]]


@dataclass(slots=True)
class Told:
    """How telemetry is doing; read by ``status``, written by its one thread."""

    is_connected: bool = False
    connections: int = 0
    sent: int = 0
    refused: int = 0
    dropped: int = 0
    waiting: int = 0
    last_error: str | None = None


class Telemetry:
    """Sends notices while it lasts; a context manager.

    Parameters
    ----------
    settings : TelemetrySection
        Broker and login.
    sender : Sender
        What every notice says of the box.
    folder : Path
        The node's folder; files of the settings are relative to it.
    health : callable
        Returns state and reasons; asked at every sign of life.
    now : callable
        UTC.
    report : callable
        Gets a line for people when the broker refuses something.

    Raises
    ------
    ConfigurationError
        A certificate or login can't be used.
    PermissionRefusedError
        Others can read a key or login.
    """

    def __init__(
        self,
        settings: TelemetrySection,
        *,
        sender: Sender,
        folder: Path,
        health: Health,
        now: Callable[[], datetime],
        report: Callable[[str], None],
        back_off_s: tuple[int, int] = BACK_OFF_S,
    ) -> None:
        self.told = Told()
        self._settings = settings
        self._sender = sender
        self._health = health
        self._now = now
        self._report = report
        self._outbox = Outbox(maximum=settings.maximum_waiting)
        self._todo: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._numbers: dict[int, int] = {}
        self._topics: dict[int, str] = {}
        self._refused_topics: set[str] = set()
        self._events: dict[datetime, Counter[str]] = {}
        self._last_health: tuple[str, tuple[str, ...]] | None = None
        self._started_s = time.monotonic()
        self._ending = threading.Event()
        self._client = self._make_client(folder, back_off_s)
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def __enter__(self) -> Telemetry:
        """Begin to reach for the broker; a broker that is away delays nothing."""
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is left if the broker is there, say goodbye, end."""
        self._ending.set()
        self._todo.put(lambda: None)
        self._thread.join(timeout=FAREWELL_S + 2.0)
        self._client.disconnect()
        self._client.loop_stop()

    def tell_event(self, event: Event, *, started_at: datetime) -> None:
        """Tell of an event as soon as it is over: the vehicle is still near."""
        notice = event_notice(self._sender, event, started_at=started_at)
        self._todo.put(lambda: self._put("event", notice, Kind.EVENT, counted=event.signature))

    def tell_hour(self, hour: Hour) -> None:
        """Tell of an hour that is over."""

        def put() -> None:
            counted = self._events.pop(hour.start, Counter())
            self._put("hour", hour_notice(self._sender, hour, events=counted), Kind.HOUR)

        self._todo.put(put)

    def tell_alert(self, document: Mapping[str, Any]) -> None:
        """Tell of an alert, in its place among the notices."""
        self._todo.put(lambda: self._put("alert", document, Kind.EVENT))

    def told_now(self) -> dict[str, Any]:
        """Return how telemetry is doing, as ``status`` tells it."""
        return asdict(self.told)

    def _put(self, name: str, notice: Mapping[str, Any], kind: Kind, *, counted: str = "") -> None:
        if counted:
            begun = datetime.fromisoformat(notice["dateObservedFrom"])
            hour = begun.replace(minute=0, second=0, microsecond=0)
            self._events.setdefault(hour, Counter())[counted] += 1
        payload = json.dumps(notice, ensure_ascii=False, allow_nan=False).encode()
        self._outbox.put(Message(self._topic(name), payload, kind))

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._ending.is_set():
            now_s = time.monotonic()
            if now_s >= due_s:
                due_s = now_s + self._settings.heartbeat_s
                self._beat()
            self._do_next(timeout_s=min(1.0, max(0.01, due_s - now_s)))
            self._pump()
        self._say_goodbye()

    def _do_next(self, *, timeout_s: float) -> None:
        try:
            self._todo.get(timeout=timeout_s)()
            while not self._todo.empty():
                self._todo.get_nowait()()
        except queue.Empty:
            return

    def _beat(self) -> None:
        health = self._health()
        at = self._now()
        if health != self._last_health:
            self._last_health = health
            state, reasons = health
            self._put("health", health_notice(self._sender, at=at, state=state, reasons=reasons), Kind.STATE)
        if self.told.is_connected:
            uptime_s = time.monotonic() - self._started_s
            beat = heartbeat(self._sender, at=at, uptime_s=uptime_s, waiting=len(self._outbox))
            self._put("heartbeat", beat, Kind.STATE)

    def _pump(self) -> None:
        """Hand paho what waits, while the broker is there and not too much is under way."""
        if self.told.is_connected:
            for number, message in self._outbox.take(UNDER_WAY - self._outbox.under_way):
                is_state = message.kind is Kind.STATE and not message.topic.endswith("/heartbeat")
                info = self._client.publish(message.topic, message.payload, qos=1, retain=is_state)
                self._numbers[info.mid] = number
                self._topics[info.mid] = message.topic
        self.told.waiting = len(self._outbox)
        self.told.dropped = self._outbox.dropped

    def _say_goodbye(self) -> None:
        self._put("state", {"state": "offline"}, Kind.STATE)
        end_s = time.monotonic() + FAREWELL_S
        while self.told.is_connected and len(self._outbox) and time.monotonic() < end_s:
            self._pump()
            self._do_next(timeout_s=0.05)
        self.told.waiting = len(self._outbox)

    def _connected(self, code: Any) -> None:
        if code.is_failure:
            self.told.last_error = f"the broker refuses: {code}"
            return
        self.told.is_connected = True
        self.told.connections += 1
        self.told.last_error = None
        self._put("state", {"state": "online"}, Kind.STATE)

    def _disconnected(self, code: Any) -> None:
        # after a refusal the line goes down as well; the refusal says more
        if self.told.is_connected and code.is_failure:
            self.told.last_error = f"the connection broke off: {code}"
        self.told.is_connected = False

    def _failed(self, why: str) -> None:
        self.told.is_connected = False
        self.told.last_error = why

    def _published(self, mid: int, code: Any) -> None:
        """Settle what the broker acknowledged; that may also say "denied" (MQTT 5, 3.4.2.1)."""
        number, topic = self._numbers.pop(mid, None), self._topics.pop(mid, "")
        if number is None:
            return
        self._outbox.settle(number)
        if not code.is_failure:
            self.told.sent += 1
            return
        self.told.refused += 1
        self.told.last_error = f"the broker takes nothing under {topic}: {code}"
        if topic not in self._refused_topics:
            self._refused_topics.add(topic)
            self._report(
                f"telemetry: {self.told.last_error}; let its access list allow the node to write there"
            )

    def _topic(self, name: str) -> str:
        return f"{self._settings.topic}/{self._sender.node}/{name}"

    def _make_client(self, folder: Path, back_off_s: tuple[int, int]) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"noisewatch-{self._sender.node}", protocol=mqtt.MQTTv5
        )
        client.tls_set_context(tls_context(self._settings, folder))
        if self._settings.credentials_file:
            login = read_login(folder / self._settings.credentials_file)
            client.username_pw_set(login.user, login.password)
        client.will_set(self._topic("state"), json.dumps({"state": "offline"}), qos=1, retain=True)
        client.reconnect_delay_set(*back_off_s)
        client.max_inflight_messages_set(UNDER_WAY)
        todo = self._todo
        client.on_connect = lambda *said: todo.put(lambda: self._connected(said[3]))
        client.on_disconnect = lambda *said: todo.put(lambda: self._disconnected(said[3]))
        client.on_publish = lambda *said: todo.put(lambda: self._published(said[2], said[3]))
        client.on_connect_fail = lambda *_: todo.put(_failure(self._failed))
        return client


def _failure(tell: Callable[[str], None]) -> Callable[[], None]:
    """Return what tells why no connection came about; called where paho handles the exception."""
    error = sys.exc_info()[1]
    # an exception's own text may name addresses and files: its kind says enough
    why = "the broker can't be reached"
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"the broker's certificate is not trusted ({error.verify_message})"
    elif isinstance(error, OSError) and error.strerror:
        why = f"the broker can't be reached ({error.strerror})"
    return lambda: tell(why)


def tls_context(settings: TelemetrySection, folder: Path) -> ssl.SSLContext:
    """Return how the broker is checked, and what is shown to it; TLS 1.2 or newer.

    Raises
    ------
    ConfigurationError
        A file holds no certificate or key, or only one of the two is named.
    PermissionRefusedError
        Others can read the key.
    """
    authority = folder / settings.authority_file if settings.authority_file else None
    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError):
        raise ConfigurationError(
            "holds no certificate", where=f"telemetry.authority_file {authority}"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if bool(settings.certificate_file) != bool(settings.key_file):
        raise ConfigurationError(
            "name both or neither", where="telemetry.certificate_file, telemetry.key_file"
        )
    if settings.certificate_file:
        key = folder / settings.key_file
        read_secret(key)
        try:
            context.load_cert_chain(folder / settings.certificate_file, key)
        except (OSError, ssl.SSLError):
            raise ConfigurationError(
                "certificate and key can't be used together", where=f"telemetry.key_file {key}"
            ) from None
    return context
