"""The papers that the public and the authority see: the camera sign, the web notice, the register."""

from __future__ import annotations

from typing import Any

from noisewatch.evidence.deployment import Deployment, bullet_list, phrase

#: The measures of the register and the impact assessment, by their key in ``templates/privacy.toml``, each
#: with the test or command that shows it.
MEASURES = {
    "measure_memory": "tests/scenarios/test_nothing_before_a_match.py",
    "measure_voices": "tests/privacy/test_speech.py",
    "measure_mask": "tests/privacy/test_mask.py; each node's video.carriageway",
    "measure_copies": "tests/evidence/test_unseal.py",
    "measure_keys": "tests/evidence/test_seal.py; tests/evidence/test_custody.py",
    "measure_logs": "noisewatch audit verify",
    "measure_recognition": "tests/test_no_recognition.py",
    "measure_erasure": "noisewatch retention plan; tests/evidence/test_retention.py",
}
_REGISTER = (
    "controller", "dpo", "legal_basis", "purposes", "place_type", "addresses", "technical", "plan",
    "information", "processing_place", "live_viewing", "subjects", "data", "recipients", "transfers",
    "retention", "security", "declaration",
)  # fmt: skip


def measures(deployment: Deployment, language: str) -> list[tuple[str, str, str]]:
    """Return title, text and evidence of each measure."""
    found = []
    for key, evidence in MEASURES.items():
        title, _, text = phrase(key, language, **deployment.facts()).partition("|")
        found.append((title, text, evidence))
    return found


def sign(deployment: Deployment, language: str) -> dict[str, Any]:
    """Return the text of the statutory sign: what the law asks for and nothing else."""
    details = deployment.details
    lines = [phrase("sign_title", language)]
    lines.append(f"{phrase('sign_controller', language)}: {deployment.detail('controller', language)}")
    if details.get("representative"):
        lines.append(f"{phrase('sign_representative', language)}: {details['representative']}")
    lines.append(f"{phrase('sign_contact', language)}: {deployment.contact(language)}")
    lines.append(f"{phrase('sign_dpo', language)}: {deployment.detail('dpo', language)}")
    lines.append(f"{phrase('sign_website', language)}: {deployment.detail('website', language)}")
    return {"language": language, "lines": lines, "form": phrase("sign_form", language)}


def notice(deployment: Deployment, language: str) -> dict[str, Any]:
    """Return the notice for the web: what the sign has no room for, with the streets."""
    facts = {**deployment.facts(), "contact": deployment.contact(language)}
    keys = ("notice_what", "notice_voices", "notice_people", "notice_retention")
    return {
        "language": language,
        "title": phrase("notice_title", language),
        "paragraphs": [phrase(key, language, **facts) for key in keys],
        "streets_title": phrase("notice_streets", language),
        "streets": list(deployment.streets(language)),
    }


def sign_markdown(deployment: Deployment, language: str) -> str:
    """Return sign and notice as one page."""
    board, page = sign(deployment, language), notice(deployment, language)
    return "\n\n".join(
        [
            f"# {board['lines'][0]}",
            "\n".join(f"{line}  " for line in board["lines"][1:]),
            f"*{board['form']}*",
            f"# {page['title']}",
            *page["paragraphs"],
            f"## {page['streets_title']}",
            bullet_list(page["streets"]),
        ]
    )


def register(deployment: Deployment, language: str) -> list[dict[str, Any]]:
    """Return the fields of the processing register, each with where its content comes from."""
    facts, details = deployment.facts(), deployment.details
    controller = ", ".join(
        part
        for part in (
            deployment.detail("controller", language),
            details.get("representative", ""),
            deployment.contact(language),
        )
        if part
    )
    own_words = {
        "controller": controller,
        "dpo": deployment.detail("dpo", language),
        "legal_basis": deployment.detail("legal_basis", language),
        "plan": deployment.detail("plan", language),
        "processing_place": deployment.detail("processing_place", language),
        "declaration": f"{deployment.detail('declaration', language)}; "
        f"{deployment.detail('council_advice', language)}",
    }
    drawn = {
        "addresses": ("; ".join(deployment.streets(language)), "site.street of each node.toml"),
        "technical": (phrase("fact_technical", language, **facts), "node.toml of each node"),
        "recipients": (phrase("fact_recipients", language, **facts), "people of the custody folder"),
        "retention": (phrase("fact_retention", language, **facts), "retention of each node.toml"),
        "security": (
            "; ".join(title for title, _, _ in measures(deployment, language)),
            "the measures of `noisewatch privacy dpia`",
        ),
    }
    fields = []
    for key in _REGISTER:
        if key in own_words:
            value, source = own_words[key], "details of the controller"
        else:
            value, source = drawn.get(key) or (phrase(f"fact_{key}", language, **facts), "the software")
        label = phrase(f"register_{key}", language)
        fields.append({"key": key, "label": label, "value": value, "source": source})
    return fields


def register_markdown(deployment: Deployment, language: str) -> str:
    """Return the register as a table."""
    rows = [
        f"| {field['label']} | {field['value']} | {field['source']} |"
        for field in register(deployment, language)
    ]
    return "\n".join([f"# {phrase('register_title', language)}", "", "| | | |", "|---|---|---|", *rows])
