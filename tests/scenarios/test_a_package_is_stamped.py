"""A real time-stamp authority (openssl ts over HTTP): stamps are checked, awaited and attacked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import made_up
import pytest

from noisewatch.errors import AnswerIsNo, ConfigurationError, TryAgainError
from noisewatch.evidence import bagit, package, stamp, verify

RIGS = Path(__file__).resolve().parent.parent / "live" / "rigs"
Script = Callable[[Path, Path | None], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def tsa_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tsa")
    subprocess.run([str(RIGS / "make_tsa.sh"), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def tsa(tsa_folder: Path) -> Iterator[stamp.StampAuthority]:
    """A stamp authority that answers on a free port of the loopback."""
    command = [sys.executable, str(RIGS / "tsa_server.py"), str(tsa_folder), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[1]
        yield stamp.StampAuthority(url, (tsa_folder / "ca.crt").read_bytes())
        server.terminate()


@pytest.fixture
def custody_folder(tsa: stamp.StampAuthority, tmp_path: Path) -> Path:
    (tmp_path / "custody" / "trust").mkdir(parents=True)
    (tmp_path / "custody" / "stamp.toml").write_text(f'url = "{tsa.url}"\n')
    (tmp_path / "custody" / "trust" / "tsa.pem").write_bytes(tsa.root_pem)
    return tmp_path / "custody"


@pytest.fixture(scope="session")
def parts(authority: made_up.Authority, clip: bytes, tsa: stamp.StampAuthority) -> package.Parts:
    return replace(made_up.make_parts(authority, clip=clip), stamp_root=tsa.root_pem)


@pytest.fixture(scope="session")
def trust(
    authority: made_up.Authority, tsa: stamp.StampAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = Path(shutil.copytree(authority.trust, tmp_path_factory.mktemp("trusting") / "trust"))
    (folder / "tsa.pem").write_bytes(tsa.root_pem)
    return folder


@pytest.fixture
def stamped(
    authority: made_up.Authority, parts: package.Parts, tsa: stamp.StampAuthority, tmp_path: Path
) -> Path:
    files = package.assemble(
        parts,
        info=made_up.INFO,
        sign=authority.sign_package,
        stamp=lambda signature: stamp.request_stamp(signature, tsa),
    )
    return package.write_package(files, out=tmp_path, name="stamped")


@pytest.fixture
def waiting(authority: made_up.Authority, parts: package.Parts, tmp_path: Path) -> Path:
    files = package.assemble(parts, info=made_up.INFO, sign=authority.sign_package)
    return package.write_package(files, out=tmp_path, name="waiting")


def expect_both_refuse(folder: Path, trust: Path, script: Script, part: str) -> None:
    verdict = verify.verify(folder, trust=trust)
    assert not verdict.valid
    assert part in {problem.part for problem in verdict.problems}, verdict.problems
    done = script(folder, trust)
    assert done.returncode == 1
    assert f"REFUSED {part}" in done.stdout


def test_a_stamped_package_is_good_with_and_without_trust_and_says_when(
    stamped: Path, trust: Path, script: Script
) -> None:
    verdict = verify.verify(stamped, trust=trust)
    assert (verdict.valid, verdict.origin, verdict.problems) == (True, "verified", ())
    assert verdict.stamp.endswith("Z")
    assert verify.verify(stamped).valid
    done = script(stamped, trust)
    assert done.returncode == 0, done.stdout
    assert "time stamp:" in done.stdout
    assert script(stamped, None).returncode == 0


def test_a_package_waits_for_its_stamp_and_gets_it_later(
    waiting: Path, trust: Path, custody_folder: Path, script: Script
) -> None:
    assert (verify.verify(waiting, trust=trust).valid, verify.verify(waiting, trust=trust).stamp) == (
        True,
        "pending",
    )
    assert "time stamp:  pending" in script(waiting, trust).stdout
    authority = stamp.configured(custody_folder)
    assert authority is not None
    stamp.complete(waiting, authority)
    verdict = verify.verify(waiting, trust=trust)
    assert verdict.valid
    assert verdict.stamp not in ("pending", "none")
    with pytest.raises(ConfigurationError, match="has its stamp"):
        stamp.complete(waiting, authority)


def test_an_authority_that_cannot_be_reached_is_worth_a_second_try(waiting: Path) -> None:
    nobody = stamp.StampAuthority("http://127.0.0.1:9/", b"")
    with pytest.raises(TryAgainError, match="can't be reached"):
        stamp.complete(waiting, nobody)
    assert not (waiting / bagit.STAMP).exists()


def test_a_stamp_over_another_signature_is_refused(
    stamped: Path, trust: Path, tsa: stamp.StampAuthority, script: Script
) -> None:
    (stamped / bagit.STAMP).write_bytes(stamp.request_stamp(b"something else", tsa))
    expect_both_refuse(stamped, trust, script, bagit.STAMP)


def test_a_stamp_by_an_authority_that_is_not_trusted_is_refused(
    stamped: Path, authority: made_up.Authority, trust: Path, tmp_path: Path, script: Script
) -> None:
    expect_both_refuse(stamped, authority.trust, script, bagit.STAMP)
    foreign = tmp_path / "foreign"
    subprocess.run([str(RIGS / "make_tsa.sh"), str(foreign)], check=True, capture_output=True)
    other = Path(shutil.copytree(trust, tmp_path / "other"))
    (other / "tsa.pem").write_bytes((foreign / "ca.crt").read_bytes())
    expect_both_refuse(stamped, other, script, bagit.STAMP)


def test_a_request_that_claims_a_time_after_its_stamp_is_refused(
    authority: made_up.Authority, parts: package.Parts, tsa: stamp.StampAuthority, trust: Path, tmp_path: Path
) -> None:
    later = made_up.make_request(made_up.EVENT_ID, at=made_up.EXPORTED_AT + timedelta(days=500))
    files = package.assemble(
        replace(parts, request=later, request_signature=authority.sign_request(later)),
        info=made_up.INFO,
        sign=authority.sign_package,
        stamp=lambda signature: stamp.request_stamp(signature, tsa),
    )
    folder = package.write_package(files, out=tmp_path, name="later")
    verdict = verify.verify(folder, trust=trust)
    assert any("after its stamp" in problem.what for problem in verdict.problems)


def test_no_changed_bit_changes_what_a_stamp_says(stamped: Path, tsa: stamp.StampAuthority) -> None:
    signature = (stamped / bagit.SIGNATURE).read_bytes()
    good = (stamped / bagit.STAMP).read_bytes()
    said = stamp.check_stamp(signature, good, root_pem=tsa.root_pem)
    # every 41st bit here; all of them take minutes
    positions = range(0, len(good) * 8, 41)
    accepted = []
    for position in positions:
        changed = bytearray(good)
        changed[position // 8] ^= 1 << (position % 8)
        try:
            moment = stamp.check_stamp(signature, bytes(changed), root_pem=tsa.root_pem)
        except AnswerIsNo:
            continue
        assert moment == said
        accepted.append(position // 8)
    # CMS signs neither its own version number, nor the spelling of the signer's issuer and algorithm
    header = good.rindex(b"noisewatch test") - 40
    assert all(at > header for at in accepted)
    assert len(accepted) < len(positions) / 50


@pytest.mark.parametrize(
    "text", ["", "url = 7", 'url = "ftp://x/"', 'url = "file:///etc/passwd"', "not toml"]
)
def test_an_address_that_is_none_is_refused(custody_folder: Path, text: str) -> None:
    (custody_folder / "stamp.toml").write_text(text)
    with pytest.raises(ConfigurationError):
        stamp.configured(custody_folder)


def test_a_custody_without_authority_asks_for_no_stamp(tmp_path: Path) -> None:
    assert stamp.configured(tmp_path) is None


#: The box's certificate has ended by then, and whoever signed has left.
YEARS_LATER = datetime(2041, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def years_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Let ``date`` say years later; times that it is given it reads as before."""
    shim = tmp_path / "bin" / "date"
    shim.parent.mkdir()
    shim.write_text(
        '#!/bin/sh\ncase "$*" in *-d*) exec /bin/date "$@" ;; esac\n'
        f'exec /bin/date -d @{int(YEARS_LATER.timestamp())} "$@"\n'
    )
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    return YEARS_LATER


def test_a_stamped_package_is_good_years_later_when_certificates_have_expired(
    stamped: Path, trust: Path, years_later: datetime, script: Script
) -> None:
    signers = trust / "allowed_signers"
    before = signers.read_text()
    # the officer left the service, years ago and long after this package
    signers.write_text(before.replace('package"', 'package",valid-before="20270601000000"'))
    try:
        verdict = verify.verify(stamped, trust=trust, now=years_later)
        assert (verdict.problems, verdict.origin) == ((), "verified")
        done = script(stamped, trust)
        assert (done.returncode, done.stdout.splitlines()[0]) == (0, "intact, origin verified")
    finally:
        signers.write_text(before)


def test_a_package_without_a_stamp_is_refused_once_its_certificate_has_expired(
    waiting: Path, trust: Path, years_later: datetime, script: Script
) -> None:
    assert verify.verify(waiting, trust=trust).valid
    verdict = verify.verify(waiting, trust=trust, now=years_later)
    assert [problem.part for problem in verdict.problems] == ["data/event.json.p7s"]
    assert "a time stamp from before is needed" in verdict.problems[0].what
    done = script(waiting, trust)
    assert done.returncode == 1
    assert "REFUSED data/event.json.p7s: is by a certificate that expired" in done.stdout


def test_a_stamp_from_after_the_certificate_expired_helps_nobody(
    clip: bytes, tsa: stamp.StampAuthority, tmp_path: Path, script: Script
) -> None:
    old = made_up.make_authority(tmp_path / "old", days=80)
    (old.trust / "tsa.pem").write_bytes(tsa.root_pem)
    late = replace(made_up.make_parts(old, clip=clip), stamp_root=tsa.root_pem)
    files = package.assemble(
        late,
        info=made_up.INFO,
        sign=old.sign_package,
        stamp=lambda signature: stamp.request_stamp(signature, tsa),
    )
    made = package.write_package(files, out=tmp_path, name="late")
    expect_both_refuse(made, old.trust, script, "data/event.json.p7s")
