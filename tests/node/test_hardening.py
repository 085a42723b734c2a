"""Memory stays memory: what is judged of swap, what is locked, and that a crash leaves no core."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from noisewatch.errors import ConfigurationError
from noisewatch.node import hardening

HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def make_swaps(folder: Path, *areas: Path) -> Path:
    lines = [f"{str(area).replace(' ', chr(92) + '040')}  partition  1048572  0  -2\n" for area in areas]
    table = folder / "swaps"
    table.write_text(HEADER + "".join(lines))
    return table


def make_device(folder: Path, area: Path, **files: str) -> Path:
    """A device folder as sysfs has it, for the device that a file lies on."""
    number = area.stat().st_dev
    block = folder / f"{os.major(number)}:{os.minor(number)}"
    for name, text in files.items():
        path = block / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return folder


@pytest.mark.parametrize(
    ("name", "files", "is_safe"),
    [
        ("swap file", {}, False),
        ("swap file", {"dm__uuid": "LVM-abc"}, False),
        ("swap file", {"dm__uuid": "CRYPT-LUKS2-abc-swap"}, True),
        ("zram0", {}, True),
        ("zram0", {"backing_dev": "none"}, True),
        ("zram0", {"backing_dev": "/dev/sda3"}, False),
    ],
)
def test_only_encrypted_swap_and_zram_without_a_disk_behind_it_are_safe(
    tmp_path: Path, name: str, files: dict[str, str], *, is_safe: bool
) -> None:
    area = tmp_path / name
    area.touch()
    devices = make_device(tmp_path / "sys", area, **files)
    (swap,) = hardening.read_swaps(swaps=make_swaps(tmp_path, area), devices=devices)
    assert (swap.name, swap.is_safe) == (str(area), is_safe)


def test_a_volume_on_encrypted_disks_is_encrypted_but_not_when_one_of_them_is_plain(tmp_path: Path) -> None:
    block = tmp_path / "lvm"
    for name, uuid in (("one", "CRYPT-LUKS2-1"), ("two", "CRYPT-LUKS2-2")):
        (block / "slaves" / name / "dm").mkdir(parents=True)
        (block / "slaves" / name / "dm" / "uuid").write_text(uuid)
    assert hardening.is_encrypted(block)
    (block / "slaves" / "three").mkdir()
    assert not hardening.is_encrypted(block)


def test_swap_that_is_gone_when_it_is_looked_at_is_not_taken_for_safe(tmp_path: Path) -> None:
    (swap,) = hardening.read_swaps(swaps=make_swaps(tmp_path, tmp_path / "gone"), devices=tmp_path)
    assert not swap.is_safe


def plain_swap(monkeypatch: pytest.MonkeyPatch) -> None:
    swap = hardening.Swap("/dev/sda2", is_safe=False, why="plain")
    monkeypatch.setattr(hardening, "read_swaps", lambda: (swap,))


def test_a_live_node_refuses_plain_swap_and_names_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_swap(monkeypatch)
    said: list[str] = []
    with (
        pytest.raises(ConfigurationError, match=r"memory.allow_plain_swap.*/dev/sda2") as refused,
        hardening.hardened(lock_memory=False, allow_plain_swap=False, only_warn=False, report=said.append),
    ):
        pass
    assert refused.value.exit_code == 78


@pytest.mark.parametrize(("allow", "only_warn"), [(True, False), (False, True)])
def test_where_it_is_allowed_each_start_warns(
    monkeypatch: pytest.MonkeyPatch, *, allow: bool, only_warn: bool
) -> None:
    plain_swap(monkeypatch)
    said: list[str] = []
    with hardening.hardened(
        lock_memory=False, allow_plain_swap=allow, only_warn=only_warn, report=said.append
    ) as state:
        assert "/dev/sda2 (plain)" in state.sentence
    assert said[0] == "warning: what is in memory may reach the swap /dev/sda2 (plain)"


def test_a_limit_on_locked_memory_is_respected_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tnode\nCapEff:\t0000000000000000\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64 * 1024, 64 * 1024))
    why = hardening.lock_refusal(status=status)
    assert why is not None
    assert "64 kB" in why
    status.write_text("CapEff:\t000001ffffffffff\n")
    assert hardening.lock_refusal(status=status) is None


def run_python(code: str, *, ending: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = (
        "from noisewatch.node.hardening import hardened\nimport os, sys\n"
        "with hardened(lock_memory=True, allow_plain_swap=True, only_warn=True, report=print) as state:\n"
        f"    {code}\n{ending}"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=cwd)


def test_memory_is_locked_while_it_lasts_wherever_this_user_may(tmp_path: Path) -> None:
    """Read from outside Python: the kernel's own account of the process."""
    line = "[l for l in open('/proc/self/status') if l.startswith('VmLck')][0].split()[1]"
    done = run_python(f"print(state.is_locked, {line})", ending=f"print({line})", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    locked, during, after = done.stdout.split()[-3:]
    assert locked == str(hardening.lock_refusal() is None)
    assert (int(during) > 0) == (locked == "True")
    assert after == "0"


def test_a_process_that_crashes_leaves_no_core(tmp_path: Path) -> None:
    """The control is the same crash without hardening, which is dumpable and has a limit above zero."""
    crash = "os.kill(os.getpid(), 11)"
    done = run_python(crash, ending="", cwd=tmp_path)
    assert done.returncode == -signal.SIGSEGV
    assert list(tmp_path.iterdir()) == []
    look = "import ctypes, resource; libc = ctypes.CDLL(None); "
    look += "print(libc.prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))"
    assert run_python(look, ending="", cwd=tmp_path).stdout.splitlines()[-1] == "0 (0, 0)"
    control = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert control.stdout.startswith("1 ")
