"""An original travels with the approval that a supervisor signed; both verifiers check it and name it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import made_up
import pytest

from noisewatch.evidence import contents, package, sshsig, verify

Refuse = Callable[..., None]


@pytest.fixture
def parts(authority: made_up.Authority, clip: bytes) -> package.Parts:
    return made_up.make_parts(authority, clip=clip, clip_name="original.mp4")


def write(authority: made_up.Authority, parts: package.Parts, folder: Path) -> Path:
    return package.write_package(made_up.make_files(authority, parts), out=folder, name="package")


def test_an_approved_original_is_verified_by_both_and_names_who_approved(
    parts: package.Parts, authority: made_up.Authority, tmp_path: Path, script: Callable[..., object]
) -> None:
    made = write(authority, parts, tmp_path)
    verdict = verify.verify(made, trust=authority.trust)
    assert (verdict.valid, verdict.problems, verdict.approver) == (True, (), "supervisor")
    done = script(made, authority.trust)
    assert (done.returncode, "approved by: supervisor\n" in done.stdout) == (0, True)


@pytest.mark.parametrize("name", contents.OF_ORIGINAL)
def test_an_original_without_its_approval_is_refused(
    name: str, parts: package.Parts, authority: made_up.Authority, tmp_path: Path, expect_refusal: Refuse
) -> None:
    files = made_up.make_files(authority, parts)
    del files[name]
    made = package.write_package(made_up.resigned(authority, files), out=tmp_path, name="package")
    expect_refusal(made, name)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"target": "ev-20260301-0002"}, contents.APPROVAL),
        ({"action": "disclosure"}, contents.APPROVAL),
        ({"custody": "another"}, contents.APPROVAL),
        ({"who": "mayor"}, contents.APPROVAL),
        ({"at": datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC)}, contents.REQUEST),
    ],
)
def test_an_approval_of_something_else_is_refused_even_when_the_officer_signed_the_package(
    changes: dict[str, object],
    part: str,
    parts: package.Parts,
    authority: made_up.Authority,
    tmp_path: Path,
    expect_refusal: Refuse,
) -> None:
    other = made_up.make_approval(authority, made_up.EVENT_ID, **changes)
    expect_refusal(write(authority, dataclasses.replace(parts, approval=other), tmp_path), part)


def test_an_approval_that_was_changed_afterwards_is_refused(
    parts: package.Parts, authority: made_up.Authority, tmp_path: Path, expect_refusal: Refuse
) -> None:
    assert parts.approval is not None
    data, signature = parts.approval
    changed = (data.replace(made_up.WHY.encode(), b"another reason entirely"), signature)
    made = write(authority, dataclasses.replace(parts, approval=changed), tmp_path)
    expect_refusal(made, contents.APPROVAL_SIGNATURE)


@pytest.mark.parametrize("namespace", [sshsig.APPROVAL_NAMESPACE, sshsig.ACCESS_NAMESPACE])
def test_an_officer_cannot_approve(
    namespace: str,
    parts: package.Parts,
    authority: made_up.Authority,
    tmp_path: Path,
    expect_refusal: Refuse,
) -> None:
    data, _ = made_up.make_approval(authority, made_up.EVENT_ID, who="officer")
    own = (data, sshsig.sign(data, key=authority.officer_key, namespace=namespace))
    made = write(authority, dataclasses.replace(parts, approval=own), tmp_path)
    expect_refusal(made, contents.APPROVAL_SIGNATURE)


def test_a_supervisor_who_was_not_yet_appointed_is_refused(
    parts: package.Parts, authority: made_up.Authority, tmp_path: Path, expect_refusal: Refuse
) -> None:
    made = write(authority, parts, tmp_path)
    signers = authority.trust / "allowed_signers"
    before = signers.read_text()
    late = before.replace('approve"', 'approve",valid-after="20260302084000"')
    signers.write_text(late)
    try:
        expect_refusal(made, contents.APPROVAL_SIGNATURE)
    finally:
        signers.write_text(before)
