"""A login comes from a file that belongs to the node's user alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from noisewatch.errors import InputError, MissingInputError, NoisewatchError, PermissionRefusedError
from noisewatch.node.login import read_login


def written(folder: Path, text: str, *, mode: int = 0o600) -> Path:
    file = folder / "camera.login"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_password_may_hold_colons(tmp_path: Path) -> None:
    login = read_login(written(tmp_path, "admin:p@ss/w:rd\n"))
    assert (login.user, login.password) == ("admin", "p@ss/w:rd")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(PermissionRefusedError) as caught:
        read_login(written(tmp_path, "admin:p@ss", mode=mode))
    assert caught.value.exit_code == 77
    assert "p@ss" not in caught.value.line()


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(written(tmp_path, "admin:p@ss"))
    with pytest.raises(NoisewatchError) as caught:
        read_login(link)
    assert str(link) in caught.value.line()


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        read_login(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["nocolon", ":nouser", "nopassword:", "two:lines\nof:them", "", "\xff:\xfe"])
def test_what_is_not_one_line_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "camera.login"
    file.touch(mode=0o600)
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="is not one line user:password") as caught:
        read_login(file)
    assert not text or text not in str(caught.value)
