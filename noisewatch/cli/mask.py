"""The installer's `calibrate mask`: which part of the picture may be recorded, drawn on a still."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noisewatch.cli.output import JsonOption, emit, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from noisewatch.node import carriageway
    from noisewatch.node.box import Identity
    from noisewatch.privacy.mask import Point

LONGEST_DAYS = 400


def mask(
    points: Annotated[
        str, typer.Option("--points", help='Corners in order as shares, "0.1,0.5 0.9,0.5 1,1 0,1".')
    ] = "",
    who: Annotated[str, typer.Option("--who", help="Name of the person who draws.")] = "",
    node: Annotated[
        Path, typer.Option("--node", envvar="NOISEWATCH_NODE", help="Node folder.", show_default="here")
    ] = Path(),
    video: Annotated[
        str | None, typer.Option("--video", help="rtsp://…, /dev/videoN or a file; default: the node's.")
    ] = None,
    at_s: Annotated[float, typer.Option("--at", help="Second of the source to look at.")] = 0.0,
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", help="Write the still with polygon and scale here (PNG).", dir_okay=False),
    ] = None,
    valid_days: Annotated[
        int, typer.Option("--valid-days", help="The mask ends after this many days.")
    ] = 180,
    note: Annotated[str, typer.Option("--note", help="Anything worth remembering.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Draw the carriageway: outside it nothing is ever recorded. Without --points only look.

    The still is kept nowhere; it is written only where --overlay asks for it, readable by you alone: look
    at it and delete it. Each mask is signed, has a version and a last day, and is never replaced.

    \b
    Example:
      noisewatch calibrate mask --node node --overlay still.png
      noisewatch calibrate mask --node node --points "0.05,0.55 0.95,0.5 1,1 0,1" --who "An Peeters" \\
          --overlay still.png
    """
    from noisewatch.errors import UsageError
    from noisewatch.node import carriageway
    from noisewatch.node.box import read_identity

    if not points and overlay is None:
        raise UsageError("--points or --overlay is needed: draw, or look")
    if points and not who.strip():
        raise UsageError("--who is needed: it stands in the signed mask")
    if not 1 <= valid_days <= LONGEST_DAYS:
        raise UsageError(f"--valid-days {valid_days}: 1 to {LONGEST_DAYS} are possible")
    identity = read_identity(node / "node.toml")
    corners = read_points(points) if points else ()
    if corners:
        carriageway.check_corners(corners)
    elif (before := carriageway.newest(node)) is not None:
        corners = before.carriageway
    if overlay is not None:
        _show(identity, video, at_s, corners, overlay)
    document: dict[str, object] = {"overlay": None if overlay is None else str(overlay), "written": None}
    human = "" if overlay is None else f"overlay     {overlay} (look at it, then delete it)"
    if points:
        written, path = _write(identity, node, corners, who, valid_days, note)
        document |= {"written": str(path), "version": written.version, "sha256": written.sha256}
        document |= {"valid_until": written.valid_until.isoformat(), "carriageway": list(corners)}
        human = "\n".join(
            [
                f"mask        {path}",
                f"version     {written.version}, until {written.valid_until} (UTC)",
                f"corners     {len(corners)}",
                *([human] if human else []),
                "Restart the node: it uses the newest mask.",
            ]
        )
    emit(document, as_json=as_json, human=human)


def read_points(text: str) -> tuple[Point, ...]:
    """Read corners; raises UsageError naming the one that is wrong.

    Examples
    --------
    >>> read_points("0,0.5 1,0.5 1,1")
    ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0))
    """
    from noisewatch.errors import UsageError

    corners: list[Point] = []
    for part in text.replace(";", " ").split():
        try:
            x, y = (float(number) for number in part.split(","))
        except ValueError:
            raise UsageError(f"--points: '{part}' is no corner", remedy='write "0.1,0.5"') from None
        corners.append((x, y))
    return tuple(corners)


def draw_overlay(still: NDArray[np.uint8], corners: tuple[Point, ...]) -> NDArray[np.uint8]:
    """Return the still with what is not recorded darkened, the polygon, and a scale in shares."""
    import cv2
    import numpy as np

    from noisewatch.privacy.mask import encodable

    height, width = still.shape[:2]
    shown = still.copy()
    if corners:
        kept = encodable(corners, width=width, height=height)
        shown[~kept] = shown[~kept] // 4
        outline = np.array([(x * width, y * height) for x, y in corners], np.int32)
        cv2.polylines(shown, [outline], isClosed=True, color=(0, 0, 255), thickness=2)
    for tenth in range(1, 10):
        x, y = round(tenth * width / 10), round(tenth * height / 10)
        cv2.line(shown, (x, 0), (x, height), (255, 255, 0), 1)
        cv2.line(shown, (0, y), (width, y), (255, 255, 0), 1)
        size = max(0.35, height / 1200)
        cv2.putText(
            shown, f".{tenth}", (x + 2, int(30 * size)), cv2.FONT_HERSHEY_SIMPLEX, size, (0, 255, 255)
        )
        cv2.putText(shown, f".{tenth}", (2, y - 3), cv2.FONT_HERSHEY_SIMPLEX, size, (0, 255, 255))
    return np.asarray(shown, dtype=np.uint8)


def _show(
    identity: Identity, video: str | None, at_s: float, corners: tuple[Point, ...], overlay: Path
) -> None:
    import cv2

    from noisewatch.capture.still import take_still
    from noisewatch.errors import UsageError
    from noisewatch.evidence.durable import write_atomic
    from noisewatch.node.sources import open_node_picture

    settings = identity.config.video
    spec = video or settings.source
    if not spec:
        raise UsageError("--video is needed: node.toml names no camera")
    source = open_node_picture(identity, spec)
    try:
        still = take_still(source, at_s=at_s)
    finally:
        source.close()
    fine, data = cv2.imencode(".png", draw_overlay(still, corners))
    if not fine:
        raise UsageError("the overlay could not be drawn")
    write_atomic(overlay, data.tobytes(), mode=0o600)
    say(f"{overlay} shows people as the camera sees them: look at it, then delete it")


def _write(
    identity: Identity, node: Path, corners: tuple[Point, ...], who: str, valid_days: int, note: str
) -> tuple[carriageway.Mask, Path]:
    from datetime import UTC, datetime, timedelta

    from noisewatch.node import carriageway

    now = datetime.now(UTC).replace(microsecond=0)
    before = carriageway.newest(node)
    made = carriageway.Mask(
        version=1 if before is None else before.version + 1,
        carriageway=corners,
        drawn_at=now,
        who=who.strip(),
        valid_until=now.date() + timedelta(days=valid_days),
        note=note.strip(),
    )
    return made, carriageway.append(node, made, signer=identity.signer)


def register(app: typer.Typer) -> None:
    """Add the command to `calibrate`."""
    app.command("mask")(mask)
