"""A real MQTT broker with TLS, logins and an access list, started and stopped by the tests."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

RIG = Path(__file__).resolve().parents[1] / "live" / "rigs" / "start_mosquitto.sh"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Broker:
    """mosquitto on loopback; `node-01` may write under its own topic, `fleet` everywhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._pid = 0

    def start(self) -> Broker:
        """Make certificates and start, or start again what was killed."""
        if (self.folder / "m.conf").exists():
            environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
            started = subprocess.Popen(
                ["mosquitto", "-c", "m.conf"],
                cwd=self.folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._pid = started.pid
            self._process = started
            return self
        answer = subprocess.run(
            [str(RIG), str(self.folder), str(self.port)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        said = dict(word.split("=", 1) for word in shlex.split(answer.stdout) if "=" in word)
        self._pid = int(said["NW_MQTT_PID"])
        return self

    def keep(self, topic: str, *, seconds: float = 15.0) -> None:
        """Have it write down who subscribed to a topic: a killed broker forgets what it did not write."""
        kept = self.folder / "mosquitto.db"
        deadline = time.monotonic() + seconds
        while not (kept.exists() and topic.encode() in kept.read_bytes()):
            assert time.monotonic() < deadline, f"the broker did not keep the subscription to {topic}"
            os.kill(self._pid, signal.SIGUSR1)
            time.sleep(0.1)

    def kill(self) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            process = getattr(self, "_process", None)
            if process is not None:
                process.wait(timeout=10)
        self._pid = 0

    @property
    def authority(self) -> Path:
        return self.folder / "ca.crt"


class Listener:
    """Somebody of the fleet who hears everything.

    With a name its session outlives a broken line, and, after :meth:`Broker.keep`, the broker: what comes
    before it is back waits for it.
    """

    def __init__(self, broker: Broker, *, name: str = "") -> None:
        self.heard: list[tuple[str, dict[str, Any], bool]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600 if name else 0
        self._client.tls_set_context(ssl.create_default_context(cafile=broker.authority))
        self._client.username_pw_set("fleet", "pw-fleet")
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("noisewatch/#", qos=1)
        self._client.on_message = lambda _c, _u, message: self.heard.append(
            (message.topic, json.loads(message.payload), bool(message.retain))
        )
        self._client.connect("localhost", broker.port, keepalive=10, clean_start=not name, properties=session)
        self._client.loop_start()

    def under(self, name: str) -> list[dict[str, Any]]:
        """What was heard under a topic of the node so far."""
        return [payload for topic, payload, _ in list(self.heard) if topic.endswith(f"/{name}")]

    def wait(self, name: str, count: int, *, seconds: float = 15.0) -> list[dict[str, Any]]:
        """Wait until so many were heard; return what was."""
        deadline = time.monotonic() + seconds
        while len(self.under(name)) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.under(name)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
