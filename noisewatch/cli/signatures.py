"""Commands of the analyst: what signatures there are, what they say of sounds, how they are trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisewatch.cli import compare
from noisewatch.cli.cluster import DaskOption, JobsOption, work_on
from noisewatch.cli.material import judged_by, read_verdicts, street_of, synthetic_table, verdict_table
from noisewatch.cli.output import JsonOption, emit, progress_line, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from noisewatch.evidence.evaluation_report import Street as StreetSaid
    from noisewatch.recognition.recipe import Judgement

SignatureOption = Annotated[str, typer.Option("--signature", help="Name of a signature, or its folder.")]
CorpusArgument = Annotated[
    Path | None,
    typer.Argument(help="Corpus folder with manifest.csv; NOISEWATCH_CORPUS or ../shared/corpus without."),
]
CopiesOption = Annotated[
    int, typer.Option("--copies", min=0, max=20, help="Augmented copies of each recording.")
]
SyntheticOption = Annotated[
    int, typer.Option("--synthetic", min=0, max=1000, help="Synthetic clips of each kind.")
]

FeatureSetOption = Annotated[
    str | None,
    typer.Option(
        "--feature-set", help="full-1, voice-free-1 or yamnet-1; without, the one that signature.toml names."
    ),
]

VerdictsOption = Annotated[
    Path | None,
    typer.Option(
        "--with-verdicts",
        metavar="DIR",
        help="Officers' verdicts: a custody folder, its verdicts, or one file.",
    ),
]

app = typer.Typer(no_args_is_help=True, help="What is looked for: list, show, score, train, evaluate.")
compare.add_to(app)


def register(root: typer.Typer) -> None:
    """Add the analyst's commands for signatures."""
    root.add_typer(app, name="signatures")


@app.command("list")
def list_signatures(as_json: JsonOption = False) -> None:
    """List the signatures that come with noisewatch.

    \b
    Example: noisewatch signatures list
    """
    from noisewatch.recognition.signature import load_signature, signature_folders

    for folder in signature_folders():
        signature = load_signature(folder)
        emit(
            {
                "signature": signature.name,
                "version": signature.version,
                "description": signature.description,
                "folder": str(folder),
                "sha256": signature.sha256,
            },
            as_json=as_json,
            human=f"{signature.name} {signature.version}  {signature.description}",
        )


@app.command()
def show(
    signature: Annotated[str, typer.Argument(help="Name of a signature, or its folder.")] = "exhaust",
    as_json: JsonOption = False,
) -> None:
    """Show a signature: gate, threshold, vetoes, hash.

    \b
    Example: noisewatch signatures show exhaust
    """
    from noisewatch.recognition.signature import find_signature, load_signature

    loaded = load_signature(find_signature(signature))
    document: dict[str, Any] = {
        "signature": loaded.name,
        "version": loaded.version,
        "description": loaded.description,
        "labels": list(loaded.labels),
        "gate_db": loaded.gate_db,
        "threshold": loaded.threshold,
        "minimum_duration_s": loaded.minimum_duration_s,
        "behaviours": list(loaded.behaviours),
        "hours": list(loaded.hours),
        "budget_per_day": loaded.budget_per_day,
        "vetoes": {veto.label: veto.margin for veto in loaded.vetoes},
        "classes": list(loaded.classes),
        "feature_set": loaded.feature_set,
        "folder": str(loaded.folder),
        "sha256": loaded.sha256,
    }
    rows = [(key, _readable(value)) for key, value in document.items()]
    emit(document, as_json=as_json, human=table(["key", "value"], rows))


@app.command()
def score(
    files: Annotated[list[str], typer.Argument(help="Sound or video files.")],
    signature: SignatureOption = "exhaust",
    treated: Annotated[
        bool, typer.Option("--treated", help="Voices were destroyed; known of clips with event.json beside.")
    ] = False,
    jobs: JobsOption = None,
    dask: DaskOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how probable a signature is in each file, and in each second of it.

    What the destruction of voices takes of a clip is given back to the file's probability.

    \b
    Example: noisewatch signatures score street.wav --signature exhaust --json
    """
    import joblib

    find = Path(signature).resolve() if Path(signature).is_dir() else signature
    with work_on(dask, 1 if len(files) == 1 and jobs is None else jobs) as processes:
        running = joblib.Parallel(n_jobs=processes, return_as="generator")(
            # a worker on another machine stands in another folder
            joblib.delayed(_score_file)(
                file if dask is None else str(Path(file).resolve()), str(find), treated
            )
            for file in files
        )
        for file, found in zip(files, running, strict=True):
            document = {**found, "file": file}
            emit(document, as_json=as_json, human=_scores_in_words(document))


@app.command()
def train(
    corpus: CorpusArgument = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("signatures/exhaust"),
    version: Annotated[
        str | None, typer.Option("--version", help="Version, as 1.2.3; without, the folder's own.")
    ] = None,
    jobs: JobsOption = None,
    dask: DaskOption = None,
    copies: CopiesOption = 1,
    synthetic: SyntheticOption = 30,
    feature_set: FeatureSetOption = None,
    with_verdicts: VerdictsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a signature: features, folds by group, networks, calibration, threshold, card.

    Which recordings are its own, gate, duration and vetoes stand in signature.toml of the folder that is
    written; where there is none, it becomes the exhaust signature. Held-out groups (sha256 of the name,
    multiples of ten) are left out. The same call gives the same model.

    \b
    Example: noisewatch signatures train ../shared/corpus --out signatures/exhaust
    """
    from noisewatch.recognition import recipe as steps
    from noisewatch.recognition.corpus import default_corpus
    from noisewatch.recognition.featuresets import feature_set as ready_set
    from noisewatch.recognition.wishes import read_wish

    wish = read_wish(out) or steps.EXHAUST
    if feature_set is not None:
        wish = replace(wish, feature_set=ready_set(feature_set).name)
    told = verdict_table(with_verdicts, wish.feature_set)
    with work_on(dask, jobs) as processes:
        made = synthetic_table(synthetic, processes, ready_set(wish.feature_set).name)
        figures = steps.train_signature(
            (corpus or default_corpus()).resolve(),
            out=out,
            wish=wish if version is None else replace(wish, version=version),
            jobs=processes,
            copies=copies,
            synthetic=made if told is None else told if made is None else made.joined(told),
            progress=progress_line,
        )
    emit(figures, as_json=as_json, human=_figures_table(figures) + f"\nwritten: {out}")


@app.command()
def evaluate(
    corpus: CorpusArgument = None,
    signature: SignatureOption = "exhaust",
    fixed: Annotated[
        bool, typer.Option("--fixed", help="Score the signature as it is; without, train anew in each fold.")
    ] = False,
    leave_out: Annotated[
        bool,
        typer.Option("--leave-one-source-out", help="Judge each source by networks that never heard it."),
    ] = False,
    split: Annotated[
        Path | None,
        typer.Option("--split", metavar="CSV", help="Folds of your own: path and fold of every recording."),
    ] = None,
    jobs: JobsOption = None,
    dask: DaskOption = None,
    copies: CopiesOption = 1,
    synthetic: SyntheticOption = 30,
    base_rate: Annotated[
        float, typer.Option("--base-rate", min=0.0001, max=0.9, help="Share of exhausts among the passes.")
    ] = 0.005,
    passes: Annotated[
        int, typer.Option("--passes-per-day", min=1, help="Passes a day over the gate.")
    ] = 1000,
    draws: Annotated[int, typer.Option("--draws", min=10, help="Draws of the bootstrap.")] = 500,
    feature_set: FeatureSetOption = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="OUT.html", help="Also write a report with plots.")
    ] = None,
    verdicts: Annotated[
        Path | None,
        typer.Option(
            "--verdicts",
            metavar="DIR",
            help="Officers' verdicts: the report shows yield over time and drift.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a signature on a corpus: AUROC, recall, yield, share lost, false clips a day, with intervals.

    Without --fixed every clip is scored by networks that never heard its group; a --split in which a group is
    on both sides is refused.

    \b
    Example: noisewatch signatures evaluate ../shared/corpus --report exhaust.html --json
    """
    from noisewatch.errors import UsageError
    from noisewatch.recognition.corpus import default_corpus
    from noisewatch.recognition.evaluation import Street
    from noisewatch.recognition.featuresets import feature_set as ready_set
    from noisewatch.recognition.signature import find_signature, load_signature

    if fixed + leave_out + (split is not None) > 1:
        raise UsageError("--fixed, --leave-one-source-out and --split contradict each other")
    if fixed and feature_set is not None:
        raise UsageError("--fixed and --feature-set contradict each other: a model has its own features")
    if report is not None and not report.parent.is_dir():
        raise UsageError("the folder of the report is not there", where=report)
    told = None if verdicts is None else read_verdicts(verdicts)
    folder = (corpus or default_corpus()).resolve()
    wanted = ready_set(feature_set or load_signature(find_signature(signature)).feature_set).name
    with work_on(dask, jobs) as processes:
        judgement = judged_by(
            "fixed" if fixed else "out-of-source" if leave_out else split or "out-of-fold",
            folder,
            signature=signature,
            jobs=processes,
            copies=copies,
            synthetic=None if fixed else partial(synthetic_table, synthetic, processes, wanted),
            feature_set=wanted,
        )
    figures = judgement.figures(street=Street(base_rate, passes), draws=draws)
    human = _figures_table(figures)
    street = None if told is None else street_of(told, folder, version=judgement.version)
    if street is not None:
        figures["yield_by_month"] = [
            {**asdict(month), "share": month.share if month.exhaust + month.not_exhaust else None}
            for month in street.months
        ]
        figures["feature_shifts"] = [asdict(shift) for shift in street.shifts]
    if report is not None:
        _write_report(report, judgement, figures, draws=draws, corpus=folder, street=street)
        figures["report"] = str(report)
        human += f"\nwritten: {report}"
    emit(figures, as_json=as_json, human=human)


def _write_report(
    path: Path,
    judgement: Judgement,
    figures: dict[str, Any],
    *,
    draws: int,
    corpus: Path,
    street: StreetSaid | None,
) -> None:
    from noisewatch import __version__
    from noisewatch.evidence.durable import write_atomic
    from noisewatch.evidence.evaluation_report import evaluation_html
    from noisewatch.recognition.curves import curves

    drawn = curves(judgement.judged, threshold=judgement.threshold, draws=draws)
    name = corpus.resolve().name
    page = evaluation_html(figures, drawn, corpus=name, software=f"noisewatch {__version__}", street=street)
    write_atomic(path, page, mode=0o644)


def _score_file(file: str, signature: str, is_treated: bool) -> dict[str, Any]:
    """Score one file; the work of one process, on one thread so that sums have one order everywhere."""
    from threadpoolctl import threadpool_limits

    from noisewatch.errors import InputError
    from noisewatch.recognition.decision import treated_probability
    from noisewatch.recognition.score import Scorer, file_probability
    from noisewatch.recognition.signature import find_signature, load_signature

    loaded = load_signature(find_signature(signature))
    rate_hz, pieces = _first_channel(file)
    scorer = Scorer(loaded, rate_hz=rate_hz)
    with threadpool_limits(limits=1):
        scores = [result for piece in pieces for result in scorer.push(piece)] + scorer.finish()
    if not scores:
        raise InputError("too short to score", where=file, remedy="give 0.2 s or more")
    probability = file_probability(scores)
    if is_treated := is_treated or _says_treated(Path(file).with_name("event.json")):
        probability = treated_probability(probability)
    return {
        "file": file,
        "signature": loaded.name,
        "version": loaded.version,
        "probability": probability,
        "match": probability >= loaded.threshold,
        **({"treated": True} if is_treated else {}),
        "windows": [
            {"start_s": item.start_sample / item.rate_hz, "probability": item.probability} for item in scores
        ],
    }


def _says_treated(record: Path) -> bool:
    """Return whether a package's record, beside a clip, says that voices were destroyed in it."""
    from noisewatch.evidence.jsonform import bytes_to_document

    if not record.is_file():
        return False
    privacy = bytes_to_document(record.read_bytes(), where=record).get("privacy")
    return isinstance(privacy, dict) and str(privacy.get("voices", "none")) != "none"


def _scores_in_words(document: dict[str, Any]) -> str:
    said = ("match" if document["match"] else "no match") + ", treated" * ("treated" in document)
    return f"{document['file']}: {document['signature']} {document['probability']:.3f} ({said})\n" + table(
        ["second", "probability"],
        [(f"{window['start_s']:.1f}", f"{window['probability']:.3f}") for window in document["windows"]],
    )


def _first_channel(file: str) -> tuple[int, Iterator[NDArray[np.float32]]]:
    """Open a file through the capture edge; its rate, and the blocks of its first channel."""
    from noisewatch.capture.microphone import open_audio

    source = open_audio(file, pascal_per_unit=1.0, block_frames=48_000)

    def pieces() -> Iterator[NDArray[np.float32]]:
        try:
            for block in source.blocks():
                yield block.samples[0]
        finally:
            source.close()

    return source.rate_hz, pieces()


def _figures_table(figures: dict[str, Any]) -> str:
    """Return the figures, and shares by label, as text."""
    from noisewatch.recognition.evaluation import FIGURES

    rows = [
        (name, f"{figures[name]:.3f}", f"{figures[f'{name}_low']:.3f}", f"{figures[f'{name}_high']:.3f}")
        for name in FIGURES
    ]
    labels = [
        (label, row["clips"], f"{row['share']:.3f}", f"{row['median_probability']:.3f}")
        for label, row in figures["by_label"].items()
    ]
    return (
        table(["figure", "value", "low", "high"], rows)
        + "\n\n"
        + table(["label", "clips", "share", "median"], labels)
        + f"\n\nthreshold {figures['threshold']:.3f}"
    )


def _readable(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
