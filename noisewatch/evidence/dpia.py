"""The facts of a data protection impact assessment, as Markdown and as the JSON of CNIL's PIA tool.

The tool (LINCnil/pia) imports one document ``{pia, answers, measures, evaluations, comments}``; an answer
names its question by number (111 to 346). Gauges, evaluations and opinions stay empty: a person gives those.
"""

from __future__ import annotations

import html
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from noisewatch.evidence.deployment import Deployment, bullet_list, phrase
from noisewatch.evidence.figures import Figure
from noisewatch.evidence.jsonform import utc_text
from noisewatch.evidence.measured import measured
from noisewatch.evidence.papers import measures

#: The tool's number of each part, with the names of its texts.
RISKS = {32: "access", 33: "change", 34: "loss"}
#: Every question of the tool.
QUESTIONS = (
    *(111, 112, 113, 121, 122, 123),
    *range(211, 216),
    *range(221, 228),
    *(risk * 10 + number for risk in RISKS for number in range(1, 7)),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to one question: a text, or items of a list; ``is_blank`` where a person must answer."""

    question: int
    text: str = ""
    items: tuple[str, ...] = ()
    is_blank: bool = False


@cache
def _texts(name: str) -> Mapping[str, Mapping[str, str]]:
    data = (resources.files("noisewatch.evidence") / "templates" / name).read_text(encoding="utf-8")
    return tomllib.loads(data)


def answers(deployment: Deployment, language: str) -> tuple[Answer, ...]:
    """Return what the software can say to each of the tool's 36 questions."""
    facts = deployment.facts()

    def own(key: str) -> str:
        return _texts("dpia.toml")[key][language].format(**facts)

    def shared(*keys: str) -> str:
        return "\n".join(phrase(key, language, **facts) for key in keys)

    def opinion(question: int, what: str) -> Answer:
        return Answer(question, _texts("dpia.toml")["opinion"][language].format(what=what), is_blank=True)

    def detail(question: int, key: str) -> Answer:
        return Answer(question, deployment.detail(key, language), is_blank=key in deployment.blanks())

    found = [
        Answer(111, shared("fact_purposes", "fact_technical")),
        detail(112, "controller"),
        Answer(113, own("standards")),
        Answer(121, shared("fact_subjects", "fact_data", "fact_recipients", "fact_retention")),
        Answer(122, bullet_list(own("flows").split("|"))),
        Answer(123, own("supports")),
        Answer(211, shared("fact_purposes")),
        detail(212, "legal_basis"),
        Answer(213, bullet_list([text for _, text, _ in measures(deployment, language)[:4]])),
        Answer(214, own("accuracy")),
        Answer(215, shared("fact_retention")),
        Answer(221, shared("fact_information")),
        opinion(222, "consent"),
        Answer(223, own("access")),
        Answer(224, own("rectification")),
        Answer(225, own("restriction")),
        detail(226, "processors"),
        Answer(227, shared("fact_transfers")),
    ]
    titles = tuple(title for title, _, _ in measures(deployment, language))
    for number, name in RISKS.items():
        found += [
            Answer(number * 10 + 1, items=tuple(own(f"impacts_{name}").split("|"))),
            Answer(number * 10 + 2, items=tuple(own(f"threats_{name}").split("|"))),
            Answer(number * 10 + 3, items=tuple(own(f"sources_{name}").split("|"))),
            Answer(number * 10 + 4, items=titles),
            opinion(number * 10 + 5, "severity"),
            Answer(number * 10 + 6, own(f"residual_{name}")),
        ]
    return tuple(found)


def markdown(deployment: Deployment, language: str, *, live: tuple[Figure, ...] = ()) -> str:
    """Return the assessment for people to complete."""
    words = _texts("dpia.toml")
    parts = [f"# {words['title'][language]}"]
    parts.append(f"## {words['flows_title'][language]}")
    parts.append(bullet_list(words["flows"][language].format(**deployment.facts()).split("|")))
    parts.append(f"## {words['measures_title'][language]}")
    parts += [f"**{title}.** {text} *({by})*" for title, text, by in measures(deployment, language)]
    parts.append(f"## {words['measured_title'][language]}")
    rows = [f"| {row['what']} | {row['value']} | {row['source']} |" for row in measured(language, live)]
    parts.append("\n".join(["| | | |", "|---|---|---|", *rows]))
    parts.append("## PIA (CNIL)")
    for answer in answers(deployment, language):
        parts.append(f"### {answer.question}\n\n{answer.text or bullet_list(answer.items)}")
    return "\n\n".join(parts)


def pia_document(
    deployment: Deployment, language: str, *, now: datetime, live: tuple[Figure, ...] = ()
) -> dict[str, Any]:
    """Return the document that the PIA tool imports."""
    at = utc_text(now)
    figures = "".join(
        f"<li>{_html(row['what'])}: {_html(row['value'])} ({_html(row['source'])})</li>"
        for row in measured(language, live)
    )
    listed = [
        {
            "id": number,
            "pia_id": 1,
            "reference_to": answer.question,
            "data": {
                "text": None if answer.items else _html(answer.text),
                "gauge": None,
                "list": list(answer.items),
            },
            "created_at": at,
            "updated_at": at,
        }
        for number, answer in enumerate(answers(deployment, language), start=1)
    ]
    return {
        "pia": {
            "id": 1,
            "status": 0,
            "is_example": 0,
            "is_archive": 0,
            "name": _texts("dpia.toml")["title"][language],
            "category": "",
            "author_name": "",
            "evaluator_name": "",
            "validator_name": "",
            "progress": 0,
            "structure_id": "",
            "created_at": at,
            "updated_at": at,
        },
        "answers": listed,
        "measures": [
            {
                "id": number,
                "pia_id": 1,
                "title": title,
                "content": f"{_html(text)}<br>{_html(by)}" + (f"<ul>{figures}</ul>" if number == 1 else ""),
                "placeholder": None,
                "created_at": at,
                "updated_at": at,
            }
            for number, (title, text, by) in enumerate(measures(deployment, language), start=1)
        ],
        "evaluations": [],
        "comments": [],
    }


def _html(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>")
