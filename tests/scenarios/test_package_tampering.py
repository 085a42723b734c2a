"""What a forger or an accident can do to a package, one test each; both verifiers must name the part."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import made_up
import numpy as np
import pytest

from noisewatch.evidence import bagit, contents, package, sshsig, tools, verify
from noisewatch.records import LogEntry

Refuse = Callable[..., None]
Script = Callable[[Path, Path | None], subprocess.CompletedProcess[str]]


def rewrite(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder)
    package.write_package(files, out=folder.parent, name=folder.name)


def flip(path: Path, *, byte: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


def test_a_good_package_is_verified_by_both(
    good_package: Path, authority: made_up.Authority, script: Script
) -> None:
    verdict = verify.verify(good_package, trust=authority.trust)
    assert (verdict.valid, verdict.origin, verdict.problems) == (True, "verified", ())
    assert (verdict.officer, verdict.node) == ("officer", "OU=noisewatch node,CN=box-1")
    done = script(good_package, authority.trust)
    assert done.returncode == 0
    assert done.stdout.startswith("intact, origin verified\n")
    assert done.stderr == ""


def test_without_trust_a_good_package_is_intact_but_its_origin_is_not_checked(
    good_package: Path, script: Script
) -> None:
    verdict = verify.verify(good_package)
    assert (verdict.valid, verdict.origin) == (True, "unverified")
    done = script(good_package, None)
    assert done.returncode == 0
    assert done.stdout.startswith("intact, origin NOT checked\n")


def test_the_own_script_of_a_package_reaches_the_verdict_from_inside(
    good_package: Path, authority: made_up.Authority
) -> None:
    done = subprocess.run(
        ["sh", "verify.sh", str(authority.trust)], cwd=good_package, capture_output=True, check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize("name", sorted([*contents.KNOWN, *contents.OPTIONAL, "data/clip.mp4"]))
def test_a_missing_file_is_named(name: str, copy: Path, expect_refusal: Refuse) -> None:
    (copy / name).unlink()
    expect_refusal(copy, name)


@pytest.mark.parametrize("name", sorted([*contents.KNOWN, *contents.OPTIONAL, "data/clip.mp4"]))
def test_a_changed_byte_is_named(name: str, copy: Path, expect_refusal: Refuse) -> None:
    if not (copy / name).stat().st_size:
        (copy / name).write_bytes(b"x")
    else:
        flip(copy / name, byte=(copy / name).stat().st_size // 2, bit=0)
    expect_refusal(copy, name)


def test_an_added_file_is_named(copy: Path, expect_refusal: Refuse) -> None:
    (copy / "data" / "note.txt").write_text("he did it")
    expect_refusal(copy, "data/note.txt")


def test_an_added_hidden_file_is_named(copy: Path, expect_refusal: Refuse) -> None:
    (copy / ".hidden").write_text("x")
    expect_refusal(copy, ".hidden")


def test_an_added_empty_folder_is_named(copy: Path, expect_refusal: Refuse) -> None:
    (copy / "data" / "empty").mkdir()
    expect_refusal(copy, "data/empty")


def test_a_renamed_file_is_named(copy: Path, expect_refusal: Refuse) -> None:
    (copy / "data" / "report.pdf").rename(copy / "data" / "Report.pdf")
    expect_refusal(copy, "data/Report.pdf")


def test_a_file_with_a_line_feed_in_its_name_is_refused(copy: Path, expect_refusal: Refuse) -> None:
    (copy / "data" / "a\nb").write_text("x")
    expect_refusal(copy, "data/a")


def test_a_name_with_escape_sequences_reaches_no_terminal(
    copy: Path, authority: made_up.Authority, script: Script
) -> None:
    (copy / "data" / "a\x1b[2J\u202etxt").write_text("x")
    done = script(copy, authority.trust)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    verdict = verify.verify(copy, trust=authority.trust)
    assert not verdict.valid
    assert all(problem.part.isascii() and problem.part.isprintable() for problem in verdict.problems)


def test_two_swapped_plots_are_named(copy: Path, expect_refusal: Refuse) -> None:
    first, second = copy / "data/plots/levels.png", copy / "data/plots/spectrogram.png"
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    expect_refusal(copy, "data/plots/levels.png")


def test_a_clip_replaced_by_a_link_to_the_same_bytes_is_refused(copy: Path, expect_refusal: Refuse) -> None:
    outside = copy.parent / "outside.mp4"
    shutil.move(copy / "data/clip.mp4", outside)
    (copy / "data/clip.mp4").symlink_to(outside)
    expect_refusal(copy, "data/clip.mp4")


def test_a_folder_replaced_by_a_link_is_refused(copy: Path, expect_refusal: Refuse) -> None:
    shutil.move(copy / "data", copy.parent / "elsewhere")
    (copy / "data").symlink_to(copy.parent / "elsewhere")
    expect_refusal(copy, "data")


def test_a_pipe_in_the_package_is_refused_and_not_read(copy: Path, expect_refusal: Refuse) -> None:
    os.mkfifo(copy / "data" / "pipe")
    expect_refusal(copy, "data/pipe")


def test_a_new_manifest_over_a_changed_clip_breaks_the_tag_manifest(
    copy: Path, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    files["data/clip.mp4"] += b"\0"
    files[bagit.MANIFEST] = bagit.manifest({n: d for n, d in files.items() if n.startswith("data/")})
    rewrite(copy, files)
    expect_refusal(copy, bagit.MANIFEST)


def test_all_new_manifests_without_a_new_signature_break_the_signature(
    copy: Path, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    signature = files[bagit.SIGNATURE]
    files["data/report.pdf"] += b"\n"
    payload = {n: d for n, d in files.items() if n.startswith("data/")}
    tags = {
        n: d for n, d in files.items() if n not in payload and n not in (bagit.TAG_MANIFEST, bagit.SIGNATURE)
    }
    tags[bagit.MANIFEST] = bagit.manifest(payload)
    files = {**payload, **tags, bagit.TAG_MANIFEST: bagit.manifest(tags), bagit.SIGNATURE: signature}
    rewrite(copy, files)
    expect_refusal(copy, bagit.SIGNATURE)


def test_a_package_signed_again_by_a_forger_fails_with_trust_and_shows_no_origin_without(
    copy: Path, forger: made_up.Authority, clip: bytes, expect_refusal: Refuse, script: Script
) -> None:
    rewrite(copy, made_up.make_files(forger, made_up.make_parts(forger, clip=clip)))
    expect_refusal(copy, bagit.SIGNATURE)
    expect_refusal(copy, "data/event.json.p7s")
    assert verify.verify(copy).origin == "unverified"
    assert script(copy, None).stdout.startswith("intact, origin NOT checked")


def test_a_forgers_event_under_the_true_officers_signature_is_refused(
    copy: Path, authority: made_up.Authority, forger: made_up.Authority, clip: bytes, expect_refusal: Refuse
) -> None:
    rewrite(copy, made_up.make_files(authority, made_up.make_parts(forger, clip=clip)))
    expect_refusal(copy, "data/event.json.p7s")


def test_an_event_signed_by_another_certificate_of_the_authority_is_refused(
    copy: Path, authority: made_up.Authority, clip: bytes, expect_refusal: Refuse
) -> None:
    clerk = dataclasses.replace(authority, node_key=authority.key, node_certificate=authority.certificate)
    rewrite(copy, made_up.make_files(authority, made_up.make_parts(clerk, clip=clip)))
    expect_refusal(copy, "data/event.json.p7s")


def test_the_clip_of_another_event_is_refused_even_when_the_officer_signed_it(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    files["data/clip.mp4"] = made_up.make_clip(seed=2)
    rewrite(copy, made_up.resigned(authority, files))
    expect_refusal(copy, "data/clip.mp4")


def test_levels_of_another_event_are_refused_even_when_the_officer_signed_them(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    files["data/levels.csv"] = files["data/levels.csv"].replace(b"89.", b"99.")
    rewrite(copy, made_up.resigned(authority, files))
    expect_refusal(copy, "data/levels.csv")


def test_an_edited_event_record_is_refused_even_when_the_officer_signed_it(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    files["data/event.json"] = files["data/event.json"].replace(b'"lafmax_db":89.6', b'"lafmax_db":99.6')
    rewrite(copy, made_up.resigned(authority, files))
    expect_refusal(copy, "data/event.json.p7s")


def test_a_clip_of_nine_seconds_is_refused_even_when_the_box_signed_it(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    short = made_up.make_clip(seconds=9.0)
    rewrite(copy, made_up.make_files(authority, made_up.make_parts(authority, clip=short)))
    expect_refusal(copy, "data/clip.mp4")


def test_a_file_that_belongs_in_no_package_is_refused_even_when_the_officer_signed_it(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    rewrite(copy, made_up.resigned(authority, {**files, "data/extra.txt": b"x"}))
    expect_refusal(copy, "data/extra.txt")


def test_a_request_in_another_persons_name_is_refused(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    files["custody/request.json"] = files["custody/request.json"].replace(b'"officer"', b'"another"')
    rewrite(copy, made_up.resigned(authority, files))
    expect_refusal(copy, "custody/request.json")


def test_a_request_that_was_signed_for_another_purpose_or_by_another_is_refused(
    copy: Path, authority: made_up.Authority, forger: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    request = files[contents.REQUEST]
    for signature in (authority.sign_package(request), forger.sign_request(request)):
        rewrite(copy, made_up.resigned(authority, {**files, contents.REQUEST_SIGNATURE: signature}))
        expect_refusal(copy, contents.REQUEST_SIGNATURE)


def test_a_request_that_was_changed_afterwards_is_refused(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    request = files[contents.REQUEST].replace(b'"case":"PV-1"', b'"case":"PV-2"')
    rewrite(copy, made_up.resigned(authority, {**files, contents.REQUEST: request}))
    expect_refusal(copy, contents.REQUEST_SIGNATURE)


def test_a_request_that_is_not_the_one_of_the_log_is_refused(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    request = files[contents.REQUEST].replace(b'"case":"PV-1"', b'"case":"PV-2"')
    signature = authority.sign_request(request)
    changed = {**files, contents.REQUEST: request, contents.REQUEST_SIGNATURE: signature}
    rewrite(copy, made_up.resigned(authority, changed))
    expect_refusal(copy, "custody/custody.jsonl", script_too=False)


def test_a_signature_for_another_purpose_is_refused(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    data = (copy / bagit.TAG_MANIFEST).read_bytes()
    signature = sshsig.sign(data, key=authority.officer_key, namespace="noisewatch-approve")
    (copy / bagit.SIGNATURE).write_bytes(signature)
    expect_refusal(copy, bagit.SIGNATURE)


def test_a_signature_by_a_revoked_key_is_refused(
    copy: Path, authority: made_up.Authority, tmp_path: Path, script: Script
) -> None:
    trust = Path(shutil.copytree(authority.trust, tmp_path / "trust"))
    (trust / "revoked").write_bytes((authority.folder / "officer.pub").read_bytes())
    verdict = verify.verify(copy, trust=trust)
    assert verdict.origin == "refused"
    named = {(problem.part, "revoked" in problem.what) for problem in verdict.problems}
    assert named == {(bagit.SIGNATURE, True), (contents.REQUEST_SIGNATURE, True)}
    assert script(copy, trust).returncode == 1


def test_a_signature_after_the_officer_left_is_refused(
    copy: Path, authority: made_up.Authority, tmp_path: Path, script: Script
) -> None:
    trust = Path(shutil.copytree(authority.trust, tmp_path / "trust"))
    line = (trust / "allowed_signers").read_text()
    (trust / "allowed_signers").write_text(line.replace("officer ", 'officer valid-before="20260301Z",', 1))
    assert verify.verify(copy, trust=trust).origin == "refused"
    assert script(copy, trust).returncode == 1
    (trust / "allowed_signers").write_text(line.replace("officer ", 'officer valid-before="20260401Z",', 1))
    assert verify.verify(copy, trust=trust).origin == "verified"
    assert script(copy, trust).returncode == 0


def test_what_ssh_keygen_reads_over_in_a_signature_is_refused(
    copy: Path, authority: made_up.Authority, script: Script, expect_refusal: Refuse
) -> None:
    path = copy / bagit.SIGNATURE
    # one bit: version 1 becomes 0, which ssh-keygen takes for good
    assert path.read_bytes()[43:44] == b"Q"
    flip(path, byte=43, bit=4)
    expect_refusal(copy, bagit.SIGNATURE)


def test_another_spelling_of_the_signature_is_refused(copy: Path, expect_refusal: Refuse) -> None:
    path = copy / bagit.SIGNATURE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\n", *lines[2:]]))
    expect_refusal(copy, bagit.SIGNATURE)


def test_carriage_returns_in_a_manifest_are_refused(copy: Path, expect_refusal: Refuse) -> None:
    path = copy / bagit.MANIFEST
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    expect_refusal(copy, bagit.MANIFEST)


def test_a_manifest_line_that_leads_out_of_the_package_is_refused(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    (copy.parent / "secret").write_bytes(b"")
    line = bagit.manifest({"data/../../secret": b""})
    (copy / bagit.MANIFEST).write_bytes((copy / bagit.MANIFEST).read_bytes() + line)
    expect_refusal(copy, bagit.MANIFEST)


def test_a_log_entry_of_another_event_is_refused_by_the_full_verifier(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    other = LogEntry("noisewatch", "collection", "ev-other", "media sealed", made_up.CAPTURED_AT)
    files["custody/node.jsonl"] = made_up.make_rows(other)
    rewrite(copy, made_up.resigned(authority, files))
    expect_refusal(copy, "custody/node.jsonl line 1", script_too=False)


def test_an_edited_log_entry_is_refused_by_the_full_verifier(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    files["custody/node.jsonl"] = files["custody/node.jsonl"].replace(b"media sealed", b"media sailed")
    rewrite(copy, made_up.resigned(authority, files))
    expect_refusal(copy, "custody/node.jsonl line 1", script_too=False)


def test_a_package_without_the_log_entry_of_its_export_is_refused_by_the_full_verifier(
    copy: Path, authority: made_up.Authority, expect_refusal: Refuse
) -> None:
    files, _ = bagit.read_bag(copy)
    files["custody/custody.jsonl"] = b""
    rewrite(copy, made_up.resigned(authority, files))
    expect_refusal(copy, "custody/custody.jsonl", script_too=False)


def test_the_keys_inside_a_package_are_never_used_when_trust_is_given(
    copy: Path, authority: made_up.Authority, forger: made_up.Authority, clip: bytes
) -> None:
    parts = made_up.make_parts(authority, clip=clip)
    forged_keys = dataclasses.replace(
        parts,
        authority_pem=(forger.trust / "ca.pem").read_bytes(),
        allowed_signers=(forger.trust / "allowed_signers").read_bytes(),
    )
    rewrite(copy, made_up.make_files(authority, forged_keys))
    assert verify.verify(copy, trust=authority.trust).origin == "verified"
    assert not verify.verify(copy).valid


def flips(folder: Path, count: int, seed: int) -> list[tuple[Path, int, int]]:
    """Random single bits over all files: each file gets its share, so that small ones are met too."""
    generator = np.random.default_rng(seed)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    chosen = [files[number % len(files)] for number in range(count)]
    return [
        (path, int(generator.integers(path.stat().st_size)), int(generator.integers(8))) for path in chosen
    ]


def check_flips(
    folder: Path, trust: Path, script: Script, *, count: int, seed: int, script_every: int
) -> None:
    missed = []
    met: Counter[str] = Counter()
    scripts = 0
    for number, (path, byte, bit) in enumerate(flips(folder, count, seed)):
        flip(path, byte=byte, bit=bit)
        name = path.relative_to(folder).as_posix()
        met[name] += 1
        verdict = verify.verify(folder, trust=trust)
        if verdict.valid or not any(problem.part == name for problem in verdict.problems):
            missed.append(("clips verify", name, byte, bit, verdict.problems))
        if number % script_every == 0:
            scripts += 1
            done = script(folder, trust)
            if done.returncode != 1 or f"REFUSED {name}:" not in done.stdout:
                missed.append(("verify.sh", name, byte, bit, done.stdout))
        flip(path, byte=byte, bit=bit)
    assert missed == []
    assert verify.verify(folder, trust=trust).valid
    assert set(met) == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    print(f"\n{sum(met.values())} flips in {len(met)} files refused by name, {scripts} by verify.sh too")


def ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask openssl and ssh-keygen the same question about the same bytes once only."""
    real = tools.call
    answers: dict[str, subprocess.CompletedProcess[bytes]] = {}

    def call(arguments: Sequence[str | bytes], *, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        question = hashlib.sha256(repr((*arguments, stdin)).encode()).hexdigest()
        if question not in answers:
            answers[question] = real(arguments, stdin=stdin)
        return answers[question]

    monkeypatch.setattr(tools, "call", call)


def test_random_single_bit_flips_in_each_file_are_refused(
    copy: Path, authority: made_up.Authority, script: Script
) -> None:
    # every file some four times; the script met each file in test_a_changed_byte_is_named, so a few do here
    check_flips(copy, authority.trust, script, count=120, seed=20260301, script_every=17)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_five_hundred_random_single_bit_flips_are_refused(
    copy: Path, authority: made_up.Authority, script: Script
) -> None:
    # a prime step, so that the script meets every file too
    check_flips(copy, authority.trust, script, count=500, seed=20260302, script_every=7)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_ten_thousand_random_single_bit_flips_are_refused(
    copy: Path, authority: made_up.Authority, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes: ``.venv/bin/python -m pytest -s -m slow -k ten_thousand tests/scenarios``."""
    ask_once(monkeypatch)
    check_flips(copy, authority.trust, script, count=10_000, seed=7, script_every=41)


@pytest.mark.slow
def test_every_single_bit_of_the_small_files_is_refused(copy: Path, authority: made_up.Authority) -> None:
    for name in (bagit.SIGNATURE, bagit.TAG_MANIFEST, "bagit.txt"):
        for byte in range((copy / name).stat().st_size):
            for bit in range(8):
                flip(copy / name, byte=byte, bit=bit)
                assert not verify.verify(copy, trust=authority.trust).valid, (name, byte, bit)
                flip(copy / name, byte=byte, bit=bit)
