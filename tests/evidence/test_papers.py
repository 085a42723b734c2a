"""Sign, register and impact assessment: complete, true to the node, without a position, blanks named."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from noisewatch.errors import ConfigurationError
from noisewatch.evidence import dpia, papers
from noisewatch.evidence.deployment import (
    DETAILS,
    LANGUAGES,
    SIGN_LANGUAGES,
    Deployment,
    NodeFacts,
    phrases,
    read_details,
)
from noisewatch.evidence.figures import count
from noisewatch.evidence.measured import speech_figures

ROOT = Path(__file__).resolve().parents[2]
NODE = NodeFacts("genk-1", "Stalenstraat", ("exhaust",), 82.0, 28, 400, has_mask=True)
WORDS = {key: f"our {key}" for key in DETAILS}
FULL = Deployment((NODE,), "noisewatch 1", {"officer": 2, "supervisor": 1}, WORDS)
EMPTY = Deployment((dataclasses.replace(NODE, street=""),), "noisewatch 1")
TITLES = {
    "nl": "Camerabewaking – Wet van 21 maart 2007",
    "fr": "Surveillance par caméra – Loi du 21 mars 2007",
    "de": "Kameraüberwachung – Gesetz vom 21. März 2007",
    "en": "Camera surveillance – Act of 21 March 2007",
}


@pytest.mark.parametrize("language", SIGN_LANGUAGES)
def test_the_sign_holds_what_the_law_asks_for(language: str) -> None:
    lines = papers.sign(FULL, language)["lines"]
    assert lines[0] == TITLES[language]
    text = "\n".join(lines)
    for key in ("controller", "representative", "address", "email", "telephone", "dpo", "website"):
        assert f"our {key}" in text
    assert "ANPR" not in text


@pytest.mark.parametrize("language", SIGN_LANGUAGES)
def test_the_notice_names_sound_level_days_and_streets(language: str) -> None:
    page = papers.sign_markdown(FULL, language)
    assert "82 dB(A)" in page
    assert "28" in page
    assert "- Stalenstraat" in page
    assert not re.search(r"[{}]", page)


def test_streets_stand_once_and_in_order_and_never_the_node_or_its_distance() -> None:
    nodes = [
        dataclasses.replace(NODE, name=f"box-{n}", street=s) for n, s in enumerate(("Zuid", "Kerk", "Zuid"))
    ]
    deployment = Deployment(tuple(nodes), "noisewatch 1")
    assert deployment.streets("nl") == ("Kerk", "Zuid")
    assert "box-" not in papers.sign_markdown(deployment, "nl")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_register_has_every_field_filled_or_named_as_blank(language: str) -> None:
    fields = papers.register(FULL, language)
    assert len(fields) == 18
    assert all(field["value"] and field["source"] and field["label"] for field in fields)
    assert "[" not in papers.register_markdown(FULL, language)
    blank = papers.register_markdown(EMPTY, language)
    for key in ("controller", "dpo", "legal_basis", "processing_place", "plan"):
        assert key in blank
    assert EMPTY.blanks() == DETAILS


def test_what_the_register_says_follows_the_nodes() -> None:
    fields = {field["key"]: field["value"] for field in papers.register(FULL, "en")}
    assert "28 days" in fields["retention"]
    assert "officer 2, supervisor 1" in fields["recipients"]
    assert "82 dB(A)" in fields["technical"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_assessment_answers_what_is_fact_and_leaves_opinions_blank(language: str) -> None:
    found = {answer.question: answer for answer in dpia.answers(FULL, language)}
    assert tuple(found) == dpia.QUESTIONS
    assert len(found) == 36
    assert all(answer.text or answer.items for answer in found.values())
    assert [q for q, answer in found.items() if answer.is_blank] == [222, 325, 335, 345]
    assert not any(re.search(r"[{}|]", answer.text) for answer in found.values())
    empty = [answer.question for answer in dpia.answers(EMPTY, language) if answer.is_blank]
    assert empty == [112, 212, 222, 226, 325, 335, 345]


def test_the_document_for_the_pia_tool_has_its_form_and_no_verdict() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    document = dpia.pia_document(FULL, "fr", now=now, live=(count("events", 7, "node log"),))
    assert set(document) == {"pia", "answers", "measures", "evaluations", "comments"}
    assert [answer["reference_to"] for answer in document["answers"]] == list(dpia.QUESTIONS)
    for answer in document["answers"]:
        assert set(answer["data"]) == {"text", "gauge", "list"}
        assert answer["data"]["gauge"] is None
        assert (answer["data"]["text"] is None) == bool(answer["data"]["list"])
    titles = {measure["title"] for measure in document["measures"]}
    by_risk = [a["data"]["list"] for a in document["answers"] if a["reference_to"] in (324, 334, 344)]
    assert all(set(listed) == titles for listed in by_risk)
    assert "events: 7 (node log)" in document["measures"][0]["content"]
    assert (document["evaluations"], document["pia"]["progress"], document["pia"]["validator_name"]) == (
        [],
        0,
        "",
    )


def test_text_of_people_cannot_become_markup_in_the_tool() -> None:
    hostile = dataclasses.replace(FULL, details={**WORDS, "controller": "<script>x</script>"})
    document = dpia.pia_document(hostile, "en", now=datetime(2026, 3, 1, tzinfo=UTC))
    assert "<script" not in str(document)


@pytest.mark.parametrize(
    "source", [*papers.MEASURES.values(), *(row["source"] for row in dpia.measured("en"))]
)
def test_each_test_and_benchmark_that_is_cited_exists(source: str) -> None:
    for path in re.findall(r"(?:tests|bench)/[\w/.]*", source):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_of_speech_are_those_that_the_benchmark_wrote(language: str) -> None:
    bench, rows = speech_figures(), dpia.measured(language)
    quoted = [row for row in rows if row["source"].startswith(bench["bench"])]
    assert len(quoted) == 6
    assert all(bench["date"] in row["source"] and bench["method"] in row["source"] for row in quoted)
    words = bench["worst"]["treated_words_wrong"]
    assert f"{words['value']:.1%} ({words['low']:.1%} to {words['high']:.1%}; " in quoted[0]["value"]
    assert f"{words['clips']} clips" in quoted[0]["value"]


def test_a_method_that_changed_since_the_benchmark_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noisewatch.privacy.speech.METHOD", "another-9")
    sources = [row["source"] for row in dpia.measured("en") if "bench/privacy.py" in row["source"]]
    assert sources
    assert all(source.endswith("; not measured anew for another-9") for source in sources)


def test_every_text_exists_in_each_language() -> None:
    for key, entry in phrases().items():
        needed = (
            set(SIGN_LANGUAGES) if key.startswith(("sign", "notice", "street", "blank")) else set(LANGUAGES)
        )
        assert needed <= set(entry), key


@pytest.mark.parametrize(
    ("text", "message"),
    [("x = [", "is not TOML"), ('contact = "a"', "unknown key 'contact'"), ("dpo = 1", "key 'dpo'")],
)
def test_details_that_are_none_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "details.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_details(path)
