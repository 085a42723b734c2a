"""Alerts go out: to a real program, to a real mail server over TLS; what fails is tried again."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from broker import free_port

from noisewatch.errors import PermissionRefusedError
from noisewatch.node.alerts import Alert
from noisewatch.node.channels import Dispatcher, Hook, Mail, ToBroker, channels_of, subject
from noisewatch.node.section import AlertsSection

DOCUMENT = Alert("deaf", "no sound for 40 s").document(
    node="genk-1", site="Stalenstraat", at="2026-05-04T10:00:00Z"
)


def wait_until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


def test_a_hook_gets_the_alert_on_its_input_and_nothing_as_an_argument(tmp_path: Path) -> None:
    script = tmp_path / "tell-us"
    script.write_text(
        f'#!/bin/sh\ncat > {tmp_path}/got\necho "$#" > {tmp_path}/count\nenv > {tmp_path}/env\n'
    )
    script.chmod(0o700)
    with Dispatcher([Hook((str(script),))]) as out:
        out.send(DOCUMENT)
        wait_until(lambda: (tmp_path / "env").exists())
    assert json.loads((tmp_path / "got").read_text()) == DOCUMENT
    assert (tmp_path / "count").read_text() == "0\n"
    assert "NOISEWATCH" not in (tmp_path / "env").read_text()
    assert (out.failures, out.given_up) == ({}, 0)


def test_a_hook_that_fails_is_tried_again_and_does_not_hold_up_the_others(tmp_path: Path) -> None:
    script = tmp_path / "tell-us"
    script.write_text(f"#!/bin/sh\ntest -e {tmp_path}/ready || exit 3\ncat > {tmp_path}/got\n")
    script.chmod(0o700)
    told: list[Mapping[str, Any]] = []
    with Dispatcher([Hook((str(script),)), ToBroker(told.append)], pauses_s=(0.05,)) as out:
        out.send(DOCUMENT)
        wait_until(lambda: bool(told) and out.failures == {"hook": "exit code 3"})
        (tmp_path / "ready").touch()
        wait_until(lambda: (tmp_path / "got").exists() and not out.failures)
    assert out.given_up == 0


class Inbox:
    """Keeps what arrives; logins other than the right one are refused."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    def authenticate(
        self, _server: object, _session: Session, _envelope: Envelope, _how: str, data: Any
    ) -> Any:
        is_right = isinstance(data, LoginPassword) and data.password == b"right"
        return AuthResult(success=is_right, handled=is_right)

    async def handle_DATA(self, _server: object, session: Session, envelope: Envelope) -> str:
        assert session.ssl is not None
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content.decode())
        return "250 taken"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mail")
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "city.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def inbox(certificate: Path) -> Iterator[tuple[Inbox, int]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "city.pem", certificate / "key.pem")
    box = Inbox()
    server = Controller(
        box,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        authenticator=box.authenticate,
        auth_required=True,
    )
    server.start()
    yield box, server.port
    server.stop()


def settings(port: int, **others: object) -> AlertsSection:
    return AlertsSection.model_validate(
        {
            "mail_host": "localhost",
            "mail_port": port,
            "mail_from": "box@example.org",
            "mail_to": ["a@example.org", "b@example.org"],
            "mail_credentials_file": "login",
            "mail_authority_file": "city.pem",
        }
        | others
    )


def write_login(folder: Path, password: str) -> None:
    (folder / "login").write_text(f"box:{password}\n")
    (folder / "login").chmod(0o600)


def test_a_mail_goes_out_over_starttls_with_a_login(inbox: tuple[Inbox, int], certificate: Path) -> None:
    box, port = inbox
    write_login(certificate, "right")
    (channel,) = channels_of(settings(port), certificate, tell_broker=None)
    with Dispatcher([channel]) as out:
        out.send(DOCUMENT)
        wait_until(lambda: bool(box.mails) or bool(out.failures))
    assert out.failures == {}
    assert "Subject: [noisewatch] genk-1, Stalenstraat: deaf" in box.mails[0]
    assert "no sound for 40 s" in box.mails[0]


def test_a_wrong_login_or_a_foreign_certificate_sends_nothing_and_tells_no_secret(
    inbox: tuple[Inbox, int], certificate: Path, tmp_path: Path
) -> None:
    box, port = inbox
    write_login(certificate, "wrong-and-secret")
    with Dispatcher([Mail(settings(port), certificate)], pauses_s=(60.0,)) as out:
        out.send(DOCUMENT)
        wait_until(lambda: bool(out.failures))
        assert out.failures == {"mail": "SMTPAuthenticationError 535"}
    write_login(tmp_path, "right")
    with Dispatcher([Mail(settings(port, mail_authority_file=""), tmp_path)], pauses_s=(60.0,)) as out:
        out.send(DOCUMENT)
        wait_until(lambda: bool(out.failures))
        assert "not trusted" in out.failures["mail"]
    assert box.mails == []


def test_a_login_that_others_can_read_is_refused(certificate: Path) -> None:
    write_login(certificate, "right")
    (certificate / "login").chmod(0o644)
    with pytest.raises(PermissionRefusedError):
        Mail(settings(2525), certificate)


def test_a_name_with_a_line_break_makes_no_header_of_its_own() -> None:
    assert "\n" not in subject(DOCUMENT | {"site": "a\nBcc: x@example.org"})
