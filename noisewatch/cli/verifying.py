"""The command that everybody may run on a package: verify it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noisewatch.cli.output import JsonOption, emit
from noisewatch.errors import AnswerIsNo

if TYPE_CHECKING:
    from noisewatch.evidence.recompute import Recomputed
    from noisewatch.evidence.verify import Verdict


def verify(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The package: its folder or its zip.")],
    trust: Annotated[
        Path | None,
        typer.Option(
            "--trust", metavar="DIR", help="The municipality's trust folder, or the custody folder."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a package: every byte, both signatures, the clip. Exit 1 names the part that is not good.

    Without --trust the package's own keys are used: that shows that it is intact, not where it came from.

    \b
    Example: noisewatch clips verify noisewatch-ID-20260302T090000Z --trust trust
    """
    from noisewatch.evidence.verify import verify as verify_package

    verdict = verify_package(package, trust=trust)
    emit(verdict.to_document(), as_json=as_json, human=_verdict_in_words(verdict))
    if not verdict.valid:
        first = verdict.problems[0]
        raise AnswerIsNo(f"does not verify: {first.part} {first.what}", where=package)


def _verdict_in_words(verdict: Verdict) -> str:
    if not verdict.valid:
        lines = [f"REFUSED {problem.part}: {problem.what}" for problem in verdict.problems]
        return "\n".join(
            [*lines, "REFUSED: this package is not as it was signed, or not signed by whom you trust"]
        )
    lines = ["intact, origin verified"]
    if verdict.origin == "unverified":
        lines = [
            "intact, origin NOT checked",
            "the package's own keys were used: ask the municipality for its trust folder (--trust)",
        ]
    lines += [f"event: {verdict.event_id}", f"recorded by: {verdict.node}", f"exported by: {verdict.officer}"]
    if verdict.approver is not None:
        lines.append(f"original approved by: {verdict.approver}")
    if verdict.recomputed is not None:
        lines.append(_again(verdict.recomputed))
    if verdict.stamp != "none":
        lines.append(f"time stamp: {verdict.stamp}")
    if verdict.is_trial:
        lines.append("TRIAL: made with throw-away keys; worth nothing as evidence")
    if not verdict.is_evidence:
        lines.append("NOT EVIDENCE: the event record says so itself")
    return "\n".join(lines)


def _again(found: Recomputed) -> str:
    """Say whether level and decision come out again; where they do not, the box's own figures differ."""
    text = (
        f"made again from the package: LAFmax {found.lafmax_db:.1f} dB, probability {found.probability:.2f}"
    )
    return f"{text}; as the box signed them" if not found.differs else f"{text}; DIFFERS: {found.differs[0]}"


def register(group: typer.Typer) -> None:
    """Add this command to the group ``clips``."""
    group.command("verify")(verify)
