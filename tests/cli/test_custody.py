"""The commands of the custodian and the data protection officer, as people type them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pyrage
import pytest
from evidence_parts import Bench, make_bench
from typer.testing import CliRunner, Result

from noisewatch.cli.main import build_app
from noisewatch.errors import (
    AnswerIsNo,
    ConfigurationError,
    NoisewatchError,
    PermissionRefusedError,
    UsageError,
)

PASSPHRASE = "correct horse battery"


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(build_app(), [str(one) for one in arguments], input=stdin)


def document(result: Result) -> dict[str, object]:
    if result.exception is not None:
        raise result.exception
    loaded = json.loads(result.stdout)
    assert isinstance(loaded, dict)
    return loaded


def refusal(result: Result) -> NoisewatchError:
    assert isinstance(result.exception, NoisewatchError), result.output
    return result.exception


@pytest.fixture(scope="session")
def node_original(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = make_bench(tmp_path_factory.mktemp("cli"))
    (bench.node / "node.toml").write_text("")
    return bench


@pytest.fixture
def person(tmp_path: Path) -> tuple[Path, str]:
    """The public keys that a new officer hands over."""
    key = tmp_path / "jan"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return key.with_name("jan.pub"), str(pyrage.x25519.Identity.generate().to_public())


def test_a_trial_custody_is_made_and_shown(tmp_path: Path) -> None:
    made = document(run("custody", "init", tmp_path / "custody", "--trial", "--json"))
    assert made["trial"] is True
    assert made["days"] == 40
    assert document(run("custody", "show", "--custody", tmp_path / "custody", "--json")) == made
    shown = run("custody", "show", "--custody", tmp_path / "custody").stdout
    assert "custody custody (trial)" in shown
    assert "officer" in shown
    assert "supervisor" in shown


def test_a_real_custody_takes_its_passphrase_from_a_file_that_only_the_custodian_reads(
    tmp_path: Path,
) -> None:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o644)
    command = ("custody", "init", tmp_path / "custody", "--passphrase-file", path, "--json")
    assert isinstance(refusal(run(*command)), PermissionRefusedError)
    assert not (tmp_path / "custody").exists()
    path.chmod(0o600)
    made = document(run(*command))
    assert (made["trial"], made["people"], made["days"]) == (False, [], 0)


def test_a_real_custody_asks_twice_for_its_passphrase_and_never_shows_it(tmp_path: Path) -> None:
    result = run("custody", "init", tmp_path / "custody", stdin=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert result.exception is None
    assert PASSPHRASE not in result.output
    assert b"ENCRYPTED" in (tmp_path / "custody" / "authority" / "ca.key").read_bytes()


def test_a_short_passphrase_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    result = run("custody", "init", tmp_path / "custody", stdin="short\nshort\n")
    assert isinstance(refusal(result), UsageError)
    assert not list((tmp_path / "custody").iterdir())


def test_an_officer_is_appointed_and_stands_among_the_allowed_signers(
    tmp_path: Path, person: tuple[Path, str]
) -> None:
    run("custody", "init", tmp_path / "custody", "--trial")
    public, recipient = person
    command = ("custody", "add", "jan", "--custody", tmp_path / "custody", "--role", "officer")
    command += ("--ssh-public", public, "--age-recipient", recipient, "--appointed-by", "mayor, decision 12")
    added = document(run(*command, "--until", "2030-01-01T00:00:00Z", "--as", "officer", "--json"))
    assert added == {"name": "jan", "role": "officer", "days_shared": 40}
    signers = (tmp_path / "custody" / "trust" / "allowed_signers").read_text()
    assert 'valid-before="20300101000000"' in signers
    assert public.read_text().split()[1] in signers
    assert isinstance(refusal(run(*command)), UsageError)


def test_a_person_without_an_appointment_is_refused(tmp_path: Path, person: tuple[Path, str]) -> None:
    run("custody", "init", tmp_path / "custody", "--trial")
    command = ("custody", "add", "jan", "--custody", tmp_path / "custody", "--role", "officer")
    command += ("--ssh-public", person[0], "--age-recipient", person[1], "--appointed-by", "x")
    assert isinstance(refusal(run(*command)), UsageError)


def test_whole_logs_verify_and_a_tampered_one_is_named_with_exit_1(
    node_original: Bench, tmp_path: Path
) -> None:
    bench = node_original
    with bench.store() as store:
        bench.seal_event(store, "20261122-120000-clie")
    both = ("audit", "verify", "--node", bench.node, "--custody", bench.custody.folder)
    verdict = document(run(*both, "--json"))
    assert (verdict["valid"], verdict["problems"]) == (True, [])
    assert verdict["entries"] == 2 + sum(1 for _ in bench.custody.log().entries())
    before = bench.log_path.read_bytes()
    try:
        bench.log_path.write_bytes(before.replace(b"clie", b"clif"))
        result = run(*both, "--json")
        assert isinstance(refusal(result), AnswerIsNo)
        assert json.loads(result.stdout)["problems"][0] == {
            "part": "node.jsonl entry 0",
            "what": "edited: its hash is not its own",
        }
        assert "NOT WHOLE" in run(*both).stdout
    finally:
        bench.log_path.write_bytes(before)


def test_a_nodes_log_is_not_whole_for_the_authority_of_another_custody(
    node_original: Bench, tmp_path: Path
) -> None:
    run("custody", "init", tmp_path / "other", "--trial")
    result = run("audit", "verify", "--node", node_original.node, "--custody", tmp_path / "other", "--json")
    assert isinstance(refusal(result), AnswerIsNo)
    problems = json.loads(result.stdout)["problems"]
    assert problems[0]["part"] == "node.jsonl checkpoint"


def test_without_a_node_or_custody_the_command_says_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOISEWATCH_NODE", raising=False)
    monkeypatch.delenv("NOISEWATCH_CUSTODY", raising=False)
    error = refusal(run("audit", "verify"))
    assert isinstance(error, ConfigurationError)
    assert "give --node or --custody" in error.line()


def test_the_plan_says_when_each_event_ends_and_enforcement_keeps_what_has_not(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    (bench.node / "node.toml").write_text("")
    with bench.store() as store:
        record = bench.seal_event(store, "20261122-120000-plan")
    plan = document(run("retention", "plan", "--node", bench.node, "--json"))
    assert [(one["id"], one["erase"]) for one in plan["events"]] == [(record.event.id, False)]  # type: ignore[index,attr-defined]
    assert "24 hours after sealing" in run("retention", "plan", "--node", bench.node).stdout
    done = document(
        run("retention", "enforce", "--node", bench.node, "--custody", bench.custody.folder, "--json")
    )
    assert done == {"erased": [], "unproven": [], "kept": 1, "days_ended": [], "verdicts_ended": 0}


@pytest.mark.parametrize(
    "command",
    ["custody init", "custody add", "custody show", "retention plan", "retention enforce", "audit verify"],
)
def test_each_command_has_an_example_in_its_help(command: str) -> None:
    result = run(*command.split(), "--help")
    assert f"Example: noisewatch {command}" in result.stdout
    assert "--json" in result.stdout


def test_a_box_is_made_by_carrying_a_request_and_a_bundle(tmp_path: Path) -> None:
    custody = tmp_path / "custody"
    document(run("custody", "init", custody, "--trial", "--json"))
    first = tmp_path / "first.bundle"
    made = document(run("custody", "bundle", "--out", first, "--custody", custody, "--json"))
    node = tmp_path / "node"
    waiting = document(run("init", node, "--bundle", first, "--name", "genk-1", "--json"))
    assert waiting["certified"] is False
    csr = node / "keys" / "node.csr"
    second = tmp_path / "second.bundle"
    issued = document(
        run("custody", "bundle", "--request", csr, "--out", second, "--custody", custody, "--json")
    )
    assert issued["node"] == "genk-1"
    wrong = run("init", node, "--bundle", second, "--fingerprint", "00" * 32)
    assert isinstance(refusal(wrong), ConfigurationError)
    command = ("init", node, "--bundle", second, "--fingerprint", str(made["authority_sha256"]), "--json")
    ready = document(run(*command))
    assert (ready["certified"], ready["trial"], ready["name"]) == (True, True, "genk-1")
    assert document(run("audit", "verify", "--node", node, "--custody", custody, "--json"))["valid"] is True


def test_a_person_is_revoked_and_another_gets_new_keys(tmp_path: Path, person: tuple[Path, str]) -> None:
    custody = tmp_path / "custody"
    document(run("custody", "init", custody, "--trial", "--json"))
    public, recipient = person
    added = run(
        *("custody", "add", "jan", "--role", "officer", "--ssh-public", public, "--age-recipient", recipient),
        *("--appointed-by", "mayor", "--as", "officer", "--custody", custody, "--json"),
    )
    assert document(added)["days_shared"] == 40
    key = tmp_path / "new"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    rotated = run(
        *("custody", "rotate", "jan", "--ssh-public", key.with_name("new.pub"), "--custody", custody),
        *("--age-recipient", str(pyrage.x25519.Identity.generate().to_public()), "--as", "officer"),
        *("--reason", "laptop stolen on the third of May", "--compromised", "--json"),
    )
    assert document(rotated) == {"name": "jan", "days_closed": 40, "days_renewed": 39, "days_shared": 40}
    no_reason = run("custody", "revoke", "jan", "--reason", "test", "--custody", custody)
    assert isinstance(refusal(no_reason), UsageError)
    revoked = run("custody", "revoke", "jan", "--reason", "left on the first of May", "--custody", custody)
    assert "40 days closed, 39 with new keys" in revoked.stdout
    assert run("custody", "show", "--custody", custody).stdout.count("jan") == 1


def test_days_are_ended_and_an_old_copy_is_refused(tmp_path: Path) -> None:
    custody = tmp_path / "custody"
    shown = document(run("custody", "init", custody, "--trial", "--json"))
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in (custody / "keyring").glob("*.json"):
        (copy / path.name).write_bytes(path.read_bytes())
    day = str(shown["last_day"])
    without_reason = run("custody", "expire", "--day", day, "--custody", custody)
    assert isinstance(refusal(without_reason), UsageError)
    why = ("--reason", "the box was broken into")
    ended = document(run("custody", "expire", "--day", day, *why, "--custody", custody, "--json"))
    assert (ended["ended"], ended["days"]) == ([day], 39)
    merged = document(run("custody", "expire", "--merge", copy, "--custody", custody, "--json"))
    assert (merged["taken"], merged["refused"], merged["days"]) == ([], [day], 39)


def test_an_auditor_asks_who_did_what_and_why(tmp_path: Path) -> None:
    custody = tmp_path / "custody"
    document(run("custody", "init", custody, "--trial", "--json"))
    listed = run("audit", "list", "--object", "supervisor", "--custody", custody, "--json")
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(row["who"], row["why"], row["log"]) for row in rows] == [
        ("custodian", "appointed", "custody.jsonl")
    ]
    shown = run("audit", "list", "--who", "custodian", "--since", "2026-01-01", "--custody", custody).stdout
    assert "custody made" in shown
    nothing = run("audit", "list", "--who", "nobody", "--custody", custody).stdout
    assert nothing.strip() == "nothing of that kind"
    wrong = run("audit", "list", "--since", "yesterday", "--custody", custody)
    assert isinstance(refusal(wrong), UsageError)
