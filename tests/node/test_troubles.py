"""What is wrong with a box, in sentences that each name a remedy once."""

from __future__ import annotations

import pytest

from noisewatch.node.troubles import Facts, troubles_of


@pytest.mark.parametrize(
    ("facts", "kind", "sentence"),
    [
        (
            Facts(is_calibrated=False, calibration="no calibration; run `noisewatch calibrate level`"),
            "uncalibrated",
            "no calibration; run `noisewatch calibrate level`",
        ),
        (
            Facts(is_calibrated=False, calibration="calibrated 400 days ago"),
            "uncalibrated",
            "calibrated 400 days ago: noisewatch calibrate level",
        ),
        (
            Facts(is_synchronised=False, sync="never measured; run `noisewatch calibrate sync`"),
            "unsynchronised",
            "never measured; run `noisewatch calibrate sync`",
        ),
        (
            Facts(is_synchronised=False, sync="measured with another camera"),
            "unsynchronised",
            "measured with another camera: noisewatch calibrate sync",
        ),
        (Facts(store_failure="no space left"), "disk", "an event could not be stored: no space left"),
    ],
)
def test_a_trouble_names_its_remedy_once(facts: Facts, kind: str, sentence: str) -> None:
    (trouble,) = troubles_of(facts)
    assert (trouble.kind, trouble.sentence) == (kind, sentence)


def test_a_box_without_trouble_says_nothing() -> None:
    assert troubles_of(Facts(free_bytes=2_000_000_000, key_days=30)) == ()
