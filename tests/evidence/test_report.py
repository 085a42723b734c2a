"""The report: the same bytes for the same event, in three languages, with everything a judge needs."""

from __future__ import annotations

import dataclasses
import re
import string
import subprocess
from pathlib import Path

import made_up
import numpy as np
import pytest

from noisewatch.evidence import jsonform, levels, motion_plot, plots, report, summary, words
from noisewatch.records import INDICATION, EventRecord, ScoredWindow

LANGUAGES = words.LANGUAGES


def make(record: EventRecord, language: str = "en", *, still: bool = True) -> bytes:
    say = words.Words(language)
    table = levels.read_levels(made_up.make_levels())
    picture = np.full((90, 160, 3), 120, np.uint8) if still else None
    sound = np.sin(np.arange(48_000 * 2) / 20).astype(np.float32)
    parts = report.ReportParts(
        record=record,
        event_json=jsonform.document_to_bytes(jsonform.record_to_document(record)),
        clip_name="clip.mp4",
        clip_sha256="12" * 32,
        levels_sha256="34" * 32,
        still=picture,
        plots={
            "levels": plots.plot_levels(table, record, say),
            "vehicle": motion_plot.plot_vehicle(table, record, say),
            "spectrogram": plots.plot_spectrogram(sound, rate_hz=48_000, pascal_per_unit=1.0, words=say),
        },
    )
    return report.make_report(parts, say)


def text_of(pdf: bytes, folder: Path, *, pages: int | None = None) -> str:
    path = folder / "report.pdf"
    path.write_bytes(pdf)
    only = [] if pages is None else ["-l", str(pages)]
    done = subprocess.run(["pdftotext", "-layout", *only, str(path), "-"], capture_output=True, check=True)
    return re.sub(r"\s+", " ", done.stdout.decode())


@pytest.fixture
def record() -> EventRecord:
    return made_up.make_record(b"clip", made_up.make_levels())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_event_gives_the_same_bytes(language: str, record: EventRecord) -> None:
    assert make(record, language) == make(record, language)


def test_no_other_date_than_the_events_stands_in_the_file(record: EventRecord) -> None:
    pdf = make(record)
    assert set(re.findall(rb"D:(\d{8})", pdf)) == {b"20260301"}
    assert b"fpdf" not in pdf.lower()


@pytest.mark.parametrize(
    ("language", "loud"), [("en", "89.6 dB(A)"), ("nl", "89,6 dB(A)"), ("fr", "89,6 dB(A)")]
)
def test_the_first_page_says_what_where_when_how_loud_and_what_it_is_not(
    language: str, loud: str, record: EventRecord, tmp_path: Path
) -> None:
    say = words.Words(language)
    page = text_of(make(record, language), tmp_path, pages=1)
    for text in (say("title"), "Kerkstraat 12", "22:14:12", "21:14:12", loud, say("indication")):
        assert text in page
    assert say("interval", low=say.number(88.2), high=say.number(91.0)) in page
    assert say.named("behaviour", "pass") in page


@pytest.mark.parametrize(("away_s", "key"), [(-0.4, "still_before"), (0.4, "still_after")])
def test_a_still_of_another_moment_than_the_loudest_says_so(
    away_s: float, key: str, record: EventRecord, tmp_path: Path
) -> None:
    say = words.Words("en")
    at_s = record.event.peak_s - record.clip.start_s + away_s
    said = {"kind": "one vehicle", "n_vehicles": 1, "probability": 0.99, "direction": "to the left"}
    statements = {"attribution": {**said, "boxes": [[round(at_s, 3), 0.2, 0.4, 0.3, 0.3]]}}
    seen = dataclasses.replace(record, statements=statements)
    text = text_of(make(seen), tmp_path)
    assert say(key, seconds="0.4") in text
    assert say("attribution_marked") in text
    assert say("attribution_marked") not in text_of(make(seen, still=False), tmp_path)


def test_a_level_without_a_calibration_is_indicative_and_has_no_interval(record: EventRecord) -> None:
    say = words.Words("en")
    event = dataclasses.replace(record.event, expanded_uncertainty_db=None)
    lines = summary.how_loud(dataclasses.replace(record, event=event), say)
    assert lines[1].startswith("indicative")
    lines = summary.how_loud(dataclasses.replace(record, calibration={"indicative": True}), say)
    assert lines[1].startswith("indicative")


def test_every_page_of_a_trial_says_so(record: EventRecord, tmp_path: Path) -> None:
    trial = dataclasses.replace(record, is_trial=True, is_evidence=False, not_evidence_because=("trial",))
    text = text_of(make(trial), tmp_path)
    pages = int(re.findall(r"page \d of (\d)", text)[0])
    assert text.count("TRIAL – made with throw-away keys") == pages
    assert "TRIAL" not in text_of(make(record), tmp_path)


def test_what_is_no_evidence_says_why(record: EventRecord, tmp_path: Path) -> None:
    doubtful = dataclasses.replace(
        record, is_evidence=False, not_evidence_because=("levels are doubtful: wind",)
    )
    assert "NOT EVIDENCE – levels are doubtful: wind" in text_of(make(doubtful), tmp_path)


def test_the_decision_and_the_hashes_are_there(record: EventRecord, tmp_path: Path) -> None:
    text = text_of(make(record), tmp_path)
    hashes = ("12" * 32, "34" * 32, f"SHA-256 {record.event.signature_sha256}")
    for expected in (record.event.why, "sh verify.sh TRUST PACKAGE", *hashes):
        assert expected in text


def test_a_treated_sound_is_explained_and_its_levels_vouched_for(record: EventRecord, tmp_path: Path) -> None:
    treated = dataclasses.replace(record, privacy={**record.privacy, "voices": "band-noise-and-orders-3"})
    text = text_of(make(treated), tmp_path)
    assert "No voice can be understood" in text
    assert "from the untouched sound in its memory" in text
    untreated = dataclasses.replace(record, privacy={"method": "none"})
    assert "No voice can be understood" not in text_of(make(untreated), tmp_path)


def test_a_clip_without_a_picture_still_makes_a_report(record: EventRecord, tmp_path: Path) -> None:
    assert "The clip has no picture." in text_of(make(record, still=False), tmp_path)


def test_hostile_names_cannot_break_the_page(record: EventRecord, tmp_path: Path) -> None:
    site = {"name": "**bold** \u202e {nb} " + "x" * 80, "street": "<b>&amp;</b>"}
    assert "<b>&amp;</b>" in text_of(make(dataclasses.replace(record, site=site)), tmp_path)


def test_of_very_many_windows_the_matching_ones_are_kept_in_order() -> None:
    windows = [
        ScoredWindow(n / 2, n / 2 + 1, n / 400, 80.0, gate=True, vetoed_by=None, match=n < 5)
        for n in range(300)
    ]
    shown = report.shown_windows(windows)
    assert len(shown) < 50
    assert windows[:5] == shown[:5]
    assert shown == sorted(shown, key=lambda window: window.start_s)


@pytest.mark.parametrize("key", sorted(words.texts()))
def test_each_text_exists_in_three_languages_with_the_same_places(key: str) -> None:
    places = {
        language: {name for _, name, _, _ in string.Formatter().parse(words.texts()[key][language]) if name}
        for language in LANGUAGES
    }
    assert set(words.texts()[key]) == set(LANGUAGES)
    assert places["en"] == places["nl"] == places["fr"]


def test_the_english_indication_is_the_one_of_the_records() -> None:
    assert words.Words("en")("indication") == INDICATION


@pytest.mark.parametrize(
    ("asked", "environment", "language"),
    [
        ("fr", {"LANG": "nl_BE.UTF-8"}, "fr"),
        (None, {"LANG": "nl_BE.UTF-8"}, "nl"),
        (None, {"LC_ALL": "fr_BE.UTF-8", "LANG": "nl_BE.UTF-8"}, "fr"),
        (None, {"LANG": "de_DE.UTF-8"}, "en"),
        (None, {}, "en"),
    ],
)
def test_the_language_is_as_asked_else_as_the_locale(
    asked: str | None, environment: dict[str, str], language: str
) -> None:
    assert words.choose_language(asked, environment) == language
