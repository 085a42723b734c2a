"""Build the Debian package: the locked wheels, and scripts that make a Python environment of them on the box.

    python deb/build.py [--machine aarch64] [--python 3.11.2 --python 3.13.5] [--out dist]

Nothing is compiled, so a package for a Raspberry Pi is built on any machine. On the box nothing is fetched:
`postinst` makes the environment from the package's wheels, each checked against the hash in the lock file.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from lock import Locked, Target, fitting, needed_by, read

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
#: Debian's names of machines.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
#: Debian 12 (Raspberry Pi OS "bookworm") and Debian 13 ("trixie").
PYTHONS = ("3.11.2", "3.13.5")
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
DEPENDS = (
    "python3 (>= 3.11)",
    "python3-venv",
    "systemd | systemd-standalone-sysusers | systemd-sysusers",
    "init-system-helpers (>= 1.52)",
    "openssl",
    "openssh-client",
    "ffmpeg",
    "libportaudio2",
)


def requirements(source: Path, target: Target) -> list[Locked]:
    """Return what a box needs: the locked closure of noisewatch, and the models that are used as files."""
    environment = target.environment()
    locked = fitting(read(source / "requirements.lock"), environment)
    return needed_by(source / "pyproject.toml", locked) + fitting(
        read(source / "requirements-models.lock"), environment
    )


def pip(*arguments: str) -> None:
    """Run pip; what it says is shown when it fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"pip {arguments[0]} failed:\n{done.stderr.strip()[-2000:]}")


def fetch(wanted: Sequence[Locked], target: Target, wheels: Path) -> None:
    """Download wheels of a target, each checked against its locked hash; those that are there stay."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as lines:
        lines.write("\n".join(one.line() for one in wanted) + "\n")
        lines.flush()
        options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", *target.pip_options()]
        pip("download", "-q", *options, "-d", str(wheels), "-r", lines.name)


def own_wheel(source: Path, wheels: Path) -> Path:
    """Build noisewatch's own wheel."""
    with tempfile.TemporaryDirectory() as folder:
        pip("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, str(source.resolve()))
        (made,) = Path(folder).glob("noisewatch-*.whl")
        return Path(shutil.copy(made, wheels / made.name))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def service_files(source: Path) -> dict[str, str]:
    """Return the unit and its companions as the package keeps them, by the source's own renderer."""
    code = (
        "import json; from pathlib import Path; from noisewatch.node import installing as i; "
        "print(json.dumps({str(p): t for p, t in "
        "i.system_files(i.Wanted(Path('/usr/bin/noisewatch')), is_package=True).items()}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def control(*, version: str, architecture: str, size_kib: int) -> str:
    """Return the control file; pure."""
    return "\n".join(
        [
            "Package: noisewatch",
            f"Version: {version}",
            f"Architecture: {architecture}",
            "Maintainer: The noisewatch developers <noisewatch@example.org>",
            f"Installed-Size: {size_kib}",
            f"Depends: {', '.join(DEPENDS)}",
            "Recommends: chrony | systemd-timesyncd | time-daemon",
            "Suggests: alsa-utils",
            "Section: sound",
            "Priority: optional",
            "Homepage: https://github.com/noisewatch/noisewatch",
            "Description: roadside sensor against exhaust noise",
            " Measures sound levels, recognises modified exhausts and revving engines, and keeps",
            " ten seconds of sealed evidence of each match for a month at most. What does not",
            " match is forgotten in memory; voices never reach storage, and the box cannot open",
            " what it sealed.",
            " .",
            " The package brings its Python libraries as wheels and needs no network to install.",
            "",
        ]
    )


def copyright_text(source: Path) -> str:
    """Return the copyright file in the form that Debian asks for."""
    licence = "\n".join(
        f" {line}" if line.strip() else " ." for line in (source / "LICENSE").read_text().splitlines()
    )
    return (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        "Upstream-Name: noisewatch\nSource: https://github.com/noisewatch/noisewatch\n\n"
        "Files: *\nCopyright: 2026 The noisewatch developers\nLicense: EUPL-1.2\n\n"
        "Files: usr/lib/noisewatch/wheels/*\nCopyright: their authors\nLicense: EUPL-1.2\n"
        "Comment: each wheel carries its own licence; docs/dependencies.md names them\n\n"
        f"License: EUPL-1.2\n{licence}\n"
    )


def lay_out(tree: Path, source: Path, *, version: str, architecture: str, pythons: Sequence[str]) -> None:
    """Write everything but the wheels and the lists of requirements into the package's tree."""
    for path, text in service_files(source).items():
        put(tree / path.lstrip("/"), text)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/noisewatch").symlink_to("../lib/noisewatch/venv/bin/noisewatch")
    documents = tree / "usr/share/doc/noisewatch"
    put(documents / "copyright", copyright_text(source))
    changes = (source / "CHANGELOG.md").read_bytes()
    (documents / "changelog.gz").write_bytes(gzip.compress(changes, 9, mtime=0))
    for name in ("install.md", "installer.md"):
        put(documents / name, (source / "docs" / name).read_text(encoding="utf-8"))
    build = hashlib.sha256(
        b"".join(
            path.read_bytes() for path in sorted((tree / "usr/lib/noisewatch").glob("requirements-*.txt"))
        )
    ).hexdigest()[:8]
    filled = {"VERSION": version, "BUILD": build, "PYTHONS": " and ".join(pythons)}
    for name in SCRIPTS:
        text = (HERE / "scripts" / name).read_text(encoding="utf-8")
        for key, value in filled.items():
            text = text.replace(f"@{key}@", value)
        put(tree / "DEBIAN" / name, text, mode=0o755)
    # a new minor Python breaks an environment: make it anew
    put(tree / "DEBIAN/triggers", "interest-noawait /usr/bin/python3\n")
    size_kib = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    put(tree / "DEBIAN/control", control(version=version, architecture=architecture, size_kib=size_kib))
    files = sorted(
        p for p in tree.rglob("*") if p.is_file() and not p.is_symlink() and "DEBIAN" not in p.parts
    )
    sums = [f"{md5_of(path)}  {path.relative_to(tree)}" for path in files]
    put(tree / "DEBIAN/md5sums", "\n".join(sums) + "\n")


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, which dpkg compares against damage, not against people."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def put(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a text into the tree."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def build(
    *, source: Path, out: Path, cache: Path, machine: str, pythons: Sequence[str], version: str | None = None
) -> Path:
    """Build the package; return its path."""
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    targets = [Target(machine, python) for python in pythons]
    architecture = ARCHITECTURES[machine]
    version = version or project["version"]
    cache.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        tree = Path(folder) / "tree"
        tree.mkdir(mode=0o755)
        library = tree / "usr/lib/noisewatch"
        wheels = library / "wheels"
        wheels.mkdir(parents=True)
        own = own_wheel(source, wheels)
        for target in targets:
            wanted = requirements(source, target)
            fetch(wanted, target, cache)
            hashes = {value for one in wanted for value in one.hashes}
            for wheel in cache.glob("*.whl"):
                if f"sha256:{sha256_of(wheel)}" in hashes and not (wheels / wheel.name).exists():
                    os.link(wheel, wheels / wheel.name)
            lines = [one.line() for one in wanted]
            lines.append(f"noisewatch=={project['version']} --hash=sha256:{sha256_of(own)}")
            put(library / f"requirements-{target.minor}.txt", "\n".join(lines) + "\n")
        minors = [target.minor for target in targets]
        lay_out(tree, source, version=version, architecture=architecture, pythons=minors)
        package = out / f"noisewatch_{version}_{architecture}.deb"
        # wheels are compressed already
        command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(package)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return package


def main() -> int:
    """Build a package as the options say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--machine", choices=sorted(ARCHITECTURES), default=os.uname().machine)
    parser.add_argument("--python", action="append", help="a Python of the boxes; may be repeated")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--cache", type=Path, default=ROOT / "dist" / "wheels", help="where wheels are kept")
    parser.add_argument("--source", type=Path, default=ROOT)
    parser.add_argument("--version", help="the package's version; default: that of pyproject.toml")
    options = parser.parse_args()
    package = build(
        source=options.source,
        out=options.out,
        cache=options.cache,
        machine=options.machine,
        pythons=options.python or PYTHONS,
        version=options.version,
    )
    print(f"{package} ({package.stat().st_size / 1e6:.0f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
