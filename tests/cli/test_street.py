"""`street report`: from a node's own minutes and sealed events to a page and open data."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from command import noisewatch

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six evenings of the same street, three on each side of a move."""
    folder = tmp_path_factory.mktemp("street")
    assert noisewatch("custody", "init", folder / "custody", "--trial").code == 0
    assert (
        noisewatch("init", folder / "node", "--custody", folder / "custody", "--site", "Stalenstraat").code
        == 0
    )
    for minute in range(0, 60, 10):
        done = noisewatch(
            *("run", "--config", folder / "node" / "node.toml", "--audio", SAMPLES / "street.flac"),
            *("--pace", "fast", "--pascal-per-unit", "20", "--start", f"2026-05-04T19:{minute:02d}:00Z"),
        )
        assert done.code == 0, done.err
    return folder


def test_a_month_becomes_a_page_and_open_data(street: Path, tmp_path: Path) -> None:
    done = noisewatch(
        *(
            "street",
            "report",
            "--month",
            "2026-05",
            "--node",
            street / "node",
            "--custody",
            street / "custody",
        ),
        *("--out", tmp_path / "may.html", "--out", tmp_path / "may.csv", "--out", tmp_path / "may.parquet"),
        *("--lang", "nl", "--json"),
    )
    assert done.code == 0, done.err
    (site,) = json.loads(done.out)["sites"]
    assert site["site"] == "Stalenstraat"
    hours = {cell["key"]: cell for cell in site["hours"]}
    # 19 h UTC is 21 h in Genk; each run is one minute
    assert hours["21"]["minutes"] == 6
    assert hours["21"]["laeq_db"] is not None
    assert hours["21"]["events"] == {"exhaust": 6}
    assert hours["20"]["minutes"] == 0
    page = (tmp_path / "may.html").read_text()
    assert "Stalenstraat, 2026-05" in page
    assert "Niet gekalibreerd" in page
    rows = list(csv.DictReader((tmp_path / "may.csv").read_text().splitlines()))
    assert [row["events_exhaust"] for row in rows if row["weekday"] == "mon" and row["hour"] == "21"] == ["6"]
    assert (tmp_path / "may.parquet").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--month", "2026-04"), 66, "nothing was heard"),
        (("--month", "May"), 2, "no month"),
        (("--month", "2026-05", "--out", "may.pdf"), 2, ".parquet"),
        (("--month", "2026-05", "--time-zone", "Mars/Base"), 2, "no time zone"),
    ],
)
def test_what_cannot_be_told_is_one_line(
    street: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    where = ("--node", street / "node", "--custody", street / "custody")
    done = noisewatch("street", "report", *where, *options)
    assert done.code == code
    assert said in done.err
