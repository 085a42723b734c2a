"""One way to a clip for everybody: check who asks, find the event, let the request be signed, log, open."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from noisewatch.errors import InputError
from noisewatch.evidence import signed, unseal
from noisewatch.evidence.custody import Custody, open_custody
from noisewatch.evidence.refusal import refusals_logged
from noisewatch.evidence.request import Found, Request, find_event, make_request, open_store
from noisewatch.evidence.signed import ROLE_OF, SignedRequest


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks and why, as a person types it; checked in ``prepare``."""

    as_: str
    reason: str | None
    case: str | None
    reason_code: str = "other"
    passphrase: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """An access that may begin: nothing is signed, logged or opened yet."""

    opened: Custody
    request: Request
    found: Found
    action: str
    sealed: Mapping[str, bytes]
    passphrase: str | None = field(repr=False)

    def sign(self, **more: Any) -> SignedRequest:
        """Let the person sign the request, and admit it; raises as ``signed.sign`` and ``signed.admit``."""
        request, target = self.request, self.found.event.id
        with self._refusals_logged("request"):
            made = signed.sign(
                request.actor,
                self.opened,
                action=self.action,
                target=target,
                why=request.reason,
                reason_code=request.reason_code,
                case=request.case,
                at=request.at,
                **more,
            )
        return signed.admit(
            self.opened, made.data, made.signature, action=self.action, target=target, now=request.at
        )

    def open(self, admitted: SignedRequest, **details: Any) -> dict[str, bytes]:
        """Log the access with its signed request, then open the parts in memory and compare their hashes.

        Raises
        ------
        InputError
            A part is not the one that the record names; and as ``unseal.open_parts``.
        """
        event = self.found.event
        entry = self.request.entry(self.action, event.id, **details, **admitted.details())
        with self._refusals_logged("key"):
            clear = unseal.open_parts(
                self.opened,
                self.request.actor,
                self.sealed,
                day=event.sealed_day,
                log=self.opened.log(),
                entry=entry,
                passphrase=self.passphrase,
            )
            expected = {media.name: media.sha256 for media in self.found.record.media}
            for name, data in clear.items():
                if hashlib.sha256(data).hexdigest() != expected.get(name):
                    raise InputError(f"the {name} is not the one that the record names", where=event.id)
        return clear

    def approve(self, admitted: SignedRequest) -> Path:
        """Log the approval, strip the supervisors' layer of the original; raises as ``approve_original``."""
        event = self.found.event
        with self._refusals_logged("key"):
            return unseal.approve_original(
                self.opened,
                self.request.actor,
                self.sealed["original"],
                event_id=event.id,
                day=event.sealed_day,
                log=self.opened.log(),
                entry=self.request.entry("approval", event.id, **admitted.details()),
                passphrase=self.passphrase,
            )

    def _refusals_logged(self, kind: str) -> AbstractContextManager[None]:
        return refusals_logged(self.opened, who=self.request.actor.name, asked=self.action, kind=kind)


def prepare(
    event_id: str,
    who: Who,
    *,
    action: str,
    parts: tuple[str, ...],
    node: Path,
    custody: Path,
    now: datetime | None = None,
) -> Access:
    """Check who asks and why, and read the sealed parts of an event whose record was verified.

    What is refused is logged, without the words that were given as the reason.

    Parameters
    ----------
    event_id : str
        The event.
    who : Who
        Who asks and why.
    action : str
        "consultation", "disclosure" or "approval".
    parts : tuple of str
        Sealed parts; of a disclosure the "original" is the one that a supervisor approved.
    node, custody : Path
        The node's folder, or what was pulled from it, and the custody folder.
    now : datetime, optional
        The moment of the request.

    Raises
    ------
    UsageError
        The reason, its code or the case is missing or says nothing.
    PermissionRefusedError
        The person may not do this, or no supervisor approved the original.
    MissingInputError
        There is no such event, or its clip has ended.
    InputError
        The record is not as a box of this custody signed it.
    """
    opened = open_custody(custody)
    with refusals_logged(opened, who=who.as_, asked=action, kind="person"):
        request = make_request(
            opened,
            as_=who.as_,
            role=ROLE_OF[action],
            reason=who.reason,
            case=who.case,
            reason_code=who.reason_code,
            now=now,
        )
    name = request.actor.name
    with open_store(node) as store:
        with refusals_logged(opened, who=name, asked=action, kind="event"):
            found = find_event(store, opened, event_id, now=request.at)
        sealed = {}
        for part in parts:
            if part == "original" and action == "disclosure":
                with refusals_logged(opened, who=name, asked=action, kind="approval"):
                    sealed[part] = unseal.approved_original(opened, event_id)
            else:
                sealed[part] = store.read(event_id, part)
    return Access(opened, request, found, action, sealed, who.passphrase)
