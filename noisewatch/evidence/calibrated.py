"""The calibration record of a package: the one that the event record names, signed by its box then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from noisewatch.errors import AnswerIsNo, InputError
from noisewatch.evidence import cms, jsonform
from noisewatch.evidence.contents import CALIBRATION, CALIBRATION_SIGNATURE
from noisewatch.evidence.seal import ROLE_NODE, role_of
from noisewatch.evidence.trust import Trust
from noisewatch.records import EventRecord


def problems_of(files: Mapping[str, bytes], record: EventRecord, *, anchors: Trust) -> list[tuple[str, str]]:
    """Return (part, what) of each thing wrong with the calibration record that a package holds."""
    if CALIBRATION not in files or CALIBRATION_SIGNATURE not in files:
        return []
    data = files[CALIBRATION]
    if hashlib.sha256(data).hexdigest() != record.calibration.get("record_sha256"):
        return [(CALIBRATION, "is not the calibration that the event record names")]
    try:
        when = jsonform.utc_moment(jsonform.bytes_to_document(data, where=CALIBRATION).get("when", ""))
        certificate = cms.verify_detached(
            data, files[CALIBRATION_SIGNATURE], authority_pem=anchors.authority_pem, at=when
        )
    except InputError as error:
        return [(CALIBRATION, error.what)]
    except AnswerIsNo as error:
        return [(CALIBRATION_SIGNATURE, error.what)]
    if role_of(certificate) != ROLE_NODE:
        return [(CALIBRATION_SIGNATURE, "is signed with a certificate that is not a box's")]
    return []
