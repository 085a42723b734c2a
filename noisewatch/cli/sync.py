"""The installer's `calibrate sync`: how much later the picture comes than its sound, on the real chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisewatch.cli.output import JsonOption, emit, say

if TYPE_CHECKING:
    from noisewatch.acoustics.claps import SyncVerdict
    from noisewatch.acoustics.sync import Basis
    from noisewatch.node.box import Identity


def sync(
    who: Annotated[str, typer.Option("--who", help="Name of the person who claps.")] = "",
    node: Annotated[
        Path, typer.Option("--node", envvar="NOISEWATCH_NODE", help="Node folder.", show_default="here")
    ] = Path(),
    audio: Annotated[
        str | None, typer.Option("--audio", help="device:NAME or a file; default: the node's source.")
    ] = None,
    video: Annotated[
        str | None, typer.Option("--video", help="rtsp://…, /dev/videoN or a file; default: the node's.")
    ] = None,
    distance_m: Annotated[
        float, typer.Option("--distance-m", help="From the clap to the microphone, in metres.")
    ] = 1.0,
    seconds: Annotated[float, typer.Option("--seconds", help="Watch this long.")] = 40.0,
    note: Annotated[str, typer.Option("--note", help="Anything worth remembering.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Measure the offset between picture and sound: flash and sound together, eight times or more.

    A clap board with a lamp, or a lamp that beeps; at irregular moments, in view of the camera. The record is
    signed and never replaced. Claps that do not agree are refused (exit 1).

    \b
    Example:
      noisewatch calibrate sync --who "An Peeters" --distance-m 3 --node node
    """
    from noisewatch.errors import UsageError
    from noisewatch.node.box import read_identity

    if not who.strip():
        raise UsageError("--who is needed: it stands in the signed record")
    if not 10.0 <= seconds <= 300.0:
        raise UsageError(f"--seconds {seconds:g}: 10 to 300 s are possible")
    if not 0.0 <= distance_m <= 50.0:
        raise UsageError(f"--distance-m {distance_m:g}: 0 to 50 m are possible")
    identity = read_identity(node / "node.toml")
    specs = (audio or identity.config.audio.source, video or identity.config.video.source)
    verdicts, sources = _watch(identity, specs, seconds=seconds, distance_m=distance_m)
    _store(identity, verdicts, sources, {"who": who, "distance_m": distance_m, "note": note}, as_json=as_json)


def _watch(
    identity: Identity, specs: tuple[str, str], *, seconds: float, distance_m: float
) -> tuple[Mapping[Basis, SyncVerdict], tuple[str, str]]:
    from noisewatch.capture.clapping import judge, watch
    from noisewatch.errors import UsageError
    from noisewatch.node.sources import open_node_picture, open_node_sound

    if not all(specs):
        raise UsageError("--audio and --video are needed: node.toml names no source of sound and picture")
    sound = open_node_sound(identity, specs[0])
    try:
        picture = open_node_picture(identity, specs[1])
        say(f"clap now, at irregular moments: watching {picture.description} for {seconds:g} s …")
        watched = watch(sound, picture, seconds=seconds)
    finally:
        sound.close()
    return judge(watched, distance_m=distance_m), (sound.description, picture.description)


def _store(
    identity: Identity,
    verdicts: Mapping[Basis, SyncVerdict],
    sources: tuple[str, str],
    said: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    from datetime import UTC, datetime

    from noisewatch.acoustics.sync import MeasuredOffset, SyncRecord, to_document
    from noisewatch.errors import AnswerIsNo
    from noisewatch.evidence.sync_store import append, sync_folder

    found: dict[str, MeasuredOffset] = {
        basis: MeasuredOffset(v.offset_s, v.bound_s, v.spread_s, v.claps, v.agreeing)
        for basis, v in verdicts.items()
        if v.accepted
    }
    if "arrival" not in found:
        why = verdicts["arrival"].why if "arrival" in verdicts else "too few pictures came"
        raise AnswerIsNo(f"no offset was written: {why}", where=sources[1])
    record = SyncRecord(
        when=datetime.now(UTC).replace(microsecond=0),
        camera=sources[1],
        microphone=sources[0],
        offsets=found,
        **said,
    )
    path, written = append(sync_folder(identity.folder), record, signer=identity.signer)
    words = {"arrival": "by arrival", "camera": "by the camera's clock"}
    lines = [
        f"picture later than sound {words[basis]:22} {o.offset_s * 1e3:+7.1f} ms, "
        f"within {o.bound_s * 1e3:.1f} ms ({o.agreeing} of {o.claps} claps, spread {o.spread_s * 1e3:.1f} ms)"
        for basis, o in found.items()
    ]
    emit(
        {**to_document(written), "sha256": written.sha256, "file": str(path), "verdicts": _told(verdicts)},
        as_json=as_json,
        human="\n".join([*lines, f"record {path}"]),
    )


def _told(verdicts: Mapping[Basis, SyncVerdict]) -> dict[str, Any]:
    return {basis: asdict(verdict) for basis, verdict in verdicts.items()}


def register(app: typer.Typer) -> None:
    """Add `calibrate sync`."""
    app.command("sync")(sync)
