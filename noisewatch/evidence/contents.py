"""Which files a package holds, and what each is: the one list that writer and both verifiers share."""

from __future__ import annotations

from noisewatch.evidence import bagit

EVENT = "data/event.json"
EVENT_SIGNATURE = "data/event.json.p7s"
LEVELS = "data/levels.csv"
#: What the box heard window by window, and the terms of its uncertainty: ``event.json`` as tables.
WINDOWS = "data/windows.csv"
UNCERTAINTY = "data/uncertainty.csv"
REPORT = "data/report.pdf"
LEVELS_PLOT = "data/plots/levels.png"
BANDS_PLOT = "data/plots/spectrogram.png"
ENGINE_PLOT = "data/plots/engine.png"
VEHICLE_PLOT = "data/plots/vehicle.png"
#: The picture at the loudest moment, and the one with the named vehicle's box.
STILL = "data/stills/loudest.jpg"
MARKED_STILL = "data/stills/vehicle.jpg"
#: The calibration that the levels stand on, as the box signed it.
CALIBRATION = "data/calibration/record.json"
CALIBRATION_SIGNATURE = "data/calibration/record.json.p7s"
#: The signature that decided: its card, its settings, and the list whose SHA-256 the event record names.
CARD = "data/signature/card.md"
SIGNATURE_TOML = "data/signature/signature.toml"
SIGNATURE_FILES = "data/signature/SHA256SUMS"
REQUEST = "custody/request.json"
#: The officer's signature over the request, for the namespace of requests.
REQUEST_SIGNATURE = "custody/request.json.sig"
#: The supervisor's request that approved an original, and their signature.
APPROVAL = "custody/approval.json"
APPROVAL_SIGNATURE = "custody/approval.json.sig"
#: Parts of an event and where they stand in a package; exactly one of the two clips is there.
CLIPS = {"data/clip.mp4": "viewing", "data/original.mp4": "original"}
LOGS = ("custody/node.jsonl", "custody/custody.jsonl")
NODE_CHECKPOINT = "custody/node.checkpoint"
CUSTODY_CHECKPOINT = "custody/custody.checkpoint"
PROOFS = "custody/proofs.json"

#: Every file of each package but the clip and what an original needs.
KNOWN = (
    *("bag-info.txt", "bagit.txt", "README.txt", "verify.sh"),
    *(bagit.MANIFEST, bagit.TAG_MANIFEST, bagit.SIGNATURE),
    *(EVENT, EVENT_SIGNATURE, LEVELS, WINDOWS, UNCERTAINTY, REPORT),
    *(LEVELS_PLOT, BANDS_PLOT, ENGINE_PLOT, VEHICLE_PLOT),
    *(REQUEST, REQUEST_SIGNATURE, *LOGS, NODE_CHECKPOINT, CUSTODY_CHECKPOINT, PROOFS),
    *("keys/ca.pem", "keys/node.pem", "keys/allowed_signers"),
)
#: Files that a package may hold; each pair stands or is missing together.
PAIRS = ((CALIBRATION, CALIBRATION_SIGNATURE), (CARD, SIGNATURE_FILES), (SIGNATURE_TOML, SIGNATURE_FILES))
OPTIONAL = (*dict.fromkeys(name for pair in PAIRS for name in pair), STILL, MARKED_STILL)
#: What a package of an original holds besides.
OF_ORIGINAL = (APPROVAL, APPROVAL_SIGNATURE)
