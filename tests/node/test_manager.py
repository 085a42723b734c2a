"""What the service manager hears of a run: ready, alive only while blocks are processed, ending; no level."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

from noisewatch.errors import PermissionRefusedError
from noisewatch.evidence import custody, durable, enrol
from noisewatch.evidence.seal import NodeSigner
from noisewatch.node.config import parse_config, render_config
from noisewatch.node.manager import WORDS_EVERY_S, ServiceManager, heard_in_words
from noisewatch.node.service import RunRequest, run_node


class Listener:
    """A datagram socket as systemd has it; what it heard, one assignment a line."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        lines: list[str] = []
        while True:
            try:
                lines += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    # a socket's address is short: name it from its own folder
    monkeypatch.chdir(tmp_path)
    made = Listener("notify")
    yield made
    made.socket.close()


def until(ended: threading.Event) -> Iterator[None]:
    """Come by every millisecond, and once more at the end."""
    while not ended.wait(0.001):
        yield
    yield


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_nobody_is_told_where_nobody_listens() -> None:
    assert not ServiceManager.from_environment({}).ready("listening")
    assert not ServiceManager.from_environment({"NOTIFY_SOCKET": "not an address"}).ready("listening")


def test_an_address_in_the_abstract_namespace_is_understood() -> None:
    name = f"noisewatch-test-{os.getpid()}"
    heard = Listener(f"\0{name}")
    assert ServiceManager.from_environment({"NOTIFY_SOCKET": f"@{name}"}).ready("listening")
    assert heard.heard() == ["READY=1", "STATUS=listening"]
    heard.socket.close()


def test_a_manager_that_went_away_ends_no_run(listener: Listener, tmp_path: Path) -> None:
    manager = ServiceManager(str(tmp_path / "notify"))
    (tmp_path / "notify").unlink()
    assert not manager.ready("listening")
    manager.beat(lambda: "listening")
    manager.ending("ending")
    assert listener.heard() == []


def test_a_manager_that_does_not_read_delays_nothing(listener: Listener, tmp_path: Path) -> None:
    clock = Clock()
    manager = ServiceManager(str(tmp_path / "notify"), watchdog_s=4.0, monotonic=clock)
    for _ in range(2000):
        clock.now_s += 1.0
        manager.beat(lambda: "listening")
    assert "WATCHDOG=1" in listener.heard()


def test_beats_come_four_times_as_often_as_they_must_and_no_oftener(
    listener: Listener, tmp_path: Path
) -> None:
    clock = Clock()
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "40000000"}
    made = ServiceManager.from_environment(environment)
    manager = ServiceManager(str(tmp_path / "notify"), watchdog_s=40.0, monotonic=clock)
    assert made._beat_every_s == manager._beat_every_s == 10.0
    for _ in range(1000):
        manager.beat(lambda: "listening")
        clock.now_s += 0.1
    assert listener.heard().count("WATCHDOG=1") == 10


@pytest.mark.parametrize(
    "environment",
    [{"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}],
)
def test_a_watchdog_that_is_not_ours_gets_no_beat(
    listener: Listener, tmp_path: Path, environment: dict[str, str]
) -> None:
    manager = ServiceManager.from_environment({"NOTIFY_SOCKET": str(tmp_path / "notify"), **environment})
    manager.beat(lambda: "listening")
    assert listener.heard() == ["STATUS=listening"]


def test_words_stay_on_one_line_so_that_they_assign_nothing_else(listener: Listener, tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "notify")).ready("a camera\nMAINPID=1")
    assert listener.heard() == ["READY=1", "STATUS=a camera MAINPID=1"]


def test_words_are_renewed_every_ten_seconds(listener: Listener, tmp_path: Path) -> None:
    clock = Clock()
    manager = ServiceManager(str(tmp_path / "notify"), monotonic=clock)
    for events in range(100):
        manager.beat(lambda events=events: heard_in_words({"events": events}, has_picture=True))
        clock.now_s += WORDS_EVERY_S / 10
    told = [line for line in listener.heard() if line.startswith("STATUS=")]
    assert len(told) == 10
    assert told[1] == "STATUS=listening and looking; 10 events, 0 of them sealed"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    custody.init(tmp_path / "custody", trial=True)
    enrol.prepare_node(tmp_path / "node", tmp_path / "custody", name="node-1")
    (tmp_path / "node" / "node.toml").write_text(render_config(parse_config(b"", where=Path("node.toml"))))
    return tmp_path / "node"


def test_a_run_tells_that_it_is_ready_alive_and_ending_and_never_a_level(
    listener: Listener, tmp_path: Path, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "400")
    noise = np.random.default_rng(1).normal(0.0, 0.01, 5 * 48_000)
    soundfile.write(tmp_path / "street.wav", noise, 48_000)
    said: list[str] = []
    heard: list[str] = []
    reading = threading.Event()
    # as systemd does: a queue that nobody reads is full after ten messages
    reader = threading.Thread(target=lambda: [heard.extend(listener.heard()) for _ in until(reading)])
    reader.start()
    run_node(
        RunRequest(
            config_path=node / "node.toml",
            audio=(str(tmp_path / "street.wav"),),
            at_real_pace=False,
            started_at=datetime(2026, 11, 22, tzinfo=UTC),
        ),
        emit=lambda document, human: said.append(human),
        report=said.append,
    )
    reading.set()
    reader.join()
    assert heard[0] == "READY=1"
    assert heard[1].startswith("STATUS=listening; memory ")
    assert heard[-2:] == ["STOPPING=1", "STATUS=sealing what was recorded, then ending"]
    # one block is a tenth of a second: each of them beats here, and nothing else does
    assert 20 <= heard.count("WATCHDOG=1") <= 50
    assert not any("dB" in line for line in heard)


def test_the_key_that_the_manager_hands_over_counts_before_the_one_in_the_folder(
    tmp_path: Path, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = tmp_path / "credentials"
    handed.mkdir()
    (node / "keys" / "node.key").rename(handed / "node.key")
    # systemd lets the service's user in by an access list: its mask shows as the group's right to read
    (handed / "node.key").chmod(0o440)
    monkeypatch.setenv(durable.CREDENTIALS, str(handed))
    assert NodeSigner.from_folder(node / "keys").name == "node-1"


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o441])
def test_a_handed_key_that_others_can_use_is_refused_all_the_same(
    tmp_path: Path, node: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    (node / "keys" / "node.key").chmod(mode)
    monkeypatch.setenv(durable.CREDENTIALS, str(node / "keys"))
    with pytest.raises(PermissionRefusedError, match="can be used by others"):
        NodeSigner.from_folder(node / "keys")


def test_an_access_list_is_no_excuse_outside_the_manager_s_folder(node: Path) -> None:
    key = node / "keys" / "node.key"
    key.chmod(0o440)
    assert stat.S_IMODE(key.stat().st_mode) == 0o440
    with pytest.raises(PermissionRefusedError, match="can be used by others"):
        NodeSigner.from_folder(node / "keys")
