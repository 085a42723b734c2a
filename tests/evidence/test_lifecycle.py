"""People leave, lose keys and come back; boxes get bundles and are distrusted; days end and stay ended."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from evidence_parts import Bench

from noisewatch.errors import (
    AnswerIsNo,
    ConfigurationError,
    MissingInputError,
    PermissionRefusedError,
    UsageError,
)
from noisewatch.evidence import custody, keyring, lifecycle, people, seal, sshsig
from noisewatch.evidence.people import Person

WHY = "left the service on the first of May"
NOW = datetime.now(UTC)
TODAY = NOW.date()
TOMORROW = TODAY + timedelta(days=1)


def appoint(bench: Bench, folder: Path, name: str, role: str = "officer") -> tuple[Path, Path]:
    """Appoint somebody whose keys lie outside custody, with the days that exist; return both secrets."""
    folder.mkdir(exist_ok=True)
    ssh, public, recipient, secret = make_keys(folder, name)
    person = Person(name, role, public, recipient, "mayor", NOW.replace(microsecond=0), None, is_trial=True)
    custody.add_person(bench.custody, person, sharer=bench.custody.find_person(role))
    return ssh, secret


def make_keys(folder: Path, name: str) -> tuple[Path, str, str, Path]:
    """Make a real SSH key and an age identity."""
    ssh = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(ssh), "-C", "x"], check=True)
    identity = pyrage.x25519.Identity.generate()
    secret = folder / f"{name}.age"
    secret.write_text(f"{identity}\n")
    secret.chmod(0o600)
    public = " ".join(ssh.with_name(f"{name}.pub").read_text().split()[:2])
    return ssh, public, str(identity.to_public()), secret


def opened_by(bench: Bench, key: Path | str, *, age: Path | None = None) -> int:
    """Count the days that somebody can open, by what the keyring's files hold."""
    actor = bench.custody.find_person(str(key), age_path=age)
    identity = actor.identity()
    count = 0
    for day in keyring.days(bench.custody.keyring):
        document = keyring.read(bench.custody.keyring, day)
        held = [part["wraps"].get(actor.name) for part in (document[actor.person.role],)]
        count += sum(bool(wrap) and bool(keyring.open_wrap(wrap, identity, where=key)) for wrap in held)
    return count


def wraps_of(bench: Bench, name: str) -> int:
    """Count the wraps to a name anywhere in the keyring, former keys included."""
    text = "".join(path.read_text() for path in bench.custody.keyring.glob("*.json"))
    return text.count(f'"{name}":"-----BEGIN AGE')


def test_who_leaves_opens_nothing_and_signs_nothing_from_then_on(bench: Bench, tmp_path: Path) -> None:
    ssh, _ = appoint(bench, tmp_path / "keys", "jan")
    before = wraps_of(bench, "jan")
    assert before == len(keyring.days(bench.custody.keyring))
    old = {day: keyring.public(bench.custody.keyring, day) for day in keyring.days(bench.custody.keyring)}
    earlier = sshsig.sign(b"x", key=ssh, namespace=sshsig.PACKAGE_NAMESPACE)
    done = lifecycle.revoke_person(bench.custody, "jan", why=WHY, by="mayor", now=NOW + timedelta(seconds=30))
    assert (done.days_closed, done.days_renewed) == (before, before - 1)
    assert wraps_of(bench, "jan") == 0
    for day, keys in old.items():
        assert (keyring.public(bench.custody.keyring, day).officer == keys.officer) == (day < TOMORROW)
        assert keyring.public(bench.custody.keyring, day).supervisor == keys.supervisor
    with pytest.raises(PermissionRefusedError, match="has ended"):
        bench.custody.find_person(str(ssh), now=NOW + timedelta(minutes=1))
    signers = (bench.custody.trust / "allowed_signers").read_bytes()
    options = {"allowed_signers": signers, "namespace": sshsig.PACKAGE_NAMESPACE}
    assert sshsig.verify(b"x", earlier, at=NOW + timedelta(seconds=10), **options) == "jan"
    with pytest.raises(AnswerIsNo):
        sshsig.verify(b"x", earlier, at=NOW + timedelta(minutes=1), **options)
    row = list(bench.custody.log().entries())[-1].entry
    assert (row.target, row.why, row.details["by"]) == ("jan", WHY, "mayor")


def test_nothing_that_a_compromised_key_ever_signed_counts(bench: Bench, tmp_path: Path) -> None:
    ssh, _ = appoint(bench, tmp_path / "keys", "jan")
    signature = sshsig.sign(b"x", key=ssh, namespace=sshsig.PACKAGE_NAMESPACE)
    lifecycle.revoke_person(bench.custody, "jan", why=WHY, by="mayor", is_compromised=True)
    with pytest.raises(AnswerIsNo):
        sshsig.verify(
            b"x",
            signature,
            allowed_signers=(bench.custody.trust / "allowed_signers").read_bytes(),
            revoked=(bench.custody.trust / "revoked").read_bytes(),
            namespace=sshsig.PACKAGE_NAMESPACE,
            at=NOW,
        )


def test_what_a_box_seals_to_the_former_keys_is_still_opened_by_those_who_remain(
    bench: Bench, tmp_path: Path
) -> None:
    appoint(bench, tmp_path / "keys", "jan")
    former = keyring.public(bench.custody.keyring, TOMORROW).officer
    sealed = seal.encrypt(b"a clip", former)
    lifecycle.revoke_person(bench.custody, "jan", why=WHY, by="mayor")
    officer = bench.custody.find_person("officer")
    document = keyring.read(bench.custody.keyring, TOMORROW)
    secrets = keyring.secrets_of(
        document, name="officer", role="officer", identity=officer.identity(), where=tmp_path
    )
    identities = [pyrage.x25519.Identity.from_str(secret.decode()) for secret in secrets]
    assert pyrage.decrypt(sealed, identities) == b"a clip"
    assert str(identities[0].to_public()) != former


def test_the_last_of_a_role_and_strangers_are_not_revoked(bench: Bench) -> None:
    with pytest.raises(UsageError, match="is the last officer"):
        lifecycle.revoke_person(bench.custody, "officer", why=WHY, by="mayor")
    with pytest.raises(MissingInputError, match="is no person"):
        lifecycle.revoke_person(bench.custody, "../officer", why=WHY, by="mayor")
    assert people.read(bench.custody.people / "officer").valid_until is None


def test_new_keys_of_a_person_open_what_a_colleague_shares_and_the_old_ones_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    old_ssh, old_secret = appoint(bench, tmp_path / "keys", "jan")
    old = bench.custody.find_person(str(old_ssh), age_path=old_secret).identity()
    ssh, public, recipient, secret = make_keys(tmp_path / "keys", "jan-2")
    done = lifecycle.rotate_person(
        bench.custody,
        "jan",
        ssh_public=public,
        age_recipient=recipient,
        why="laptop stolen on the third of May",
        sharer=bench.custody.find_person("officer"),
        is_compromised=True,
    )
    count = len(keyring.days(bench.custody.keyring))
    assert (done.days_renewed, done.days_shared) == (count - 1, count)
    assert opened_by(bench, ssh, age=secret) == count
    with pytest.raises(PermissionRefusedError, match="belongs to nobody"):
        bench.custody.find_person(str(old_ssh))
    document = keyring.read(bench.custody.keyring, TODAY)
    with pytest.raises(PermissionRefusedError, match="not wrapped to this identity"):
        keyring.open_wrap(document["officer"]["wraps"]["jan"], old, where=tmp_path)


def test_a_person_rotates_without_a_colleague_and_what_was_signed_stays_signed(
    bench: Bench, tmp_path: Path
) -> None:
    old_ssh, old_secret = appoint(bench, tmp_path / "keys", "jan")
    signature = sshsig.sign(b"x", key=old_ssh, namespace=sshsig.PACKAGE_NAMESPACE)
    me = bench.custody.find_person(str(old_ssh), age_path=old_secret)
    ssh, public, recipient, secret = make_keys(tmp_path / "keys", "jan-2")
    done = lifecycle.rotate_person(
        bench.custody,
        "jan",
        ssh_public=public,
        age_recipient=recipient,
        why="a new laptop came in May",
        sharer=me,
        now=NOW + timedelta(minutes=1),
    )
    assert (done.days_closed, done.days_renewed) == (0, 0)
    assert opened_by(bench, ssh, age=secret) == done.days_shared == len(keyring.days(bench.custody.keyring))
    signers = (bench.custody.trust / "allowed_signers").read_bytes()
    options = {"allowed_signers": signers, "namespace": sshsig.PACKAGE_NAMESPACE}
    assert sshsig.verify(b"x", signature, at=NOW + timedelta(seconds=1), **options) == "jan"
    with pytest.raises(AnswerIsNo):
        sshsig.verify(b"x", signature, at=NOW + timedelta(minutes=2), **options)
    with pytest.raises(UsageError, match="both keys must be new"):
        lifecycle.rotate_person(
            bench.custody, "jan", ssh_public=public, age_recipient=recipient, why="once more the same"
        )


def test_an_old_copy_of_the_keyring_never_brings_a_day_back(bench: Bench, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bench.custody.keyring, copy)
    days = keyring.days(bench.custody.keyring)
    over = seal.start_of_day(days[2]) + timedelta(days=2)
    assert custody.expire(bench.custody, now=over) == days[:3]
    taken, refused = keyring.merge(bench.custody.keyring, copy)
    assert (taken, refused) == ([], days[:3])
    # laid back by hand over the folder, as a restore from a backup does
    for path in copy.glob("*.json"):
        shutil.copy(path, bench.custody.keyring / path.name)
    assert keyring.days(bench.custody.keyring) == days[3:]
    with pytest.raises(MissingInputError, match="has ended"):
        keyring.read(bench.custody.keyring, days[0])
    assert custody.expire(bench.custody, now=over) == []
    assert not keyring.path_of(bench.custody.keyring, days[0]).exists()
    with pytest.raises(ConfigurationError, match="has ended; no key"):
        keyring.make_days(
            bench.custody.keyring, people.read_all(bench.custody.people), first=days[0], count=1
        )


def test_a_merge_takes_living_days_that_are_missing(bench: Bench, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bench.custody.keyring, copy)
    lost = keyring.days(bench.custody.keyring)[5]
    keyring.path_of(bench.custody.keyring, lost).unlink()
    assert keyring.merge(bench.custody.keyring, copy) == ([lost], [])
    assert keyring.public(bench.custody.keyring, lost) == keyring.public(copy, lost)


def test_a_day_is_ended_before_its_time_with_a_reason_in_the_log(bench: Bench) -> None:
    day = keyring.days(bench.custody.keyring)[1]
    assert custody.expire(bench.custody, also=[day], why="the box was broken into") == [day]
    row = list(bench.custody.log().entries())[-1].entry
    assert (row.action, row.target, row.why) == ("erasure", day.isoformat(), "the box was broken into")
    assert day not in keyring.days(bench.custody.keyring)


def test_a_new_bundle_is_not_wrapped_to_those_who_left(bench: Bench, tmp_path: Path) -> None:
    appoint(bench, tmp_path / "keys", "jan")
    left = datetime.now(UTC)
    lifecycle.revoke_person(bench.custody, "jan", why=WHY, by="mayor", now=left)
    custody.make_bundle(bench.custody, days=50, now=left + timedelta(minutes=1))
    assert wraps_of(bench, "jan") == 0
