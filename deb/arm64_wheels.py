"""Check that every locked requirement has a wheel for Linux on ARM64, without installing anything.

    python deb/arm64_wheels.py [--python 3.11.2] [--json]

A Raspberry Pi has no compiler to spare: whatever is locked must be there as a wheel, with a hash that the
lock file names, for the glibc of Debian 12 (2.36) or older. Exit code 1 where one is missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lock import Locked, Target, fitting, read

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-models.lock")


def resolve(wanted: list[Locked], target: Target) -> list[dict[str, Any]]:
    """Return what pip would install on a box: name, version and file of each wheel.

    Raises
    ------
    LookupError
        A requirement has no such wheel; the text is pip's own.
    """
    with tempfile.TemporaryDirectory() as folder:
        report, lines = Path(folder) / "report.json", Path(folder) / "requirements.txt"
        lines.write_text("\n".join(one.line() for one in wanted) + "\n", encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--dry-run",
            "--ignore-installed",
            "--no-deps",
        ]
        command += ["--require-hashes", "--only-binary", ":all:", "--target", f"{folder}/nothing"]
        command += [*target.pip_options(), "--report", str(report), "-r", str(lines)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
            raise LookupError("\n".join(said[-2:]) or done.stderr.strip())
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return [_told(item) for item in found]


def _told(item: dict[str, Any]) -> dict[str, Any]:
    name = item["download_info"]["url"].rsplit("/", 1)[-1]
    return {
        "name": item["metadata"]["name"],
        "version": item["metadata"]["version"],
        "file": name,
        "is_pure": name.endswith("-none-any.whl"),
    }


def main() -> int:
    """Resolve the lock files for ARM64 and tell what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", default="3.11.2", help="Python of the box; Debian 12 has 3.11.2")
    parser.add_argument("--machine", default="aarch64")
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    target = Target(options.machine, options.python)
    wanted = [one for name in LOCKS for one in fitting(read(ROOT / name), target.environment())]
    try:
        found = resolve(wanted, target)
    except LookupError as error:
        print(f"not every requirement has a wheel for {target.machine}:\n{error}", file=sys.stderr)
        return 1
    pure = sum(item["is_pure"] for item in found)
    if options.as_json:
        print(json.dumps({"machine": target.machine, "python": target.python, "wheels": found}))
    else:
        print(
            f"{len(found)} of {len(wanted)} locked requirements have wheels, Python {target.python}: "
            f"{len(found) - pure} for {target.machine}, {pure} for any machine"
        )
    return 0 if len(found) == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
