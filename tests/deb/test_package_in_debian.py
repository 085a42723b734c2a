"""The package in a fresh Debian 12: installed, run, upgraded with a migration, not taken back, removed.

Slow: makes a Debian with debootstrap (root, a network, 6 GB in the temporary folder, 10 to 20 minutes):

    .venv/bin/pytest -m slow tests/deb/test_package_in_debian.py

NOISEWATCH_DEBIAN names the root folder of a Debian 12 that has what the package asks for: it is used as is,
and the package is purged from it at the end.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.serial, pytest.mark.timeout(5400)]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "3.11.2"
STATE = "var/lib/noisewatch"
MIGRATION = """@migrations(name="9999_of_a_later_version")
def _of_a_later_version(db: Database) -> None:
    db.table("later").create({"key": str}, pk="key")


def explain("""


@dataclass(frozen=True)
class Debian:
    """A Debian root folder in which commands run by themselves."""

    root: Path

    def run(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        inside = f"mount -t proc proc /proc; mount -t devtmpfs dev /dev; {command}"
        wrapped = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "chroot",
            str(self.root),
            "sh",
            "-c",
            inside,
        ]
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        done = subprocess.run(wrapped, capture_output=True, text=True, check=False, env=environment)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def node(self, arguments: str) -> dict[str, Any]:
        """Run the node over the sample street; return its summary."""
        command = f"noisewatch run --config /{STATE}/node.toml --video /srv/street.mp4 --pascal-per-unit 20"
        told = self.run(
            f"setpriv --reuid noisewatch --regid noisewatch --init-groups {command} {arguments} --json"
        )
        summary: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
        return summary

    def kept(self) -> dict[str, bytes]:
        """What an upgrade must leave alone: keys, settings, calibration, sealed events."""
        folder = self.root / STATE
        files = [
            p
            for p in folder.rglob("*")
            if p.is_file() and p.relative_to(folder).parts[0] in ("keys", "calibration")
        ]
        files += [folder / "node.toml", *(folder / "store/clips").rglob("*.age")]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    assert os.geteuid() == 0, "needs root: a chroot is made"
    given = os.environ.get("NOISEWATCH_DEBIAN")
    root = Path(given) if given else tmp_path_factory.mktemp("debian") / "root"
    made = Debian(root)
    if not given:
        sys.path.insert(0, str(ROOT / "deb"))
        depends = importlib.import_module("build").DEPENDS
        names = [text.split(" |")[0].split(" (")[0] for text in depends]
        include = ",".join(sorted({*names, "systemd-sysv", "util-linux"}))
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={include}", "bookworm", root], check=True
        )
    shutil.copy(ROOT / "data/samples/street.mp4", root / "srv/street.mp4")
    yield made
    made.run("dpkg --purge noisewatch", check=False)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Today's package, and one of a later version whose store has a migration more."""
    folder = tmp_path_factory.mktemp("packages")
    later = folder / "later"
    ignored = shutil.ignore_patterns(".*", "dist", "demo", "notebooks", "bench", "tests", "__pycache__")
    shutil.copytree(ROOT, later, ignore=ignored)
    replace(later / "pyproject.toml", '\nversion = "', '\nversion = "9.')
    replace(later / "noisewatch/__init__.py", '__version__ = "', '__version__ = "9.')
    replace(later / "noisewatch/evidence/database.py", "def explain(", MIGRATION)
    built = []
    for source in (ROOT, later):
        command = [sys.executable, ROOT / "deb/build.py", "--source", source, "--python", PYTHON]
        subprocess.run([*command, "--out", folder, "--cache", ROOT / "dist/wheels"], check=True)
        built += [path for path in sorted(folder.glob("*.deb")) if path not in built]
    return built[0], built[1]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, path
    path.write_text(text.replace(old, new))


def install(debian: Debian, package: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    shutil.copy(package, debian.root / "srv" / package.name)
    done = debian.run(f"unshare --net dpkg -i /srv/{package.name}", check=check)
    (debian.root / "srv" / package.name).unlink()
    return done


def test_the_package_lives_from_installation_to_purge(debian: Debian, packages: tuple[Path, Path]) -> None:
    today, later = packages
    expect_a_first_installation(debian, today)
    before = debian.kept()
    expect_an_upgrade(debian, later, before)
    expect_no_way_back(debian, today, before)
    expect_an_end(debian)


def expect_a_first_installation(debian: Debian, package: Path) -> None:
    """Without a network; then a node is made, and run by hand as its user."""
    install(debian, package)
    assert debian.run("noisewatch --version").stdout.startswith("noisewatch ")
    assert debian.run("systemctl is-enabled noisewatch").stdout.strip() == "enabled"
    assert (debian.root / STATE).stat().st_mode & 0o777 == 0o700
    debian.run("rm -rf /srv/custody && noisewatch custody init /srv/custody --trial")
    debian.run(f"noisewatch init /{STATE} --custody /srv/custody --name box-1 --site Teststraat")
    debian.run(f"chown -R noisewatch:noisewatch /{STATE}")
    summary = debian.node("--pace fast")
    assert (summary["events"], summary["sealed"]) == (1, 1)


def expect_an_upgrade(debian: Debian, package: Path, before: dict[str, bytes]) -> None:
    """Keys, calibration and events stay as they are; the store is brought up to date by the next run."""
    install(debian, package)
    assert debian.run("noisewatch --version").stdout.startswith("noisewatch 9.")
    assert debian.kept() == before
    assert len(list((debian.root / "usr/lib/noisewatch").glob("venv-*"))) == 1
    assert debian.node("--pace fast")["sealed"] == 1
    assert before.items() <= debian.kept().items()
    assert "9999_of_a_later_version" in migrations(debian)
    listed = debian.run(f"noisewatch clips list --node /{STATE} --json").stdout
    assert len(listed.splitlines()) == 2


def migrations(debian: Debian) -> set[str]:
    store = debian.root / STATE / "store/events.db"
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM _sqlite_migrations")}


def expect_no_way_back(debian: Debian, package: Path, before: dict[str, bytes]) -> None:
    """The package refuses; forced all the same, the software does, and neither changes anything."""
    refused = install(debian, package, check=False)
    assert refused.returncode != 0
    assert "has written the store" in refused.stderr
    assert "or newer" in refused.stderr
    assert debian.run("noisewatch --version").stdout.startswith("noisewatch 9.")
    assert before.items() <= debian.kept().items()
    code = "from pathlib import Path; from noisewatch.evidence.store import Store"
    opened = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}; Store.open(Path({str(debian.root / STATE / 'store')!r}), writable=False)",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "was made by a newer noisewatch" in opened.stderr


def expect_an_end(debian: Debian) -> None:
    """Removed: what was collected stays. Purged: nothing of the package is left."""
    debian.run("dpkg --remove noisewatch")
    assert not (debian.root / "usr/lib/noisewatch").exists()
    assert list((debian.root / STATE / "store/clips").rglob("*.age"))
    debian.run("dpkg --purge noisewatch")
    assert not (debian.root / STATE).exists()
    assert not (debian.root / "var/cache/noisewatch").exists()
    assert not list((debian.root / "etc/systemd/system").rglob("noisewatch.service"))
