"""The officer's commands, as a person types them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sealed
from command import Result, noisewatch

WHY = ("--as", "officer", "--reason", sealed.REASON, "--case", sealed.CASE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> sealed.Place:
    return sealed.make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture
def place(made: sealed.Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sealed.Place:
    """A node and custody that the commands find by the environment."""
    shutil.copytree(made.node, tmp_path / "node")
    shutil.copytree(made.custody, tmp_path / "custody")
    monkeypatch.setenv("NOISEWATCH_NODE", str(tmp_path / "node"))
    monkeypatch.setenv("NOISEWATCH_CUSTODY", str(tmp_path / "custody"))
    return sealed.Place(tmp_path / "node", tmp_path / "custody", made.event_id, made.clips)


@pytest.fixture
def exported(place: sealed.Place, tmp_path: Path) -> Path:
    done = noisewatch("clips", "export", place.event_id, *WHY, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    return Path(done.document["package"])


def expect_refusal(done: Result, code: int, words: str) -> None:
    assert done.code == code, done
    assert words in done.error_line
    assert done.out == ""


def test_list_has_the_keys_of_the_contract_one_line_a_clip(place: sealed.Place) -> None:
    done = noisewatch("clips", "list", "--json")
    assert done.code == 0
    (document,) = done.documents
    contract = {"id", "captured_at", "site", "signature", "lafmax_db", "behaviour", "expires_at"}
    assert contract | {"viewed", "exported"} <= set(document)
    assert (document["id"], document["lafmax_db"]) == (place.event_id, 89.6)
    assert document["captured_at"].endswith("Z")


def test_list_for_people_is_a_table(place: sealed.Place) -> None:
    done = noisewatch("clips", "list")
    assert "Kerkstraat 12" in done.out
    assert done.out.splitlines()[0].startswith("id ")


def test_list_without_a_custody_names_days_and_ends_and_nothing_that_was_heard(
    place: sealed.Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NOISEWATCH_CUSTODY", raising=False)
    monkeypatch.chdir(tmp_path)
    done = noisewatch("clips", "list", "--node", place.node, "--json")
    (document,) = done.documents
    heard = ("captured_at", "site", "signature", "lafmax_db", "behaviour", "viewed", "exported")
    assert [document[key] for key in heard] == [None] * len(heard)
    assert (document["id"], document["state"]) == (place.event_id, "sealed")
    assert document["day"] in document["expires_at"] or document["expires_at"] > document["day"]
    assert done.err.splitlines() == [
        "the records are sealed: with --custody DIR the list says what, where and how loud"
    ]
    assert "sealed" in noisewatch("clips", "list", "--node", place.node).out
    expect_refusal(
        noisewatch("clips", "list", "--node", place.node, "--above-db", "90"), 2, "the records are sealed"
    )


def test_list_without_a_store_says_what_to_do(tmp_path: Path) -> None:
    expect_refusal(noisewatch("clips", "list", "--node", tmp_path), 78, "holds no store")


def test_export_prints_the_contract_and_the_package_verifies(place: sealed.Place, exported: Path) -> None:
    done = noisewatch("clips", "verify", exported, "--trust", place.custody, "--json")
    assert done.code == 0
    assert {"valid": True, "origin": "verified", "problems": []}.items() <= done.document.items()
    listed = noisewatch("clips", "list", "--json").document
    assert (listed["viewed"], listed["exported"]) == (False, True)


def test_export_as_zip_verifies_too(place: sealed.Place, tmp_path: Path) -> None:
    done = noisewatch("clips", "export", place.event_id, *WHY, "--out", tmp_path / "out", "--zip", "--json")
    assert set(done.document) >= {"id", "package", "data_sha256", "zip"}
    assert noisewatch("clips", "verify", done.document["zip"], "--trust", place.trust).code == 0


def test_verify_without_trust_says_first_that_the_origin_is_not_checked(exported: Path) -> None:
    done = noisewatch("clips", "verify", exported)
    assert done.code == 0
    assert done.out.splitlines()[0] == "intact, origin NOT checked"
    assert noisewatch("clips", "verify", exported, "--json").document["origin"] == "unverified"


def test_verify_of_a_tampered_copy_says_no_and_names_the_part(place: sealed.Place, exported: Path) -> None:
    clip = exported / "data" / "clip.mp4"
    clip.write_bytes(clip.read_bytes()[:-1])
    done = noisewatch("clips", "verify", exported, "--trust", place.custody, "--json")
    assert done.code == 1
    assert done.document["valid"] is False
    assert "data/clip.mp4" in {problem["part"] for problem in done.document["problems"]}
    assert "data/clip.mp4" in done.error_line
    assert "REFUSED data/clip.mp4" in noisewatch("clips", "verify", exported).out


def test_verify_of_nothing_is_missing(tmp_path: Path) -> None:
    expect_refusal(noisewatch("clips", "verify", tmp_path / "none"), 66, "no package here")


def test_verify_with_a_folder_that_holds_no_trust(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    expect_refusal(noisewatch("clips", "verify", exported, "--trust", tmp_path / "empty"), 66, "ca.pem")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"--reason": ".........."}, 2, "says nothing"),
        ({"--reason": "test test"}, 2, "says nothing"),
        ({"--reason": "too short"}, 2, "10 to 500 characters"),
        ({"--reason": None}, 2, "a reason is needed"),
        ({"--case": None}, 2, "a case number is needed"),
        ({"--as": None}, 2, "say who you are"),
        ({"--as": "nobody"}, 77, "nobody"),
        ({"--as": "supervisor"}, 77, "needs the role officer"),
        ({"--lang": "de"}, 2, "--lang"),
    ],
)
def test_export_refuses_in_one_line(
    changes: dict[str, str | None], code: int, words: str, place: sealed.Place, tmp_path: Path
) -> None:
    options: dict[str, str | None] = {
        "--as": "officer",
        "--reason": sealed.REASON,
        "--case": sealed.CASE,
    } | changes
    given = [text for name, value in options.items() if value is not None for text in (name, value)]
    expect_refusal(
        noisewatch("clips", "export", place.event_id, *given, "--out", tmp_path / "out"), code, words
    )
    assert not (tmp_path / "out").exists()


def test_export_of_a_clip_that_is_not_there(place: sealed.Place, tmp_path: Path) -> None:
    expect_refusal(noisewatch("clips", "export", "ev-none", *WHY, "--out", tmp_path / "out"), 66, "ev-none")
    expect_refusal(
        noisewatch("clips", "export", "../x", *WHY, "--out", tmp_path / "out"), 65, "not an event's id"
    )


def test_an_original_is_exported_after_a_supervisor_approved(place: sealed.Place, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out", "--original", "--json")
    expect_refusal(noisewatch("clips", "export", place.event_id, *WHY, *out), 77, "no supervisor approved")
    why = ("--as", "supervisor", *WHY[2:])
    assert noisewatch("clips", "approve", place.event_id, *why, "--json").document["approved"] is True
    done = noisewatch("clips", "export", place.event_id, *WHY, *out)
    assert done.code == 0
    assert (Path(done.document["package"]) / "data" / "original.mp4").is_file()


def test_show_prints_plain_words_in_the_language_of_the_reader(place: sealed.Place) -> None:
    done = noisewatch("clips", "show", place.event_id, *WHY, "--lang", "nl")
    assert done.code == 0
    assert "89,6 dB(A)" in done.out
    assert "voorbijrijden" in done.out
    assert "geen type-gekeurde wettelijke meting" in done.out
    assert noisewatch("clips", "list", "--json").document["viewed"] is True


def test_show_prints_the_record_as_json(place: sealed.Place) -> None:
    done = noisewatch("clips", "show", place.event_id, *WHY, "--json")
    assert done.document["schema"] == "noisewatch-event-1"


def test_show_plays_from_memory_and_leaves_no_file(place: sealed.Place, tmp_path: Path) -> None:
    player, heard = tmp_path / "player", tmp_path / "heard"
    player.write_text(
        f"#!{sys.executable}\nimport sys, hashlib, urllib.request\n"
        "data = urllib.request.urlopen(sys.argv[1]).read()\n"
        f"open({str(heard)!r}, 'w').write(hashlib.sha256(data).hexdigest())\n"
    )
    player.chmod(0o755)
    done = noisewatch("clips", "show", place.event_id, *WHY, "--play", "--player", player)
    assert done.code == 0, done.err
    assert heard.read_text() == hashlib.sha256(place.clips["viewing"]).hexdigest()
    clear = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix == ".mp4"]
    assert clear == []


def test_a_missing_player_is_said(place: sealed.Place) -> None:
    done = noisewatch("clips", "show", place.event_id, *WHY, "--player", "no-such-player")
    assert done.code == 69
    assert "no-such-player: is not installed" in done.error_line


@pytest.mark.parametrize("command", ["list", "show", "approve", "export", "verify"])
def test_each_command_has_help_with_an_example_and_json(command: str) -> None:
    done = noisewatch("clips", command, "--help")
    assert done.code == 0
    assert f"Example: noisewatch clips {command}" in done.out
    assert "--json" in done.out


def test_the_commands_import_nothing_heavy_before_they_run() -> None:
    code = "import json, sys, noisewatch.cli.officer; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"matplotlib", "av", "fpdf", "scipy", "numpy", "sqlite_utils"} & set(
        json.loads(done.stdout)
    ) == set()
