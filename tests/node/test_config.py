"""node.toml: every key commented, unknown keys refused by name, nothing lost."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from noisewatch.errors import ConfigurationError, MissingInputError
from noisewatch.node.config import MAXIMUM_BYTES, NodeConfig, load_config, parse_config, render_config

WHERE = Path("node.toml")


def test_the_default_file_reads_back_as_the_default() -> None:
    assert parse_config(render_config(NodeConfig()).encode(), where=WHERE) == NodeConfig()


def test_every_key_stands_below_a_comment() -> None:
    lines = render_config(NodeConfig()).splitlines()
    keys = [i for i, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    assert len(keys) > 15
    assert all(lines[i - 1].startswith("# ") for i in keys)


def test_an_unknown_key_is_refused_with_file_key_and_remedy() -> None:
    with pytest.raises(ConfigurationError, match=r"node\.toml: unknown key 'trigger\.gaet_db'; did you mean"):
        parse_config(b"[trigger]\ngaet_db = 80", where=WHERE)


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown key 'triger'; did you mean 'trigger'"):
        parse_config(b"[triger]\n", where=WHERE)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[trigger]\ngate_db = "loud"', "trigger.gate_db"),
        ("[retention]\nmaximum_days = 31", "retention.maximum_days"),
        ("[video]\ncarriageway = [[0, 0], [1, 1]]", "video.carriageway"),
        ("[video]\ncarriageway = [[0, 0], [1, 1], [2, 0]]", "video.carriageway.2.0"),
        ('name = "../up"', "name"),
        ("version = 2", "version"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(text: str, key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"key '{key}'"):
        parse_config(text.encode(), where=WHERE)


def test_what_is_not_toml_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match="not valid TOML") as error:
        parse_config(b"[trigger\n", where=WHERE)
    assert "\n" not in str(error.value)


def test_bytes_that_are_not_text_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="UTF-8"):
        parse_config(b"\xff\xfe", where=WHERE)


def test_a_toml_bomb_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        parse_config(b"a = " + b"[" * 50_000, where=WHERE)
    with pytest.raises(ConfigurationError, match="larger than"):
        parse_config(b"#" * (MAXIMUM_BYTES + 1), where=WHERE)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="noisewatch init"):
        load_config(tmp_path / "node.toml")


def test_exit_code_of_a_wrong_configuration_is_78() -> None:
    assert ConfigurationError.exit_code == 78


def test_a_site_name_with_quotes_survives_the_round_trip() -> None:
    config = NodeConfig.model_validate({"site": {"name": 'Stalenstraat "zuid" \\ ž'}})
    text = render_config(config)
    assert tomllib.loads(text)["site"]["name"] == config.site.name


def test_an_unreadable_file_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_config(path)
    assert path.is_dir()


def test_periods_and_holidays_are_read_written_and_checked() -> None:
    text = (
        b'[trigger]\nholidays = ["2026-12-25"]\n[[trigger.periods]]\nname = "night"\ngate_db = 72.5\n'
        b'hours = ["22:00-06:00"]\nweekdays = ["fri", "sat"]\nholidays = "only"\n'
    )
    config = parse_config(text, where=Path("node.toml"))
    assert config.trigger.periods[0].gate_db == 72.5
    assert parse_config(render_config(config).encode(), where=Path("node.toml")) == config
    with pytest.raises(ConfigurationError, match=r"trigger\.periods\.0\.weekdays"):
        parse_config(text.replace(b'"fri"', b'"vrijdag"'), where=Path("node.toml"))
    with pytest.raises(ConfigurationError, match=r"trigger\.periods\.0\.hours"):
        parse_config(text.replace(b"22:00-06:00", b"22-6"), where=Path("node.toml"))


def test_a_login_in_a_cameras_address_is_refused_and_not_told() -> None:
    with pytest.raises(ConfigurationError, match=r"video\.credentials_file") as caught:
        parse_config(b'[video]\nsource = "rtsp://admin:hunter2@192.0.2.1/1"\n', where=Path("node.toml"))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
