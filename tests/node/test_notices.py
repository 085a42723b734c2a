"""What a broker is told: the model's words, and nothing of a person, a picture or a clip."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from made_notices import SENDER, made_event, made_hour

import noisewatch.node
from noisewatch.errors import ConfigurationError
from noisewatch.node.config import parse_config
from noisewatch.node.notices import Sender, event_notice, hour_notice

SCHEMA = json.loads((Path(noisewatch.node.__file__).parent / "notice.schema.json").read_text())
STARTED = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def test_an_event_and_an_hour_follow_the_schema_that_readers_get() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    event = event_notice(SENDER, made_event(), started_at=STARTED)
    hour = hour_notice(SENDER, made_hour(STARTED), events={"exhaust": 2})
    for notice in (event, hour):
        jsonschema.validate(json.loads(json.dumps(notice)), SCHEMA)
    assert event["dateObservedFrom"] == "2026-05-04T10:02:03Z"
    assert event["LAmax"] == 91.2
    assert hour["dateObservedTo"] == "2026-05-04T11:00:00Z"


@pytest.mark.parametrize("extra", ["plate", "picture", "levels", "why"])
def test_the_schema_refuses_whatever_else_somebody_might_add(extra: str) -> None:
    notice = event_notice(SENDER, made_event(), started_at=STARTED) | {extra: "x"}
    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        jsonschema.validate(notice, SCHEMA)


def test_what_the_model_of_the_city_requires_is_there() -> None:
    # Smart Data Models, dataModel.Environment, NoiseLevelObserved 0.2.1: "required"
    notice = hour_notice(SENDER, made_hour(STARTED), events={})
    assert {"id", "type", "dateObservedFrom", "dateObservedTo", "location"} <= set(notice)
    assert notice["location"]["coordinates"] == [5.5005, 50.9653]


def test_a_level_that_was_not_measured_is_left_out() -> None:
    silent = replace(made_hour(STARTED), laeq_db=float("-inf"))
    notice = hour_notice(SENDER, silent, events={})
    assert "LAeq" not in notice
    jsonschema.validate(notice, SCHEMA)


def test_a_broker_without_a_position_is_refused_with_what_to_do() -> None:
    data = b'[telemetry]\nhost = "broker.example"\n'
    with pytest.raises(ConfigurationError, match=r"site\.position_deg"):
        parse_config(data, where=Path("node.toml"))
    placed = parse_config(data + b"[site]\nposition_deg = [50.9, 5.5]\n", where=Path("node.toml"))
    assert Sender.of(placed, is_calibrated=False).position_deg == (50.9, 5.5)
