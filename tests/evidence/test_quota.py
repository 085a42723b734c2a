"""Many exports by one person alarm the supervisor; a package for a recipient leaves as ciphertext alone."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
import sealed
from command import noisewatch

from noisewatch.errors import ConfigurationError, UsageError
from noisewatch.evidence import custody, quota, verify
from noisewatch.evidence.recipient import read_recipient
from noisewatch.records import LogEntry

WHY = ("--as", "officer", "--reason", sealed.REASON, "--case", sealed.CASE)
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> sealed.Place:
    return sealed.make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture
def place(made: sealed.Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sealed.Place:
    shutil.copytree(made.node, tmp_path / "node")
    shutil.copytree(made.custody, tmp_path / "custody")
    monkeypatch.setenv("NOISEWATCH_NODE", str(tmp_path / "node"))
    monkeypatch.setenv("NOISEWATCH_CUSTODY", str(tmp_path / "custody"))
    return sealed.Place(tmp_path / "node", tmp_path / "custody", made.event_id, made.clips)


def note_exports(opened: custody.Custody, count: int, *, who: str = "officer", at: datetime = NOW) -> None:
    for number in range(count):
        opened.log().append(LogEntry(who, "disclosure", f"ev-{number:04d}", sealed.REASON, at))


def test_the_twenty_first_export_of_a_day_alarms_for_ever(place: sealed.Place) -> None:
    opened = custody.open_custody(place.custody)
    note_exports(opened, 19)
    note_exports(opened, 30, who="els")
    note_exports(opened, 30, at=NOW - timedelta(hours=25))
    assert quota.count_export(opened, "officer", now=NOW) == ()
    note_exports(opened, 1)
    (alarm,) = quota.count_export(opened, "officer", now=NOW)
    assert "officer made 21 exports" in alarm
    (kept,) = quota.alarms(opened, now=NOW)
    assert (kept.target, kept.what) == ("officer", "more than 20 exports in 24 hours")


def test_an_export_too_many_is_said_and_listed_everywhere(place: sealed.Place, tmp_path: Path) -> None:
    path = place.custody / "custody.toml"
    path.write_text(path.read_text().replace("exports_per_day = 20", "exports_per_day = 1"))
    first = noisewatch("clips", "export", place.event_id, *WHY, "--out", tmp_path / "out", "--json")
    assert (first.code, first.document["alarms"]) == (0, [])
    second = noisewatch("clips", "export", place.event_id, *WHY, "--out", tmp_path / "out", "--json")
    assert second.code == 0
    assert second.document["alarms"] == ["officer made 2 exports in 24 hours; more than 1 alarm"]
    assert "ALARM: officer made 2 exports" in second.err
    assert "more than 1 exports in 24 hours" in noisewatch("clips", "list").err
    shown = noisewatch("custody", "show", "--custody", place.custody, "--json").document
    assert [one["target"] for one in shown["alarms"]] == ["officer"]
    listed = noisewatch(
        "audit", "list", "--object", "officer", "--custody", place.custody, "--json"
    ).documents
    assert listed[-1]["details"]["alarm"] == "exports"


@pytest.mark.parametrize("bad", ["0", "-1", '"many"', "1.5", "true", "99999"])
def test_a_threshold_that_is_none_is_refused(bad: str, place: sealed.Place) -> None:
    path = place.custody / "custody.toml"
    path.write_text(path.read_text().replace("exports_per_day = 20", f"exports_per_day = {bad}"))
    with pytest.raises(ConfigurationError, match="exports_per_day"):
        custody.open_custody(place.custody)


def test_for_a_recipient_only_ciphertext_leaves(place: sealed.Place, tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    out = tmp_path / "out"
    done = noisewatch(
        "clips", "export", place.event_id, *WHY, "--for", identity.to_public(), "--out", out, "--json"
    )
    assert done.code == 0, done.err
    (left,) = list(out.rglob("*"))
    assert left == Path(done.document["package"])
    assert left.name.endswith(".zip.age")
    assert left.stat().st_mode & 0o777 == 0o600
    data = left.read_bytes()
    assert place.clips["viewing"][:64] not in data
    opened = tmp_path / left.stem
    opened.write_bytes(pyrage.decrypt(data, [identity]))
    assert verify.verify(opened, trust=place.trust).origin == "verified"


def test_for_the_holder_of_an_ssh_key_stock_age_opens_it(place: sealed.Place, tmp_path: Path) -> None:
    key = tmp_path / "judge"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "j", "-f", str(key)], check=True)
    done = noisewatch(
        "clips", "export", place.event_id, *WHY, "--for", f"{key}.pub", "--out", tmp_path / "out", "--json"
    )
    assert done.code == 0, done.err
    opened = tmp_path / "package.zip"
    subprocess.run(
        ["age", "--decrypt", "-i", str(key), "-o", str(opened), done.document["package"]], check=True
    )
    assert verify.verify(opened, trust=place.trust).origin == "verified"


@pytest.mark.parametrize("bad", ["age1notakey", "AGE-SECRET-KEY-1", "/nonexistent.pub", "/etc/hostname"])
def test_a_recipient_that_is_none_is_refused_before_anything_is_logged(
    bad: str, place: sealed.Place, tmp_path: Path
) -> None:
    log = place.custody / "log" / "custody.jsonl"
    before = log.read_bytes()
    done = noisewatch("clips", "export", place.event_id, *WHY, "--for", bad, "--out", tmp_path / "out")
    assert done.code in (2, 66)
    assert (log.read_bytes(), (tmp_path / "out").exists()) == (before, False)


def test_a_secret_given_by_mistake_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        read_recipient("age1secret")
    assert "secret" not in str(caught.value)


def test_the_day_of_disposal_stands_in_the_package_and_outside_data(
    place: sealed.Place, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out", "--json")
    day = date.today() + timedelta(days=90)  # noqa: DTZ011  only has to lie ahead
    plain = noisewatch("clips", "export", place.event_id, *WHY, *out).document
    done = noisewatch("clips", "export", place.event_id, *WHY, "--dispose-by", day, *out)
    package = Path(done.document["package"])
    assert f"Noisewatch-Dispose-By: {day}" in (package / "bag-info.txt").read_text()
    readme = (package / "README.txt").read_text()
    assert readme.startswith(f"Vernietig dit pakket en elke kopie uiterlijk op {day}.")
    assert f'"dispose_by":"{day}"' in (package / "custody" / "request.json").read_text()
    assert done.document["data_sha256"] == plain["data_sha256"]
    assert verify.verify(package, trust=place.trust).origin == "verified"
    for bad in ("2020-01-01", "soon"):
        assert noisewatch("clips", "export", place.event_id, *WHY, "--dispose-by", bad, *out).code == 2
