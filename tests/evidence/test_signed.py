"""A request counts only where its person signed it, for this purpose, now, and never twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sealed

from noisewatch.errors import InputError, NoisewatchError, PermissionRefusedError, UsageError
from noisewatch.evidence import consult, custody, jsonform, people, signed, sshsig
from noisewatch.evidence.signed import SignedRequest

EVENT = "ev-20260301-0001"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("custody") / "custody"
    custody.init(folder, trial=True, days=2, now=NOW - timedelta(hours=1))
    return folder


@pytest.fixture
def opened(made: Path, tmp_path: Path) -> custody.Custody:
    shutil.copytree(made, tmp_path / "custody")
    return custody.open_custody(tmp_path / "custody")


def ask(
    opened: custody.Custody, *, who: str = "officer", action: str = "disclosure", at: datetime = NOW
) -> SignedRequest:
    return signed.sign(
        opened.find_person(who),
        opened,
        action=action,
        target=EVENT,
        why=sealed.REASON,
        reason_code="complaint",
        case=sealed.CASE,
        at=at,
    )


def admit(
    opened: custody.Custody, request: SignedRequest, *, action: str = "disclosure", target: str = EVENT
) -> SignedRequest:
    return signed.admit(opened, request.data, request.signature, action=action, target=target, now=NOW)


def resigned(opened: custody.Custody, request: SignedRequest, **changes: object) -> SignedRequest:
    """The request with changes, signed again by the officer."""
    data = jsonform.document_to_bytes({**request.document, **changes}) + b"\n"
    key = opened.people / "officer" / "ssh"
    return SignedRequest({}, data, sshsig.sign(data, key=key, namespace=sshsig.ACCESS_NAMESPACE))


def test_a_signed_request_is_admitted_and_says_everything(opened: custody.Custody) -> None:
    document = admit(opened, ask(opened)).document
    asked = {"who": "officer", "action": "disclosure", "target": EVENT, "case": sealed.CASE}
    assert asked.items() <= document.items()
    assert document["why"] == sealed.REASON
    assert document["reason_code"] == "complaint"
    assert len(document["nonce"]) == 32


def test_a_request_is_admitted_once(opened: custody.Custody) -> None:
    request = ask(opened)
    admit(opened, request)
    with pytest.raises(PermissionRefusedError, match="used before"):
        admit(opened, request)
    # a new spelling of the signature does not help: it is the nonce that counts
    with pytest.raises(PermissionRefusedError, match="used before"):
        admit(opened, resigned(opened, request))


@pytest.mark.parametrize("shift", [timedelta(minutes=-6), timedelta(minutes=6), timedelta(days=-400)])
def test_a_request_that_is_not_of_now_is_refused(shift: timedelta, opened: custody.Custody) -> None:
    with pytest.raises(PermissionRefusedError, match=r"old|ahead"):
        admit(opened, ask(opened, at=NOW + shift))
    assert not (opened.folder / "requests").exists()


@pytest.mark.parametrize(("action", "target"), [("consultation", EVENT), ("disclosure", "ev-20260301-0002")])
def test_a_request_for_one_thing_is_none_for_another(
    action: str, target: str, opened: custody.Custody
) -> None:
    with pytest.raises(PermissionRefusedError, match="about something else"):
        admit(opened, ask(opened), action=action, target=target)


@pytest.mark.parametrize(("who", "action"), [("supervisor", "disclosure"), ("officer", "approval")])
def test_a_person_of_another_role_is_refused(who: str, action: str, opened: custody.Custody) -> None:
    with pytest.raises(PermissionRefusedError, match=r"needs the role|not permitted"):
        admit(opened, ask(opened, who=who, action=action), action=action)


def test_a_request_for_another_custody_is_refused(opened: custody.Custody) -> None:
    with pytest.raises(PermissionRefusedError, match="about something else"):
        admit(opened, resigned(opened, ask(opened), custody="elsewhere"))


def test_a_signature_over_a_package_is_none_over_a_request(opened: custody.Custody) -> None:
    request = ask(opened)
    key = opened.people / "officer" / "ssh"
    other = sshsig.sign(request.data, key=key, namespace=sshsig.PACKAGE_NAMESPACE)
    with pytest.raises(PermissionRefusedError, match="namespace"):
        admit(opened, replace(request, signature=other))


def test_a_request_in_the_name_of_another_is_refused(opened: custody.Custody) -> None:
    with pytest.raises(PermissionRefusedError, match="signed by officer"):
        admit(opened, resigned(opened, ask(opened), who="supervisor"))


def test_a_stranger_is_refused(opened: custody.Custody, tmp_path: Path) -> None:
    key = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    request = ask(opened)
    signature = sshsig.sign(request.data, key=key, namespace=sshsig.ACCESS_NAMESPACE)
    with pytest.raises(PermissionRefusedError, match="not among the allowed signers"):
        admit(opened, replace(request, signature=signature))


def test_a_revoked_key_and_an_ended_appointment_are_refused(opened: custody.Custody) -> None:
    request = ask(opened)
    person = people.read(opened.people / "officer")
    (opened.trust / "revoked").write_text(f"{person.ssh_public}\n")
    with pytest.raises(PermissionRefusedError, match="revoked"):
        admit(opened, request)
    (opened.trust / "revoked").write_text("")
    people.write(opened.people, replace(person, valid_until=NOW + timedelta(seconds=30)))
    custody.write_trust(opened)
    late = NOW + timedelta(minutes=1)
    with pytest.raises(PermissionRefusedError, match="not among the allowed signers"):
        signed.admit(opened, request.data, request.signature, action="disclosure", target=EVENT, now=late)


@pytest.mark.parametrize("bad", [b"", b"{}\n", b"[" * 100_000, b'{"who":"officer"}\n', b"\xff"])
def test_what_is_no_request_is_refused_unread(bad: bytes, opened: custody.Custody) -> None:
    with pytest.raises(InputError):
        signed.admit(opened, bad, b"", action="disclosure", target=EVENT, now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "../../etc/passwd"},
        {"nonce": ""},
        {"who": "../officer"},
        {"reason_code": "curiosity"},
        {"at": 3},
    ],
)
def test_a_key_that_is_not_of_the_form_is_refused(
    changes: dict[str, object], opened: custody.Custody
) -> None:
    with pytest.raises(InputError):
        admit(opened, resigned(opened, ask(opened), **changes))


def test_a_reason_outside_the_list_is_refused_before_it_is_signed(opened: custody.Custody) -> None:
    with pytest.raises(UsageError, match="--reason-code"):
        signed.check_reason_code("curiosity")


def test_the_log_alone_shows_who_signed_what(tmp_path: Path) -> None:
    place = sealed.make_place(tmp_path)
    who = {"as_": "officer", "reason": sealed.REASON, "case": sealed.CASE, "reason_code": "court"}
    consult.consult(place.event_id, **who, node=place.node, custody=place.custody)
    line = (place.custody / "log" / "custody.jsonl").read_text().splitlines()[-1]
    details = json.loads(line)["details"]
    assert details["reason_code"] == "court"
    signer = sshsig.verify(
        details["request"].encode(),
        details["request_signature"].encode(),
        allowed_signers=(place.trust / "allowed_signers").read_bytes(),
        namespace=sshsig.ACCESS_NAMESPACE,
        at=datetime.now(UTC),
    )
    assert signer == "officer"
    assert json.loads(details["request"])["target"] == place.event_id


def test_an_officer_whose_key_is_in_an_agent_alone_can_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = sealed.make_place(tmp_path)
    person, key = place.custody / "people" / "officer", tmp_path / "id"
    for name, target in (("ssh", "id"), ("ssh.pub", "id.pub"), ("age.txt", "id.age")):
        shutil.copy(person / name, tmp_path / target)
    socket = Path(f"/tmp/nw-agent-{os.getpid()}")  # noqa: S108  a socket's path must be short
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        for _ in range(100):
            done = subprocess.run(["ssh-add", "-q", str(key)], capture_output=True, check=False)
            if done.returncode == 0:
                break
        key.unlink()
        ask_ = {"as_": str(tmp_path / "id.pub"), "reason": sealed.REASON, "case": sealed.CASE}
        seen = consult.consult(place.event_id, **ask_, node=place.node, custody=place.custody)
        assert seen.viewing == place.clips["viewing"]
        subprocess.run(["ssh-add", "-q", "-D"], check=True, capture_output=True)
        with pytest.raises(NoisewatchError, match="does not sign"):
            consult.consult(place.event_id, **ask_, node=place.node, custody=place.custody)
    finally:
        agent.terminate()
        agent.wait()
        socket.unlink(missing_ok=True)
