"""Verdicts on disk: nothing in them leads back to a clip, and none lives longer than twelve months."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sealed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noisewatch.errors import InputError, UsageError
from noisewatch.evidence import custody, verdicts
from noisewatch.evidence.log import EventLog
from noisewatch.recognition.verdict import FIGURES, VERDICTS, Verdict, ends_on
from noisewatch.recognition.voicefree import voice_free_names

MADE = Verdict(date(2026, 3, 1), "exhaust", "exhaust", "1.0.0", dict.fromkeys(FIGURES, 1.0))


@pytest.fixture
def place(tmp_path: Path) -> sealed.Place:
    return sealed.make_place(tmp_path)


def give(place: sealed.Place, said: str = "exhaust", **changes: str) -> Verdict:
    who = {"as_": "officer", "reason": sealed.REASON, "case": sealed.CASE} | changes
    return verdicts.give(place.event_id, said, node=place.node, custody=place.custody, **who)


def test_a_verdict_is_logged_and_kept_without_id_or_time(place: sealed.Place) -> None:
    given_one = give(place)
    (path,) = (place.custody / "verdicts").iterdir()
    text = path.read_text()
    document = json.loads(text)
    assert set(document) == {
        "schema",
        "day",
        "ends_on",
        "verdict",
        "signature",
        "version",
        "figures",
        "trial",
    }
    assert place.event_id not in text + path.name
    assert document["figures"]["lafmax_db"] == 90.0
    assert document["trial"] is True
    assert path.stat().st_mode & 0o777 == 0o600
    # the file's time tells no more than the day
    assert path.stat().st_mtime == datetime.fromisoformat(document["day"]).replace(tzinfo=UTC).timestamp()
    assert verdicts.read(path.parent) == [given_one]
    entry = list(EventLog(place.custody / "log" / "custody.jsonl", None).entries())[-1].entry
    assert (entry.action, entry.target, entry.who) == ("consultation", place.event_id, "officer")
    assert entry.why == sealed.REASON
    assert "exhaust" not in json.dumps(dict(entry.details))


def test_a_second_verdict_on_an_event_is_refused_and_logs_nothing(place: sealed.Place) -> None:
    give(place)
    log = place.custody / "log" / "custody.jsonl"
    before = log.read_bytes()
    with pytest.raises(UsageError, match="has a verdict already"):
        give(place, "unclear")
    assert log.read_bytes() == before
    assert len(list((place.custody / "verdicts").iterdir())) == 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.dates(date(2024, 1, 1), date(2028, 12, 31)), min_size=1, max_size=6),
    now=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  hypothesis wants naive bounds
)
def test_no_verdict_lives_longer_than_twelve_months(
    days: list[date], now: datetime, tmp_path_factory: pytest.TempPathFactory, bench: custody.Custody
) -> None:
    folder = verdicts.verdicts_folder(bench)
    for path in folder.glob("*.json"):
        path.unlink()
    for day in days:
        verdicts.keep(folder, Verdict(day, "unclear", "exhaust", "1.0.0", MADE.figures))
    living = sorted(day for day in days if now.date() < ends_on(day))
    # what has ended is not read, even before anybody enforced it; enforcing erases exactly that
    assert [item.day for item in verdicts.read(folder, now=now)] == living
    assert verdicts.end(bench, now=now) == len(days) - len(living)
    assert sorted(path.name[:10] for path in folder.iterdir()) == [day.isoformat() for day in living]
    assert verdicts.end(bench, now=now) == 0


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> custody.Custody:
    return custody.init(tmp_path_factory.mktemp("place") / "custody", trial=True, days=1)


def test_the_end_is_noted_in_the_log_without_days(tmp_path: Path) -> None:
    bench = custody.init(tmp_path / "custody", trial=True, days=1)
    day = datetime.now(UTC).date() - timedelta(days=400)
    verdicts.keep(verdicts.verdicts_folder(bench), Verdict(day, "exhaust", "exhaust", "1.0.0", MADE.figures))
    assert verdicts.end(bench) == 1
    entry = list(EventLog(bench.log_path, None).entries())[-1].entry
    assert (entry.action, entry.target, entry.details["verdicts"]) == ("erasure", "verdicts", 1)


@pytest.mark.parametrize("said", VERDICTS)
def test_what_is_kept_is_what_is_read(said: str, tmp_path: Path) -> None:
    kept = Verdict(date(2026, 3, 1), said, "exhaust", "1.0.0", MADE.figures)
    verdicts.keep(tmp_path, kept)
    (tmp_path / "notes.txt").write_text("not a verdict's name")
    assert verdicts.read(tmp_path, now=datetime(2026, 4, 1, tzinfo=UTC)) == [kept]
    assert verdicts.read(tmp_path / "none") == []


def test_a_file_that_is_no_verdict_is_named(tmp_path: Path) -> None:
    good = verdicts.to_document(MADE)
    for change in ({"verdict": "guilty"}, {"figures": {}}, {"day": "yesterday"}, {"schema": "other"}):
        with pytest.raises(InputError, match="is not a verdict"):
            verdicts.from_document({**good, **change}, where="v.json")
    (tmp_path / f"2026-03-01-{'0' * 16}.json").write_text("{")
    with pytest.raises(InputError, match="2026-03-01"):
        verdicts.read(tmp_path, now=datetime(2026, 4, 1, tzinfo=UTC))


def test_features_are_kept_and_those_of_another_set_are_passed_over(tmp_path: Path) -> None:
    features = tuple(float(n) / 10 for n in range(len(voice_free_names())))
    path = verdicts.keep(tmp_path, replace(MADE, day=datetime.now(UTC).date(), features=features))
    (read,) = verdicts.read(tmp_path)
    assert read.features == features
    assert verdicts.read_one(path) == read
    document = json.loads(path.read_text())
    assert verdicts.from_document(document | {"feature_set": "voice-free-9"}, where=path).features == ()
    with pytest.raises(InputError, match="is not a verdict"):
        verdicts.from_document(document | {"features": [1.0]}, where=path)


def test_a_single_verdict_that_has_ended_teaches_nothing(tmp_path: Path) -> None:
    path = verdicts.keep(tmp_path, replace(MADE, day=date(2024, 1, 1)))
    with pytest.raises(InputError, match="has ended twelve months after its day"):
        verdicts.read_one(path)
