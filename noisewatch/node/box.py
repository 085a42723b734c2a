"""A node's folder, opened: settings, keys, signatures, calibration, log and store, checked once."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from noisewatch.acoustics.calibration import CalibrationState, calibration_state
from noisewatch.acoustics.correction import Correction
from noisewatch.capture.clock import system_clock_state, utc_now
from noisewatch.errors import AnswerIsNo, ConfigurationError
from noisewatch.evidence import clearing, minutes
from noisewatch.evidence.calibration_store import (
    calibration_folder,
    list_calibrations,
    load_corrections,
    verify_record,
)
from noisewatch.evidence.durable import read_bounded
from noisewatch.evidence.log import EventLog
from noisewatch.evidence.references import keep_signature
from noisewatch.evidence.retention import enforce
from noisewatch.evidence.seal import DayKeys, NodeSigner
from noisewatch.evidence.store import Store
from noisewatch.node.config import NodeConfig, load_config
from noisewatch.node.section import SiteSection
from noisewatch.node.site import SiteRecord, list_sites
from noisewatch.recognition.signature import Signature, find_signature, load_signature
from noisewatch.records import LogEntry

#: A certificate in PEM is a page of text.
MAXIMUM_PEM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the box is, and to whom it seals; read before anything is opened for writing."""

    folder: Path
    config: NodeConfig
    signer: NodeSigner
    day_keys: DayKeys
    authority_pem: bytes
    site: SiteRecord | None = None

    @property
    def site_since(self) -> datetime | None:
        """Since when the box hangs where it hangs; None where no place was ever recorded."""
        return None if self.site is None else self.site.since

    def holds_here(self, moment: datetime) -> bool:
        """Tell whether what was found out at a moment was found out at this place."""
        return self.site is None or moment >= self.site.since


def read_identity(config_path: Path) -> Identity:
    """Read a node's settings and keys.

    Raises
    ------
    ConfigurationError
        A setting is wrong, or the bundle of day keys is unsigned, altered or outdated.
    PermissionRefusedError
        The signing key can be read by others.
    MissingInputError
        There is no node here.
    """
    config = load_config(config_path)
    keys = config_path.parent / "keys"
    authority_pem = read_bounded(keys / "ca.pem", max_bytes=MAXIMUM_PEM_BYTES)
    sites = list_sites(config_path.parent, authority_pem=authority_pem)
    return Identity(
        folder=config_path.parent,
        config=at_site(config, sites[-1]) if sites else config,
        site=sites[-1] if sites else None,
        signer=NodeSigner.from_folder(keys),
        day_keys=DayKeys.load_bundle(
            keys / "bundle.json", authority_pem, today=utc_now().astimezone(UTC).date()
        ),
        authority_pem=authority_pem,
    )


def at_site(config: NodeConfig, record: SiteRecord) -> NodeConfig:
    """Return the settings with the place that a record names."""
    return config.model_copy(update={"site": SiteSection.model_validate(record.section())})


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the node's readings may be trusted, and what is corrected in them."""

    state: CalibrationState
    corrections: tuple[Correction, ...] = ()


def read_calibration(identity: Identity) -> Calibration:
    """Judge the node's calibrations; only records with a good signature count.

    Raises
    ------
    ConfigurationError
        A record's signature is not good.
    InputError
        A record is damaged or missing from the chain.
    """
    stored = [
        one
        for one in list_calibrations(calibration_folder(identity.folder))
        if identity.holds_here(one.record.when)
    ]
    for one in stored:
        try:
            verify_record(one, authority_pem=identity.authority_pem)
        except AnswerIsNo as error:
            raise ConfigurationError(
                f"the signature {error.what}", where=one.path, remedy="calibrate anew"
            ) from error
    state = calibration_state(
        [one.record for one in stored],
        now=utc_now(),
        max_age_days=identity.config.calibration.maximum_age_days,
        max_drift_db=identity.config.calibration.maximum_drift_db,
    )
    named = stored[-1].record.corrections if stored else {}
    return Calibration(state, load_corrections(calibration_folder(identity.folder), named))


class Box:
    """An opened node; a context manager that lets go of the store at the end."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.config = identity.config
        self.calibration = read_calibration(identity)
        self.signatures: list[Signature] = [
            load_signature(find_signature(name)) for name in identity.config.trigger.signatures
        ]
        for signature in self.signatures:
            keep_signature(identity.folder, signature.folder)
        self._stack = ExitStack()
        self.log = EventLog.open(identity.folder / "log" / "node.jsonl", signer=identity.signer)
        self.store = self._stack.enter_context(Store.open(identity.folder / "store", log=self.log))
        self._seal_what_is_clear()

    def _seal_what_is_clear(self) -> None:
        """Seal what an older noisewatch left in the clear; the log says of what."""
        key = self.identity.day_keys.for_day(utc_now().astimezone(UTC).date())
        clearing.seal_records(self.store, key)
        days = clearing.seal_minutes(self.store.folder, key, keep_days=self.config.retention.minutes_days)
        if days:
            why = "one-minute levels lay in the clear: sealed"
            details = {"days": [*days]}
            self.log.append(
                LogEntry("noisewatch", "alteration", "one-minute levels", why, utc_now(), details)
            )

    def housekeep(self) -> None:
        """Enforce retention of events and of the one-minute levels."""
        done = enforce(
            self.store,
            self.log,
            utc_now(),
            maximum_days=self.config.retention.maximum_days,
            synchronised=system_clock_state().synchronised,
        )
        days = self.config.retention.minutes_days
        over = minutes.end(self.store.folder, done.now, days=days)
        if over:
            why = f"one-minute levels end after {days} days"
            details = {"days": [day.isoformat() for day in over]}
            self.log.append(LogEntry("noisewatch", "erasure", "one-minute levels", why, utc_now(), details))

    def __enter__(self) -> Box:
        """Return the box itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self._stack.close()
