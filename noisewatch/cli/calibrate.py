"""The installer's `calibrate`: a calibrator through the live chain or a file, and the history of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisewatch.cli import mask, sync
from noisewatch.cli.output import JsonOption, emit, say, table

if TYPE_CHECKING:
    from noisewatch.acoustics.calibration import CalibrationRecord
    from noisewatch.acoustics.correction import Part
    from noisewatch.acoustics.tone import ToneVerdict
    from noisewatch.evidence.calibration_store import StoredCalibration
    from noisewatch.node.config import NodeConfig

app = typer.Typer(no_args_is_help=True, help="Calibrate the microphone, and see how it held.")

NodeOption = Annotated[
    Path, typer.Option("--node", envvar="NOISEWATCH_NODE", help="Node folder.", show_default="current folder")
]


LevelOption = Annotated[float, typer.Option("--level", help="Level of the calibrator in dB.")]
WhoOption = Annotated[str, typer.Option("--who", help="Name of the person who calibrates.")]
CalibratorOption = Annotated[str, typer.Option("--calibrator", help="Make and model of the calibrator.")]
SerialOption = Annotated[str, typer.Option("--calibrator-serial", help="Its serial number.")]
MicrophoneOption = Annotated[
    str, typer.Option("--microphone-serial", help="Serial number of the microphone.")
]
AudioOption = Annotated[
    str | None, typer.Option("--audio", help="device:NAME or a file; default: the node's source.")
]
ScaleOption = Annotated[
    float | None, typer.Option("--pascal-per-unit", help="Sensitivity until now, where no record says it.")
]
TemperatureOption = Annotated[float | None, typer.Option("--temperature-c", help="Air temperature in °C.")]
MicrophoneCsvOption = Annotated[
    str | None,
    typer.Option("--microphone-csv", help="Frequency response of the microphone; 'none' drops it."),
]
WindscreenCsvOption = Annotated[
    str | None,
    typer.Option("--windscreen-csv", help="Frequency response of the windscreen; 'none' drops it."),
]
LimitOption = Annotated[float, typer.Option("--seconds", help="Listen at most this long.")]
NoteOption = Annotated[str, typer.Option("--note", help="Anything worth remembering.")]


@app.command("level")
def level(
    level_db: LevelOption = 94.0,
    who: WhoOption = "",
    calibrator: CalibratorOption = "",
    calibrator_serial: SerialOption = "",
    microphone_serial: MicrophoneOption = "",
    node: NodeOption = Path(),
    audio: AudioOption = None,
    pascal_per_unit: ScaleOption = None,
    temperature_c: TemperatureOption = None,
    microphone_csv: MicrophoneCsvOption = None,
    windscreen_csv: WindscreenCsvOption = None,
    limit_s: LimitOption = 60.0,
    note: NoteOption = "",
    as_json: JsonOption = False,
) -> None:
    """Read a sound calibrator and write a signed record; a tone that is not steady is refused (exit 1).

    \b
    Example:
      noisewatch calibrate level --level 94 --audio device:default --who "An Peeters" \\
          --calibrator "B&K 4231" --calibrator-serial 1850001 --microphone-serial M1 --temperature-c 18
    """
    from noisewatch.evidence import calibration_store as store
    from noisewatch.evidence.seal import NodeSigner
    from noisewatch.node.config import load_config

    words = {
        "who": who,
        "calibrator": calibrator,
        "calibrator_serial": calibrator_serial,
        "microphone_serial": microphone_serial,
    }
    _require_words(**words)
    _check_numbers(level_db, pascal_per_unit, temperature_c, limit_s)
    config = load_config(node / "node.toml")
    folder = store.calibration_folder(node)
    history = [entry.record for entry in store.list_calibrations(folder)]
    signer = NodeSigner.from_folder(node / "keys")
    verdict, source = _hear(audio or config.audio.source, config, limit_s)
    numbers = {
        "level_db": level_db,
        "temperature_c": temperature_c,
        "pascal_per_unit_before": pascal_per_unit,
    }
    files: dict[Part, str | None] = {"microphone": microphone_csv, "windscreen": windscreen_csv}
    record = _record(verdict, history, folder, files, {**words, **numbers, "note": note, "source": source})
    written = store.append(folder, record, signer=signer)
    _tell_level(written, verdict, [*history, written.record], config, as_json=as_json)


@app.command("show")
def show(
    node: NodeOption = Path(),
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where the plot goes (PNG); default: a temporary file.", dir_okay=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print and plot all calibrations of a node; a bad signature or a broken chain is exit 1 or 65.

    \b
    Example:
      noisewatch calibrate show --node NODE --out history.png
    """
    from datetime import UTC, datetime

    from noisewatch.acoustics.calibration import calibration_state, to_document, total_drift
    from noisewatch.errors import AnswerIsNo
    from noisewatch.evidence import calibration_store as store
    from noisewatch.evidence.durable import read_bounded
    from noisewatch.node.config import load_config

    config = load_config(node / "node.toml")
    entries = store.list_calibrations(store.calibration_folder(node))
    records = [entry.record for entry in entries]
    state = calibration_state(
        records,
        now=datetime.now(UTC),
        max_age_days=config.calibration.maximum_age_days,
        max_drift_db=config.calibration.maximum_drift_db,
    )
    authority_pem = read_bounded(node / "keys" / "ca.pem", max_bytes=64 * 1024)
    for entry in entries:
        try:
            store.verify_record(entry, authority_pem=authority_pem)
        except AnswerIsNo as error:
            raise AnswerIsNo(f"its signature {error.what}", where=entry.path.name) from error
    plot = None if not records else _plot(records, out, config.calibration.maximum_drift_db)
    document = {
        "state": state.as_document(),
        "total_drift_db": total_drift(records),
        "plot": None if plot is None else str(plot),
        "records": [{**to_document(r), "sha256": r.sha256, "file": e.path.name} for e, r in _pairs(entries)],
    }
    lines = [] if not records else [_history_table(records), "", f"plot: {plot}"]
    emit(document, as_json=as_json, human="\n".join([*lines, f"{state.name}: {state.sentence}"]))


def register(root: typer.Typer) -> None:
    """Add this person's commands."""
    sync.register(app)
    mask.register(app)
    root.add_typer(app, name="calibrate")


def _require_words(**values: str) -> None:
    from noisewatch.errors import UsageError

    for name, value in values.items():
        if not value.strip():
            raise UsageError(f"--{name.replace('_', '-')} is needed: it stands in the signed record")


def _check_numbers(
    level_db: float, pascal_per_unit: float | None, temperature_c: float | None, limit_s: float
) -> None:
    from noisewatch.errors import UsageError

    if not 60.0 <= level_db <= 134.0:
        raise UsageError(f"--level {level_db:g} dB: calibrators give 60 to 134 dB")
    if pascal_per_unit is not None and not 0.0 < pascal_per_unit < float("inf"):
        raise UsageError(f"--pascal-per-unit {pascal_per_unit} is not a positive number")
    if temperature_c is not None and not -60.0 <= temperature_c <= 70.0:
        raise UsageError(f"--temperature-c {temperature_c} is not a temperature outdoors")
    if not 5.0 <= limit_s <= 600.0:
        raise UsageError(f"--seconds {limit_s:g}: 5 to 600 s are possible")


def _hear(spec: str, config: NodeConfig, limit_s: float) -> tuple[ToneVerdict, str]:
    from noisewatch.acoustics.tone import listen
    from noisewatch.capture.microphone import open_audio
    from noisewatch.errors import UsageError

    if not spec:
        raise UsageError("--audio is needed: node.toml names no source of sound")
    source = open_audio(
        spec, pascal_per_unit=1.0, rate_hz=config.audio.rate_hz, channels=config.audio.channels
    )
    try:
        if source.is_live:
            say(f"listening to {source.description} for a steady tone of 1 kHz …")
        verdict, _ = listen(source.blocks(), rate_hz=source.rate_hz, is_live=source.is_live, limit_s=limit_s)
    finally:
        source.close()
    return verdict, source.description


def _record(
    verdict: ToneVerdict,
    history: Sequence[CalibrationRecord],
    folder: Path,
    files: Mapping[Part, str | None],
    said: Mapping[str, Any],
) -> CalibrationRecord:
    """Return the record of an accepted tone; ``said`` is what the person said of it."""
    from datetime import UTC, datetime

    from noisewatch.acoustics.calibration import next_record
    from noisewatch.errors import AnswerIsNo
    from noisewatch.evidence.calibration_store import choose_corrections

    if not verdict.accepted:
        raise AnswerIsNo(f"no calibration was written: {verdict.why}", where=said["source"])
    previous = history[-1] if history else None
    same_microphone = previous is not None and previous.microphone_serial == said["microphone_serial"]
    before = previous.corrections if previous is not None and same_microphone else {}
    return next_record(
        verdict,
        previous=previous,
        when=datetime.now(UTC).replace(microsecond=0),
        corrections=choose_corrections(folder, before=before, files=files),
        **said,
    )


def _tell_level(
    written: StoredCalibration,
    verdict: ToneVerdict,
    history: Sequence[CalibrationRecord],
    config: NodeConfig,
    *,
    as_json: bool,
) -> None:
    from noisewatch.acoustics.calibration import calibration_state, level_of, to_document

    record = written.record
    before_db = None
    if record.previous_pascal_per_unit is not None:
        before_db = level_of(rms_unit=verdict.rms_unit, pascal_per_unit=record.previous_pascal_per_unit)
    state = calibration_state(
        history,
        now=record.when,
        max_age_days=config.calibration.maximum_age_days,
        max_drift_db=config.calibration.maximum_drift_db,
    )
    document: dict[str, Any] = {
        **to_document(record),
        "sha256": record.sha256,
        "file": str(written.path),
        "before_db": before_db,
        "after_db": level_of(rms_unit=verdict.rms_unit, pascal_per_unit=record.pascal_per_unit),
        "state": state.name,
    }
    lines = [
        f"tone        {record.frequency_hz:.1f} Hz, {verdict.why}",
        f"before      {'no sensitivity known' if before_db is None else f'{before_db:.2f} dB'}",
        f"after       {record.level_db:.2f} dB at {record.pascal_per_unit:.6g} Pa per unit",
        f"drift       {'–' if record.drift_db is None else f'{record.drift_db:+.2f} dB'}",
        f"record      {written.path}",
        f"{state.name}: {state.sentence}",
    ]
    emit(document, as_json=as_json, human="\n".join(lines))


def _pairs(entries: Sequence[StoredCalibration]) -> list[tuple[StoredCalibration, CalibrationRecord]]:
    return [(entry, entry.record) for entry in entries]


def _history_table(records: Sequence[CalibrationRecord]) -> str:
    rows = [
        (
            f"{r.when:%Y-%m-%d %H:%M}",
            r.who,
            f"{r.calibrator} {r.calibrator_serial}",
            r.microphone_serial,
            f"{r.pascal_per_unit:.5g}",
            "–" if r.drift_db is None else f"{r.drift_db:+.2f}",
            f"{r.spread_db:.3f}",
            "–" if r.temperature_c is None else f"{r.temperature_c:.1f}",
        )
        for r in records
    ]
    header = ("when (UTC)", "who", "calibrator", "microphone", "Pa/unit", "drift dB", "spread dB", "°C")
    return table(header, rows)


def _plot(records: Sequence[CalibrationRecord], out: Path | None, max_drift_db: float) -> Path:
    import tempfile

    from noisewatch.evidence.calibration_plot import plot_history
    from noisewatch.evidence.durable import write_atomic

    target = out or Path(tempfile.mkdtemp(prefix="noisewatch-")) / "calibration.png"
    write_atomic(target, plot_history(records, max_drift_db=max_drift_db), mode=0o644)
    return target
