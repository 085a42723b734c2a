"""The custody folder: keys behind a passphrase, people with roles, days that end."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from evidence_parts import Bench

from noisewatch.errors import (
    ConfigurationError,
    MissingInputError,
    PermissionRefusedError,
    UsageError,
)
from noisewatch.evidence import authority, custody, enrol, jsonform, keyring, log, people, seal
from noisewatch.evidence.people import Actor, Person

PASSPHRASE = "correct horse battery"


def ssh_keygen(folder: Path, name: str) -> Path:
    """A real SSH key pair, made by ssh-keygen."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path), "-C", "x"], check=True)
    return path


def appoint(
    folder: Path,
    name: str,
    role: str = "officer",
    *,
    valid_from: datetime | None = None,
    until: datetime | None = None,
) -> tuple[Person, Path]:
    """A person whose keys lie outside custody, as real people's do."""
    key = ssh_keygen(folder, name)
    identity = pyrage.x25519.Identity.generate()
    secret = key.with_name(f"{name}.age")
    secret.write_text(f"{identity}\n")
    secret.chmod(0o600)
    public = " ".join(key.with_name(f"{name}.pub").read_text().split()[:2])
    start = valid_from or datetime.now(UTC).replace(microsecond=0)
    return Person(name, role, public, str(identity.to_public()), "mayor", start, until, is_trial=False), key


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> custody.Custody:
    """A custody that is no trial, with an officer and a supervisor; tests only read it."""
    folder = tmp_path_factory.mktemp("real")
    made = custody.init(folder / "custody", trial=False, passphrase=PASSPHRASE, name="Stad Genk")
    for name, role in (("jan", "officer"), ("els", "supervisor")):
        custody.add_person(made, appoint(folder / "keys", name, role)[0])
    return made


def test_a_trial_has_an_officer_a_supervisor_and_keys_for_today(bench: Bench) -> None:
    assert [(one.name, one.role, one.is_trial) for one in people.read_all(bench.custody.people)] == [
        ("officer", "officer", True),
        ("supervisor", "supervisor", True),
    ]
    assert datetime.now(UTC).date() in keyring.days(bench.custody.keyring)
    assert bench.custody.is_trial


def test_every_secret_of_a_custody_is_readable_by_its_owner_only(bench: Bench) -> None:
    folder = bench.custody.folder
    secrets = [
        folder / "authority" / "ca.key",
        folder / "authority" / "log.key",
        bench.node / "keys" / "node.key",
    ]
    secrets += [folder / "people" / name / part for name in people.ROLES for part in ("ssh", "age.txt")]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in secrets)


def test_what_a_verifier_is_given_holds_no_secret(bench: Bench) -> None:
    names = sorted(path.name for path in bench.custody.trust.iterdir())
    assert names == ["allowed_signers", "ca.pem", "revoked", "revoked_nodes"]
    for path in bench.custody.trust.iterdir():
        assert b"PRIVATE" not in path.read_bytes()


def test_ssh_keygen_verifies_what_a_trial_officer_signs_for_its_namespace_only(
    bench: Bench, tmp_path: Path
) -> None:
    key = bench.custody.people / "officer" / "ssh"
    (tmp_path / "data").write_bytes(b"package")

    def verify(namespace: str, principal: str = "officer") -> int:
        command = ["ssh-keygen", "-Y", "verify", "-f", str(bench.custody.trust / "allowed_signers")]
        command += ["-I", principal, "-n", namespace, "-s", str(tmp_path / "data.sig")]
        return subprocess.run(
            command,
            input=b"package",
            capture_output=True,
            check=False,
            env={"TZ": "UTC0", "PATH": "/usr/bin:/bin"},
        ).returncode

    for namespace in ("noisewatch-package", "noisewatch-access"):
        (tmp_path / "data.sig").unlink(missing_ok=True)
        sign = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace, str(tmp_path / "data")]
        subprocess.run(sign, check=True, capture_output=True)
        assert verify(namespace) == 0
        assert verify(namespace, "supervisor") != 0
        assert verify("noisewatch-other") != 0


def test_a_supervisors_key_may_not_sign_a_package(bench: Bench) -> None:
    lines = (bench.custody.trust / "allowed_signers").read_text().splitlines()
    assert 'namespaces="noisewatch-access,noisewatch-package"' in lines[0]
    assert 'namespaces="noisewatch-access,noisewatch-approve",' in lines[1]


def test_a_real_custody_needs_a_passphrase_that_is_long_enough(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a passphrase"):
        custody.init(tmp_path / "a", trial=False)
    with pytest.raises(UsageError, match="shorter than 12"):
        custody.init(tmp_path / "b", trial=False, passphrase="short")
    assert not list((tmp_path / "b").iterdir()), "nothing half-made stays"


def test_the_authority_opens_with_its_passphrase_only_and_never_quotes_it(real: custody.Custody) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    for wrong in (None, "not the passphrase"):
        with pytest.raises(PermissionRefusedError) as caught:
            custody.enroll_node(real, "box-1", key, passphrase=wrong)
        assert "not the passphrase" not in caught.value.line()
    assert custody.enroll_node(real, "box-1", key, passphrase=PASSPHRASE).startswith(
        b"-----BEGIN CERTIFICATE"
    )
    assert b"ENCRYPTED" in (real.authority / "ca.key").read_bytes()


def test_a_real_custody_makes_a_node_that_is_no_trial(real: custody.Custody, tmp_path: Path) -> None:
    keys = enrol.prepare_node(tmp_path / "node", real.folder, name="box-2", passphrase=PASSPHRASE)
    assert not keys.is_trial
    assert len(keys.days) == custody.BUNDLE_DAYS
    assert keys.custody == "Stad Genk"


def test_without_people_no_day_key_is_made_that_nobody_could_open(tmp_path: Path) -> None:
    made = custody.init(tmp_path / "custody", trial=False, passphrase=PASSPHRASE)
    with pytest.raises(ConfigurationError, match=r"there is no officer.*custody add"):
        custody.make_bundle(made, passphrase=PASSPHRASE)
    assert keyring.days(made.keyring) == []


def test_a_custody_is_not_made_where_something_lies(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match="is not empty"):
        custody.init(tmp_path, trial=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version = 1",
        "version = 2\nname='x'\ntrial=true\ncreated_at='2026-01-01T00:00:00Z'",
        "a=" + "[" * 5000,
    ],
)
def test_a_damaged_custody_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "custody.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"custody\.toml"):
        custody.open_custody(tmp_path)


def test_a_folder_that_is_no_custody_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a custody folder"):
        custody.open_custody(tmp_path)


def test_a_failed_enrolment_leaves_nothing_of_the_node(real: custody.Custody, tmp_path: Path) -> None:
    with pytest.raises(PermissionRefusedError):
        enrol.prepare_node(tmp_path / "node", real.folder, name="box-3", passphrase="wrong, quite wrong")
    assert not any((tmp_path / "node" / part).exists() for part in enrol.PARTS)


def test_a_node_is_not_made_over_another(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="is there already"):
        enrol.prepare_node(bench.node, bench.custody.folder, name="box-1")


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 41, "-x"])
def test_a_node_name_that_is_none_is_refused(bench: Bench, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="node name"):
        enrol.prepare_node(tmp_path / "node", bench.custody.folder, name=name)


def test_openssl_finds_the_authority_and_the_role_in_a_certificate(bench: Bench) -> None:
    chain = ["openssl", "verify", "-CAfile", str(bench.custody.authority / "ca.pem")]
    for pem in (bench.node / "keys" / "node.pem", bench.custody.authority / "log.pem"):
        assert subprocess.run([*chain, str(pem)], capture_output=True, check=False).returncode == 0
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(bench.node / "keys" / "node.pem"), "-noout", "-subject", "-purpose"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "OU = noisewatch node, CN = box-1" in shown
    assert "S/MIME signing : Yes" in shown
    assert "SSL server CA : No" in shown


def test_people_act_by_the_file_of_their_key(real: custody.Custody) -> None:
    key = real.folder.parent / "keys" / "jan"
    actor = real.find_person(str(key))
    assert actor.name == "jan"
    assert str(actor.identity().to_public()) == actor.person.age_recipient
    assert real.find_person(str(key.with_name("jan.pub"))).name == "jan"
    key_without_public = real.folder.parent / "keys" / "copy"
    key_without_public.write_bytes(key.read_bytes())
    key_without_public.chmod(0o600)
    assert real.find_person(str(key_without_public)).name == "jan"


def test_a_name_whose_keys_are_elsewhere_asks_for_the_key_file(real: custody.Custody) -> None:
    with pytest.raises(MissingInputError, match="give --as KEYFILE"):
        real.find_person("jan")


def test_nobody_acts_with_a_key_that_was_not_appointed(real: custody.Custody, tmp_path: Path) -> None:
    with pytest.raises(PermissionRefusedError, match="nobody who was appointed"):
        real.find_person(str(ssh_keygen(tmp_path, "stranger")))
    with pytest.raises(MissingInputError, match="neither a person of this custody nor a key file"):
        real.find_person("nobody")


def test_an_appointment_that_ended_or_has_not_begun_or_was_revoked_is_refused(real: custody.Custody) -> None:
    folder = real.folder.parent / "keys"
    now = datetime.now(UTC).replace(microsecond=0)
    gone, gone_key = appoint(
        folder, "gone", valid_from=now - timedelta(days=2), until=now - timedelta(days=1)
    )
    soon, soon_key = appoint(folder, "soon", valid_from=now + timedelta(days=1))
    for person in (gone, soon):
        custody.add_person(real, person)
    with pytest.raises(PermissionRefusedError, match="has ended"):
        real.find_person(str(gone_key))
    with pytest.raises(PermissionRefusedError, match="has not begun"):
        real.find_person(str(soon_key))
    assert real.find_person(str(soon_key), now=now + timedelta(days=2)).name == "soon"
    revoked = (gone.ssh_public + " gone\n").encode()
    with pytest.raises(PermissionRefusedError, match="was revoked"):
        people.find(real.people, str(gone_key), revoked=revoked, now=now - timedelta(hours=36))


def test_an_identity_of_somebody_else_or_readable_by_others_is_refused(bench: Bench, tmp_path: Path) -> None:
    officer = bench.custody.find_person("officer")
    other = replace(officer, age_path=bench.custody.people / "supervisor" / "age.txt")
    with pytest.raises(PermissionRefusedError, match="is not the identity of officer"):
        other.identity()
    officer.age_path.chmod(0o640)
    with pytest.raises(PermissionRefusedError, match=r"age\.txt: this secret can be used by others"):
        officer.identity()


def test_an_identity_behind_a_passphrase_opens_with_it_only(bench: Bench, tmp_path: Path) -> None:
    officer = bench.custody.find_person("officer")
    sealed = tmp_path / "officer.age"
    sealed.write_bytes(pyrage.passphrase.encrypt(officer.age_path.read_bytes(), "a passphrase"))
    sealed.chmod(0o600)
    actor = Actor(officer.person, officer.ssh_key, sealed)
    with pytest.raises(PermissionRefusedError, match="give its passphrase"):
        actor.identity()
    with pytest.raises(PermissionRefusedError, match="does not open") as caught:
        actor.identity(passphrase="another one")
    assert "another one" not in caught.value.line()
    assert str(actor.identity(passphrase="a passphrase").to_public()) == officer.person.age_recipient


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"name": "../x"}, "the name"),
        ({"name": "Jan"}, "the name"),
        ({"role": "mayor"}, "the role"),
        ({"ssh_public": "ssh-ed25519 AAAA\nevil ssh-ed25519 BBBB"}, "the SSH key"),
        ({"ssh_public": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "the SSH key"),
        ({"age_recipient": "age1nothing"}, "the age recipient"),
        ({"name": "officer"}, "is a person of this custody already"),
    ],
)
def test_a_person_with_a_wrong_part_is_refused(
    bench: Bench, tmp_path: Path, change: dict[str, str], what: str
) -> None:
    person = replace(appoint(tmp_path, "piet")[0], **change)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=what):
        custody.add_person(bench.custody, person)
    assert len(people.read_all(bench.custody.people)) == 2


def test_a_newcomer_opens_new_days_and_old_ones_only_where_a_colleague_shares_them(
    bench: Bench, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    piet, _ = appoint(tmp_path, "piet")
    mia, _ = appoint(tmp_path, "mia")
    assert custody.add_person(bench.custody, piet) == 0
    shared = custody.add_person(bench.custody, mia, sharer=bench.custody.find_person("officer"))
    assert shared == len(keyring.days(bench.custody.keyring))
    assert set(keyring.read(bench.custody.keyring, today)["officer"]["wraps"]) == {"officer", "mia"}
    custody.make_bundle(bench.custody, days=60)
    new = keyring.read(bench.custody.keyring, today + timedelta(days=59))
    assert set(new["officer"]["wraps"]) == {"officer", "piet", "mia"}
    assert set(new["supervisor"]["wraps"]) == {"supervisor"}


def test_a_supervisor_cannot_share_the_officers_days(bench: Bench, tmp_path: Path) -> None:
    piet, _ = appoint(tmp_path, "piet")
    with pytest.raises(PermissionRefusedError, match="only another officer"):
        custody.add_person(bench.custody, piet, sharer=bench.custody.find_person("supervisor"))
    assert not (bench.custody.people / "piet").exists()


def test_making_a_bundle_again_keeps_the_keys_of_days_that_are_there(bench: Bench) -> None:
    before = bench.keys.days
    data, signature = custody.make_bundle(bench.custody, days=3)
    again = seal.DayKeys.from_signed(data, signature, authority_pem=bench.custody.authority_pem())
    assert all(before[day] == key for day, key in again.days.items())


def test_days_end_with_their_clips_and_what_was_approved_of_them(bench: Bench) -> None:
    today = datetime.now(UTC).date()
    (bench.custody.approved / "event-1.age").write_bytes(b"x")
    (bench.custody.approved / "event-1.day").write_text(today.isoformat())
    assert custody.expire(bench.custody) == []
    assert (bench.custody.approved / "event-1.age").exists()
    over = seal.start_of_day(today) + timedelta(days=2)
    assert custody.expire(bench.custody, now=over) == [today]
    assert not list(bench.custody.approved.iterdir())
    with pytest.raises(MissingInputError, match="the day has ended"):
        keyring.read(bench.custody.keyring, today)
    noted = [row.entry.target for row in bench.custody.log().entries() if row.entry.action == "erasure"]
    assert noted == [today.isoformat(), "event-1"]


def test_a_real_day_lives_to_its_month_and_not_longer(tmp_path: Path, real: custody.Custody) -> None:
    first = date(2026, 2, 1)
    keyring.make_days(tmp_path / "keyring", people.read_all(real.people), first=first, count=3)
    end = datetime(2026, 3, 1, tzinfo=UTC)
    assert keyring.expire(tmp_path / "keyring", now=end - timedelta(seconds=1), is_trial=False) == []
    assert keyring.expire(tmp_path / "keyring", now=end, is_trial=False) == [first]


def test_a_damaged_day_is_named(bench: Bench) -> None:
    today = datetime.now(UTC).date()
    path = keyring.path_of(bench.custody.keyring, today)
    document = jsonform.bytes_to_document(path.read_bytes())
    for broken in (b"{}", b"not json", jsonform.document_to_bytes({**document, "day": "2020-01-01"})):
        path.write_bytes(broken)
        with pytest.raises(ConfigurationError, match=f"{today}.json: does not hold the keys"):
            keyring.read(bench.custody.keyring, today)


def test_every_entry_of_a_trial_says_so_and_the_log_verifies(bench: Bench) -> None:
    rows = list(bench.custody.log().entries())
    assert rows
    assert all(row.entry.details["trial"] is True for row in rows)
    pem = bench.custody.authority_pem()
    assert log.verify(bench.custody.log_path, authority_pem=pem, role=seal.ROLE_CUSTODY_LOG).valid


def test_a_damaged_authority_key_is_refused(bench: Bench) -> None:
    (bench.custody.authority / "ca.key").write_bytes(
        b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"
    )
    with pytest.raises(ConfigurationError, match=r"ca\.key: is not a private key"):
        authority.load_key(bench.custody.authority, passphrase=None)
