"""A node as a service: the unit that ships is closed in, right for systemd, installed without surprises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import noisewatch

from noisewatch.errors import ConfigurationError, UnavailableError, UsageError
from noisewatch.node import installing
from noisewatch.node.installing import DEFAULT_NODE, Wanted, system_files, unit_text, wanted

COMMAND = Path("/usr/bin/noisewatch")


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unit as a person saves it: `noisewatch install --print > noisewatch.service`."""
    printed = noisewatch("install", "--print", "--command", sys.executable)
    assert printed.code == 0
    path = tmp_path_factory.mktemp("unit") / "noisewatch.service"
    path.write_text(printed.out)
    return path


def values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, flags=re.MULTILINE)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    assert shutil.which("systemd-analyze"), "systemd is needed: sh scripts/system-packages test"
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_to_say_about_the_unit(unit: Path) -> None:
    # an unknown key is a line on standard error and exit code 0: any line is a fault
    found = analyze("verify", unit)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_systemd_would_notice_a_misspelt_key(unit: Path, tmp_path: Path) -> None:
    """Negative control: the check itself must be able to fail."""
    wrong = tmp_path / "noisewatch.service"
    wrong.write_text(unit.read_text().replace("LimitCORE=", "LimitCoredump="))
    assert "LimitCoredump" in analyze("verify", wrong).stderr


def test_the_unit_is_exposed_by_one_and_a_half_of_ten_at_most(unit: Path) -> None:
    found = analyze("security", "--offline=true", "--no-pager", "--threshold=15", unit)
    assert found.returncode == 0, found.stdout[-200:]
    assert re.search(r"Overall exposure level for noisewatch.service: 1\.[0-5] OK", found.stdout)


def test_a_named_network_costs_a_tenth(tmp_path: Path) -> None:
    path = tmp_path / "noisewatch.service"
    path.write_text(unit_text(Wanted(Path(sys.executable), networks=("192.0.2.0/24",))))
    assert analyze("security", "--offline=true", "--threshold=16", path).returncode == 0


def test_the_unit_says_what_the_node_promises(unit: Path) -> None:
    text = unit.read_text()
    for line in (
        "Type=notify",
        "RestartPreventExitStatus=78",
        "MemorySwapMax=0",
        "LimitCORE=0",
        "LimitMEMLOCK=infinity",
        "User=noisewatch",
        "StateDirectory=noisewatch",
        "StandardOutput=null",
        "KillMode=mixed",
    ):
        assert f"\n{line}\n" in text
    assert int(values(text, "WatchdogSec")[0]) > 0
    assert " run --quiet --config /var/lib/noisewatch/node.toml" in values(text, "ExecStart")[0]
    # the only secret that it is handed is the signing key
    secrets = re.findall(
        r"^(?:LoadCredential|SetCredential|EnvironmentFile|PassEnvironment).*$", text, re.MULTILINE
    )
    assert secrets == ["LoadCredential=node.key:/var/lib/noisewatch/keys/node.key"]
    assert "time-sync.target" in values(text, "After")[0]


def test_what_the_node_needs_of_the_kernel_is_let_through(unit: Path) -> None:
    text = unit.read_text()
    allowed = expanded(values(text, "SystemCallFilter"))
    # adjtimex: whether the clock is right; setpriority: a sealing child steps back; mlockall: memory stays
    for call in (
        "adjtimex",
        "clock_adjtime",
        "setpriority",
        "mlockall",
        "prlimit64",
        "prctl",
        "execve",
        "fdatasync",
    ):
        assert call in allowed, call
    for call in (
        "settimeofday",
        "mount",
        "ptrace",
        "init_module",
        "swapon",
        "sched_setscheduler",
        "chown",
        "bpf",
    ):
        assert call not in allowed, call
    # these two would hide the clock's state and /proc/swaps
    assert not values(text, "ProtectClock")
    assert not values(text, "ProcSubset")


def expanded(filters: list[str]) -> set[str]:
    """The system calls that an allow list of systemd names, its sets looked up."""
    groups: dict[str, list[str]] = {}
    name = ""
    for line in analyze("syscall-filter", "--no-pager").stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            groups[name] = []
        elif line.strip() and not line.strip().startswith("#"):
            groups[name].append(line.strip())

    def members(entry: str) -> set[str]:
        found = [members(one) for one in groups[entry]] if entry in groups else [{entry}]
        return set().union(*found)

    allowed: set[str] = set()
    for line in filters:
        named = set().union(*(members(entry) for entry in line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def test_a_node_elsewhere_may_write_there_and_nowhere_else() -> None:
    text = unit_text(wanted(COMMAND, node=Path("/srv/node"), networks=[]))
    assert values(text, "ReadWritePaths") == ["/srv/node"]
    assert not values(text, "StateDirectory")
    assert "/var/lib/noisewatch" not in text


def test_no_placeholder_is_left_in_any_file() -> None:
    for path, text in system_files(Wanted(COMMAND)).items():
        assert not re.search(r"@[A-Z]+@", text), path


@pytest.mark.parametrize("program", ["/home/pi/noisewatch/.venv/bin/noisewatch", "/root/x", "/run/user/1/x"])
def test_a_program_that_the_service_could_not_see_is_refused_with_a_remedy(program: str) -> None:
    with pytest.raises(ConfigurationError, match="hidden from the service") as refused:
        wanted(Path(program), node=DEFAULT_NODE, networks=[])
    assert "/opt" in refused.value.line()


@pytest.mark.parametrize(
    ("node", "network"),
    [("relative", "10.0.0.0/8"), ("/var/lib/a b", "10.0.0.0/8"), ("/var/lib/a", "camera.local")],
)
def test_what_would_break_the_unit_is_wrong_use(node: str, network: str) -> None:
    with pytest.raises(UsageError):
        wanted(COMMAND, node=Path(node), networks=[network])


def test_installing_writes_every_file_for_an_image_and_tells_where(tmp_path: Path) -> None:
    done = noisewatch("install", "--root", tmp_path, "--command", COMMAND, "--network", "192.0.2.7", "--json")
    assert done.code == 0, done.err
    written = sorted(f"/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if path.is_file())
    assert sorted(done.document["files"]) == written
    assert len(written) == 5
    made = (tmp_path / "etc/systemd/system/noisewatch.service").read_text()
    assert values(made, "IPAddressAllow") == ["localhost 192.0.2.7/32"]
    assert "MaxRetentionSec=30day" in (tmp_path / "etc/systemd/journald.conf.d/noisewatch.conf").read_text()


def test_beside_the_package_s_unit_only_the_networks_are_written(tmp_path: Path) -> None:
    packaged = tmp_path / installing.PACKAGED_UNIT
    packaged.parent.mkdir(parents=True)
    packaged.write_text("")
    none = noisewatch("install", "--root", tmp_path, "--command", COMMAND)
    assert "the package brought all files" in none.out
    one = noisewatch(
        "install", "--root", tmp_path, "--command", COMMAND, "--network", "10.1.0.0/16", "--json"
    )
    (path,) = one.document["files"]
    assert path == "/etc/systemd/system/noisewatch.service.d/networks.conf"
    assert "IPAddressAllow=10.1.0.0/16" in (tmp_path / path.lstrip("/")).read_text()
    other = noisewatch("install", "--root", tmp_path, "--command", COMMAND, "--node", "/srv/node")
    assert other.code == 78


def test_printing_gives_every_file_as_json_too(tmp_path: Path) -> None:
    printed = noisewatch("install", "--print", "--command", COMMAND, "--json")
    assert sorted(json.loads(printed.out)["files"]) == sorted(map(str, system_files(Wanted(COMMAND))))


def test_only_root_installs_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    refused = noisewatch("install", "--command", COMMAND)
    assert (refused.code, "sudo" in refused.error_line) == (77, True)


def test_the_user_of_the_service_is_in_the_groups_of_microphones_and_cameras() -> None:
    text = system_files(Wanted(COMMAND))[Path("/etc/sysusers.d/noisewatch.conf")]
    assert re.findall(r"^m noisewatch (\w+)$", text, flags=re.MULTILINE) == ["audio", "video"]


def test_a_program_of_the_system_that_refuses_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("systemd-sysusers", "systemctl", "udevadm"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {name} $* >> {tmp_path}/called\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert any("will start" in words or "starts with" in words for words in installing.tell_system())
    called = (tmp_path / "called").read_text().splitlines()
    assert called[0] == "systemd-sysusers noisewatch.conf"
    assert called[-1] == "systemctl enable noisewatch.service"
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho 'Unit is masked.' >&2\nexit 1\n")
    with pytest.raises(UnavailableError, match=r"systemctl .*Unit is masked"):
        installing.tell_system()
