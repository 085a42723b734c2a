"""The documents and the command line cannot drift apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from noisewatch.cli.main import build_app
from noisewatch.node.config import NodeConfig, parse_config

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*/*.md")])
#: Pages in Dutch, each of the page of its name in English.
DUTCH = sorted((ROOT / "docs" / "nl").glob("*.md"))


def commands() -> dict[tuple[str, ...], object]:
    """Every command by its words, with its click object."""
    found: dict[tuple[str, ...], object] = {}

    def walk(node: object, words: tuple[str, ...]) -> None:
        children = getattr(node, "commands", None)
        if children is None:
            found[words] = node
            return
        for name, child in children.items():
            walk(child, (*words, name))

    walk(get_command(build_app()), ())
    return found


COMMANDS = commands()


def mentioned(text: str) -> list[tuple[str, ...]]:
    """The commands that code in a page calls: the words behind `noisewatch`."""
    code = re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL)
    calls = []
    for block in code:
        for words in re.findall(r"(?<![\w/.-])noisewatch((?: [a-z][a-z-]*)+)", block):
            calls.append(tuple(words.split()))
    return calls


def is_command(words: tuple[str, ...]) -> bool:
    groups = {command[: i + 1] for command in COMMANDS for i in range(len(command))}
    known = groups | set(COMMANDS)
    return any(words[:n] in known and (words[:n] in COMMANDS or n == len(words)) for n in range(1, 3))


def test_there_are_commands_and_pages() -> None:
    assert len(COMMANDS) >= 15
    assert len(PAGES) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_in_a_page_exists(page: Path) -> None:
    unknown = [" ".join(words) for words in mentioned(page.read_text()) if not is_command(words)]
    assert unknown == []


@pytest.mark.parametrize("page", DUTCH, ids=lambda p: p.name)
def test_a_page_in_dutch_calls_what_its_page_in_english_calls(page: Path) -> None:
    english = ROOT / "docs" / page.name
    assert {*mentioned(page.read_text())} == {*mentioned(english.read_text())}
    options, other = ({*re.findall(r"`?(--[a-z-]+)", one.read_text())} for one in (page, english))
    # the language itself is of more use to who reads the page in Dutch
    assert options - {"--lang"} == other - {"--lang"}


def test_the_pages_that_exist_in_dutch_are_linked_from_the_start() -> None:
    assert {page.name for page in DUTCH} == {"officer.md", "custody.md"}
    text = (ROOT / "README.md").read_text()
    assert all(f"](docs/nl/{page.name})" in text for page in DUTCH)


def test_settings_in_the_page_on_watching_are_settings_of_a_node() -> None:
    page = ROOT / "docs" / "watching.md"
    blocks = re.findall(r"```toml\n(.*?)```", page.read_text(), flags=re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        assert parse_config(block.encode(), where=page) != NodeConfig()


def test_an_invented_command_would_be_noticed() -> None:
    assert mentioned("`noisewatch clips burn`") == [("clips", "burn")]
    assert not is_command(("clips", "burn"))


def test_every_command_stands_in_some_page() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    missing = [" ".join(words) for words in COMMANDS if f"noisewatch {' '.join(words)}" not in text]
    assert missing == []


@pytest.mark.parametrize("words", sorted(COMMANDS), ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    text = getattr(COMMANDS[words], "help", "") or ""
    assert "Example" in text
    assert f"noisewatch {' '.join(words)}" in text


@pytest.mark.parametrize("words", sorted(COMMANDS), ids=" ".join)
def test_every_command_that_prints_takes_json(words: tuple[str, ...]) -> None:
    options = {name for p in getattr(COMMANDS[words], "params", []) for name in p.opts}
    assert "--json" in options


def test_relative_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_word_offence_is_not_used_for_a_reading() -> None:
    for page in PAGES:
        assert "offence" not in page.read_text().lower(), page
