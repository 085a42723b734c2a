"""Notices over a real broker: what arrives, what is kept while it is away, what it refuses."""

from __future__ import annotations

import gc
import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from broker import Broker, Listener
from made_notices import SENDER, made_event, made_hour

from noisewatch.node.section import TelemetrySection
from noisewatch.node.telemetry import Telemetry

pytestmark = pytest.mark.live
STARTED = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "noisewatch" / "node" / "notice.schema.json").read_text()
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
        pytest.fail("mosquitto is missing: apt-get install mosquitto")
    broker = Broker(tmp_path / "broker").start()
    yield broker
    broker.kill()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    listener = Listener(broker)
    yield listener
    listener.close()


@pytest.fixture
def telemetry(broker: Broker, tmp_path: Path) -> Callable[..., Telemetry]:
    (tmp_path / "login").write_text("node-01:pw-node\n")
    (tmp_path / "wrong").write_text("node-01:other\n")
    for name in ("login", "wrong"):
        (tmp_path / name).chmod(0o600)
    shutil.copy(broker.authority, tmp_path / "city.pem")

    def make(*, report: list[str] | None = None, **settings: object) -> Telemetry:
        wanted = {"authority_file": "city.pem", "credentials_file": "login", "heartbeat_s": 5.0} | settings
        return Telemetry(
            TelemetrySection(host="localhost", port=broker.port, **wanted),
            sender=SENDER,
            folder=tmp_path,
            health=lambda: ("degraded", ("the camera is covered",)),
            now=lambda: STARTED,
            report=(report if report is not None else []).append,
            back_off_s=(1, 1),
        )

    return make


def wait_until(condition: Callable[[], bool], *, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def test_an_event_an_hour_and_the_state_arrive_and_the_state_stays(
    broker: Broker, listener: Listener, telemetry: Callable[..., Telemetry]
) -> None:
    with telemetry() as told:
        told.tell_event(made_event(), started_at=STARTED)
        told.tell_hour(made_hour(STARTED))
        (event,) = listener.wait("event", 1)
        (hour,) = listener.wait("hour", 1)
        wait_until(lambda: told.told.waiting == 0 and told.told.sent >= 4)
        late = Listener(broker)
        assert late.wait("state", 1) == [{"state": "online"}]
        assert late.wait("health", 1)[0]["reasons"] == ["the camera is covered"]
        late.close()
    for notice in (event, hour):
        jsonschema.validate(notice, SCHEMA)
    assert event["clip"] == made_event().id
    assert hour["eventsBySignature"] == {"exhaust": 1}
    assert listener.wait("state", 2)[-1] == {"state": "offline"}


def test_while_the_broker_is_away_notices_wait_in_order_and_none_is_lost(
    broker: Broker, telemetry: Callable[..., Telemetry]
) -> None:
    # whichever of the two finds the broker first: what is published before the fleet is back waits for it
    listener = Listener(broker, name="fleet-that-is-kept")
    broker.keep("noisewatch/#")
    with telemetry() as told:
        wait_until(lambda: told.told.is_connected)
        broker.kill()
        wait_until(lambda: not told.told.is_connected)
        for number in range(60):
            told.tell_event(made_event(number), started_at=STARTED)
        wait_until(lambda: told.told.waiting >= 60)
        broker.start()
        heard = listener.wait("event", 60, seconds=20)
        wait_until(lambda: told.told.waiting == 0)
    listener.close()
    ids = list(dict.fromkeys(notice["clip"] for notice in heard))
    assert ids == [made_event(number).id for number in range(60)]
    assert told.told.dropped == 0
    assert told.told.connections == 2


def test_what_the_access_list_denies_is_noticed_and_said_once(
    listener: Listener, telemetry: Callable[..., Telemetry]
) -> None:
    said: list[str] = []
    with telemetry(topic="elsewhere", report=said) as told:
        told.tell_event(made_event(), started_at=STARTED)
        told.tell_event(made_event(1), started_at=STARTED)
        wait_until(lambda: told.told.refused >= 2)
    about_events = [line for line in said if "/event" in line]
    assert len(about_events) == 1
    assert "Not authorized" in about_events[0]
    assert listener.under("event") == []


# paho leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_wrong_login_and_a_foreign_certificate_are_told_in_words(
    telemetry: Callable[..., Telemetry], tmp_path: Path
) -> None:
    with telemetry(credentials_file="wrong") as told:
        wait_until(lambda: "Not authorized" in (told.told.last_error or ""))
    with telemetry(authority_file="") as told:
        wait_until(lambda: "certificate is not trusted" in (told.told.last_error or ""))
        assert not told.told.is_connected
    gc.collect()


def test_where_the_box_falls_silent_the_broker_says_offline(
    broker: Broker, listener: Listener, telemetry: Callable[..., Telemetry]
) -> None:
    with telemetry() as told:
        wait_until(lambda: told.told.is_connected)
        assert listener.wait("state", 1) == [{"state": "online"}]
        # a box that loses its power says no goodbye
        told._client.socket().close()  # type: ignore[union-attr]
        assert {"state": "offline"} in listener.wait("state", 2)
