"""Verification beyond tampering: what it needs, what it says, what it leaves alone."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import made_up
import pytest

from noisewatch.errors import MissingInputError
from noisewatch.evidence import film, package, verify


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> made_up.Authority:
    return made_up.make_authority(tmp_path_factory.mktemp("authority") / "good")


@pytest.fixture(scope="module")
def clip() -> bytes:
    return made_up.make_clip()


def written(authority: made_up.Authority, parts: package.Parts, out: Path) -> Path:
    return package.write_package(made_up.make_files(authority, parts), out=out, name="package")


def test_an_original_is_verified_as_well(authority: made_up.Authority, clip: bytes, tmp_path: Path) -> None:
    parts = made_up.make_parts(authority, clip=clip, clip_name="original.mp4")
    verdict = verify.verify(written(authority, parts, tmp_path), trust=authority.trust)
    assert (verdict.valid, verdict.origin) == (True, "verified")


def test_a_viewing_copy_under_the_name_of_the_original_is_refused(
    authority: made_up.Authority, clip: bytes, tmp_path: Path
) -> None:
    parts = dataclasses.replace(
        made_up.make_parts(authority, clip=clip),
        clip_name="original.mp4",
        approval=made_up.make_approval(authority, made_up.EVENT_ID),
    )
    verdict = verify.verify(written(authority, parts, tmp_path), trust=authority.trust)
    assert [problem.part for problem in verdict.problems] == ["data/original.mp4"]


def test_a_zip_of_a_package_is_verified(authority: made_up.Authority, clip: bytes, tmp_path: Path) -> None:
    folder = written(authority, made_up.make_parts(authority, clip=clip), tmp_path)
    path = package.write_zip(folder, tmp_path / "package.zip")
    assert path.stat().st_mode & 0o777 == 0o600
    assert verify.verify(path, trust=authority.trust).origin == "verified"


def test_an_event_with_an_unknown_key_is_refused_even_when_the_box_signed_it(
    authority: made_up.Authority, clip: bytes, tmp_path: Path
) -> None:
    parts = made_up.make_parts(authority, clip=clip)
    event = parts.event_json.replace(b'"is_trial":', b'"is_guilty":true,"is_trial":')
    parts = dataclasses.replace(parts, event_json=event, event_p7s=authority.sign_cms(event))
    verdict = verify.verify(written(authority, parts, tmp_path), trust=authority.trust)
    assert [problem.part for problem in verdict.problems] == ["data/event.json"]


@pytest.mark.parametrize("bad", [b"", b"{}", b"[1]", b"\xff", b'{"a":1,"a":2}', b'{"a":NaN}', b"[" * 100_000])
def test_an_event_that_is_no_record_is_a_problem_and_no_crash(
    bad: bytes, authority: made_up.Authority, clip: bytes, tmp_path: Path
) -> None:
    parts = made_up.make_parts(authority, clip=clip)
    parts = dataclasses.replace(parts, event_json=bad, event_p7s=authority.sign_cms(bad))
    verdict = verify.verify(written(authority, parts, tmp_path), trust=authority.trust)
    assert not verdict.valid
    assert "data/event.json" in {problem.part for problem in verdict.problems}


@pytest.mark.parametrize("bad", [b"", b"film", b"\0" * 5000])
def test_a_clip_that_is_no_film_is_a_problem_and_no_crash(
    bad: bytes, authority: made_up.Authority, tmp_path: Path
) -> None:
    parts = made_up.make_parts(authority, clip=bad)
    verdict = verify.verify(written(authority, parts, tmp_path), trust=authority.trust)
    assert [problem.part for problem in verdict.problems] == ["data/clip.mp4"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    verdict = verify.verify(tmp_path)
    assert not verdict.valid
    assert verdict.problems[0].part == "package"


def test_any_other_folder_is_refused_and_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("hello")
    parts = {problem.part for problem in verify.verify(tmp_path).problems}
    assert {"bagit.txt", "letter.txt", "data/event.json"} <= parts


def test_a_folder_without_trust_is_said_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"ca\.pem"):
        verify.verify(tmp_path / "nothing", trust=tmp_path)


def test_a_box_whose_certificate_had_not_begun_is_refused(
    authority: made_up.Authority, clip: bytes, tmp_path: Path
) -> None:
    parts = made_up.make_parts(authority, clip=clip)
    event = parts.event_json.replace(b'"sealed_day":"2026-03-01"', b'"sealed_day":"2025-03-01"')
    parts = dataclasses.replace(parts, event_json=event, event_p7s=authority.sign_cms(event))
    verdict = verify.verify(written(authority, parts, tmp_path), trust=authority.trust)
    assert "data/event.json.p7s" in {problem.part for problem in verdict.problems}


def test_the_end_of_a_day_is_its_last_second_in_utc() -> None:
    assert verify.end_of_day("2026-03-01") == datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)


def test_a_film_is_judged_by_its_streams_and_its_length() -> None:
    assert film.probe(made_up.make_clip(), duration="10.000") == []
    assert film.probe(made_up.make_clip(seconds=8.0), duration="10.000") == ["lasts 8.000 s, not 10.000 s"]


def test_the_still_is_the_picture_of_its_moment() -> None:
    clip = made_up.make_clip()
    centres = []
    for moment_s in (1.0, 5.0, 9.0):
        still = film.read_film(clip, still_at_s=moment_s).still
        assert still is not None
        red = still[..., 0].astype(int) - still[..., 2]
        centres.append(float((red > 60).nonzero()[1].mean()))
    # the box crosses 80 of 96 points in ten seconds
    assert centres == pytest.approx([16.0, 48.0, 80.0], abs=3.0)
