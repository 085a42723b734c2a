"""A person whose age identity is a token's (an age plugin) or encrypted opens like any other."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import age_plugin
import pyrage
import pytest
from evidence_parts import CLEAR, Bench, entry

from noisewatch.errors import NoisewatchError, PermissionRefusedError, UnavailableError, UsageError
from noisewatch.evidence import ageplugin, custody, people, recipient, unseal
from noisewatch.evidence.people import Actor, Person

ID = "20261122-120000-a1b2"
NOW = datetime.now(UTC).replace(microsecond=0)
SECRET = b"0123456789abcdef"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A plugin on the PATH; its recipient and its identity."""
    folder = age_plugin.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return age_plugin.keys_of(SECRET)


def appoint(bench: Bench, folder: Path, *, recipient: str, identity: bytes) -> Actor:
    """Appoint jan, whose keys lie in a folder of their own, and let the trial officer share the days."""
    key = folder / "jan"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    key.with_suffix(".age").write_bytes(identity)
    key.with_suffix(".age").chmod(0o600)
    jan = Person("jan", "officer", public, recipient, "the council", NOW, None, is_trial=False)
    assert custody.add_person(bench.custody, jan, sharer=bench.custody.find_person("officer")) > 0
    return bench.custody.find_person(str(key))


def open_as(bench: Bench, actor: Actor, *, passphrase: str | None = None) -> bytes:
    with bench.store() as store:
        bench.seal_event(store, ID)
        sealed = store.read(ID, "viewing")
    return unseal.open_viewing(
        bench.custody,
        actor,
        sealed,
        day=NOW.date(),
        log=bench.custody.log(),
        entry=entry("jan", "consultation", target=ID, why="complaint of 3 May, technical inspection"),
        passphrase=passphrase,
    )


def test_an_officer_with_a_plugins_identity_opens_a_clip(
    bench: Bench, plugin: tuple[str, str], tmp_path: Path
) -> None:
    actor = appoint(bench, tmp_path, recipient=plugin[0], identity=f"# token\n{plugin[1]}\n".encode())
    assert open_as(bench, actor) == CLEAR["viewing"]


def test_a_plugins_identity_may_be_encrypted_with_a_passphrase_too(
    bench: Bench, plugin: tuple[str, str], tmp_path: Path
) -> None:
    locked = pyrage.passphrase.encrypt(plugin[1].encode(), "a long passphrase")
    actor = appoint(bench, tmp_path, recipient=plugin[0], identity=locked)
    assert open_as(bench, actor, passphrase="a long passphrase") == CLEAR["viewing"]


def test_an_identity_that_is_encrypted_opens_with_its_passphrase_alone(bench: Bench, tmp_path: Path) -> None:
    own = pyrage.x25519.Identity.generate()
    locked = pyrage.passphrase.encrypt(str(own).encode(), "a long passphrase")
    actor = appoint(bench, tmp_path, recipient=str(own.to_public()), identity=locked)
    with pytest.raises(PermissionRefusedError, match="is encrypted"):
        actor.identity()
    with pytest.raises(PermissionRefusedError, match="does not open with this passphrase"):
        actor.identity(passphrase="another")
    assert open_as(bench, actor, passphrase="a long passphrase") == CLEAR["viewing"]


def test_another_token_and_a_missing_plugin_open_nothing(
    bench: Bench, plugin: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = age_plugin.keys_of(b"another secret 1")[1].encode()
    actor = appoint(bench, tmp_path, recipient=plugin[0], identity=other)
    with pytest.raises(PermissionRefusedError, match="not wrapped to this identity"):
        open_as(bench, actor)
    actor.age_path.write_text(plugin[1])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(UnavailableError, match="age-plugin-nwtest"):
        actor.identity()


def test_a_wrong_pin_opens_nothing(plugin: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = ageplugin.encrypt(b"secret", plugin[0])
    identity, known = ageplugin.read_identity(plugin[1])
    assert known is None
    monkeypatch.setenv("NWTEST_PIN", "123456")
    # no terminal here, so no PIN is given
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [identity])
    monkeypatch.setattr(ageplugin.Callbacks, "request_passphrase", lambda self, description: "123456")
    assert pyrage.decrypt(sealed, [identity]) == b"secret"


def test_age_itself_opens_what_was_encrypted_to_a_plugin(plugin: tuple[str, str], tmp_path: Path) -> None:
    """The independent decryptor; also a package for a receiver with a token (``--for age1NAME1…``)."""
    sealed = recipient.read_recipient(plugin[0]).encrypt(b"a package")
    (tmp_path / "key").write_text(plugin[1])
    command = ["age", "--decrypt", "--identity", str(tmp_path / "key")]
    done = subprocess.run(command, input=sealed, capture_output=True, check=True)
    assert done.stdout == b"a package"


@pytest.mark.parametrize(
    "text", ["age1", "age1nwtest1", "age1nwtest1qqqq", "AGE-SECRET-KEY-1QQ", "ssh-ed25519"]
)
def test_what_is_no_recipient_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ageplugin.check_recipient(text)
    assert "AGE-SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "# nothing", "AGE-PLUGIN-", "AGE-PLUGIN-NWTEST-1QQQ", "AGE-SECRET-KEY-1QQQ"]
)
def test_what_is_no_identity_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(NoisewatchError) as caught:
        ageplugin.read_identity(text)
    assert "QQQ" not in str(caught.value)


def test_people_may_be_appointed_with_a_plugins_recipient_where_it_is_not_installed(tmp_path: Path) -> None:
    to, _ = age_plugin.keys_of(SECRET)
    jan = Person("jan", "officer", "ssh-ed25519 AAAA", to, "council", NOW, None, is_trial=False)
    people.write(tmp_path, jan)
    assert people.read(tmp_path / "jan").age_recipient == to
    with pytest.raises(UnavailableError, match="age-plugin-nwtest"):
        ageplugin.encrypt(b"x", to)
