"""`noisewatch privacy`: the papers of a real trial node, by the commands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command import Result, noisewatch


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, street_flac: Path) -> Path:
    """A node that heard the sample street without a picture: one event, nothing kept."""
    folder = tmp_path_factory.mktemp("privacy")
    assert noisewatch("custody", "init", folder / "custody", "--trial").code == 0
    assert noisewatch("init", folder / "node", "--custody", folder / "custody").code == 0
    run = noisewatch(
        *("run", "--config", folder / "node" / "node.toml", "--audio", street_flac, "--pace", "fast"),
        *("--pascal-per-unit", 20, "--start", "2026-03-01T12:00:00Z", "--json"),
    )
    assert run.code == 0, run.err
    return folder


def privacy(ran: Path, *arguments: object, custody: bool = True) -> Result:
    also = ("--custody", ran / "custody") if custody else ()
    return noisewatch("privacy", *arguments, "--node", ran / "node", *also)


def figures(result: Result) -> dict[str, Any]:
    return {one["key"]: one for one in result.document["figures"]}


def test_the_year_is_counted_from_the_logs_and_small_counts_are_hidden(ran: Path, tmp_path: Path) -> None:
    year = datetime.now(UTC).year
    out = tmp_path / "year.html"
    result = privacy(ran, "report", "--year", year, "--out", out, "--lang", "fr", "--json")
    assert result.code == 0, result.err
    found = figures(result)
    assert (found["events"]["value"], found["events"]["suppressed"]) == (None, True)
    assert found["exports"]["value"] == 0
    assert found["seconds_forgotten"]["value"] == 24.0
    assert result.document["logs_whole"] is True
    assert "Rapport annuel" in out.read_text()
    assert figures(privacy(ran, "report", "--year", 2020, "--json"))["events"]["value"] == 0


def test_a_report_from_a_log_that_was_edited_is_refused(ran: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(ran, tmp_path / "copy"))
    path = copy / "node" / "log" / "node.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"heard_us":24000000', b'"heard_us":24000001'))
    result = privacy(copy, "report", "--json")
    assert result.code != 0
    assert "noisewatch: " in result.error_line


@pytest.mark.parametrize("language", ["nl", "fr", "en", "de"])
def test_the_sign_is_printed_in_four_languages(ran: Path, language: str) -> None:
    result = privacy(ran, "sign", "--lang", language, "--json", custody=False)
    assert result.code == 0, result.err
    assert result.document["sign"]["language"] == language
    assert "controller" in result.document["blanks"]


def test_the_register_takes_the_controllers_words(ran: Path, tmp_path: Path) -> None:
    details = tmp_path / "details.toml"
    details.write_text('controller = "Stad Genk"\n', encoding="utf-8")
    result = privacy(ran, "register", "--details", details, "--lang", "nl", "--json")
    fields = {one["key"]: one["value"] for one in result.document["fields"]}
    assert fields["controller"].startswith("Stad Genk")
    assert "officer 1, supervisor 1" in fields["recipients"]


def test_the_assessment_is_written_for_people_and_for_the_pia_tool(ran: Path, tmp_path: Path) -> None:
    page, tool = tmp_path / "dpia.md", tmp_path / "pia.json"
    result = privacy(ran, "dpia", "--pia", tool, "--out", page, "--lang", "nl", "--json")
    assert result.code == 0, result.err
    assert len(json.loads(tool.read_text())["answers"]) == 36
    text = page.read_text()
    assert "seconds forgotten | 24.0 |" in text
    assert "test_nothing_before_a_match.py" in text


def test_a_request_for_a_window_finds_the_event_in_it_and_none_outside(ran: Path) -> None:
    inside = privacy(ran, "request", "--from", "2026-03-01T12:00Z", "--to", "2026-03-01T12:01Z", "--json")
    (window,) = inside.document["windows"]
    assert [event["kept"] for event in window["without_clip"]] == [False]
    assert (window["kept"], window["ended"], window["heard_s"]) == ([], [], 24.0)
    outside = privacy(ran, "request", "--from", "2026-03-01T13:00Z", "--to", "2026-03-01T14:00Z", "--json")
    assert outside.document["windows"][0]["without_clip"] == []
    assert outside.document["windows"][0]["minutes"] == 0


def test_an_event_that_has_ended_is_still_named_with_the_moment_of_its_erasure(
    ran: Path, tmp_path: Path
) -> None:
    import shutil

    from noisewatch.evidence import retention
    from noisewatch.evidence.log import EventLog
    from noisewatch.evidence.seal import NodeSigner
    from noisewatch.evidence.store import Store

    node = Path(shutil.copytree(ran / "node", tmp_path / "copy" / "node"))
    log = EventLog.open(node / "log" / "node.jsonl", signer=NodeSigner.from_folder(node / "keys"))
    with Store.open(node / "store", log=log) as store:
        later = datetime.now(UTC) + timedelta(days=40)
        assert len(retention.enforce(store, log, later, synchronised=True).erased) == 1
    result = privacy(
        tmp_path / "copy",
        *("request", "--from", "2026-03-01T12:00Z", "--to", "2026-03-01T12:01Z", "--json"),
        custody=False,
    )
    (window,) = result.document["windows"]
    assert window["without_clip"] == []
    assert [one["erased_at"] is not None for one in window["ended"]] == [True]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("sign", "--lang", "pt"), 2, "--lang"),
        (("register", "--lang", "de"), 2, "--lang"),
        (("request", "--from", "noon", "--to", "2026-03-01"), 2, "--from"),
        (("request", "--from", "2026-03-02", "--to", "2026-03-01"), 2, "--to"),
    ],
)
def test_wrong_use_is_named(ran: Path, arguments: tuple[str, ...], code: int, word: str) -> None:
    result = privacy(ran, *arguments, custody=False)
    assert result.code == code
    assert word in result.error_line


def test_without_a_node_the_remedy_is_named(tmp_path: Path) -> None:
    result = noisewatch("privacy", "sign", "--node", tmp_path)
    assert result.code == 66
    assert "--node" in result.error_line
