"""``noisewatch demo``: the whole main job on a simulated street, told step by step."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noisewatch.cli.output import JsonOption, emit, say, table
from noisewatch.errors import AnswerIsNo, UsageError

if TYPE_CHECKING:
    from noisewatch.evidence.verify import Verdict

#: Written into the demo's folder, so that only such a folder is ever replaced.
MARK = "noisewatch-demo"
#: An event answers a true one when its peak lies this close to the truth's span, in seconds.
REACH_S = 1.0


def register(app: typer.Typer) -> None:
    """Add this person's commands."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same street.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Show the main job: a street with known truth, a box, a desk, one package, and a tampered copy.

    \b
    Example:
      noisewatch demo --out /tmp/demo
    """
    started = time.monotonic()
    _make_room(out)
    say(f"noisewatch demo: everything it makes stands in {out}/")
    truth = _simulate(out / "street", seed=seed)
    _set_up(out)
    events, summary = _run(out, scale=float(truth["pascal_per_unit"]))
    _compare(truth["events"], events)
    best = max((e for e in events if e["sealed"]), key=lambda e: e["lafmax_db"], default=None)
    if best is None:
        raise AnswerIsNo("the box sealed no event of the demo's street", where=out)
    package = _export(out, best["id"])
    verdicts = _verify(out, package)
    report = package / "data" / "report.pdf"
    seconds = time.monotonic() - started
    emit(
        {
            "events": events,
            "summary": summary,
            "truth": truth["events"],
            "package": str(package),
            "report": str(report),
            "verdicts": verdicts,
            "seconds": round(seconds, 1),
        },
        as_json=as_json,
        human=f"\nDone in {seconds:.0f} s. Where to look:\n"
        f"  the report          {report}\n"
        f"  the package         {package}\n"
        f"  the street          {out / 'street' / 'street.mp4'}\n"
        f"  the box's settings  {out / 'node' / 'node.toml'}\n"
        "Readings are an indication for a technical inspection, not a type-approved legal measurement.",
    )


def _make_room(out: Path) -> None:
    """Replace an earlier demo; refuse any other folder that holds something."""
    if out.exists():
        if not (out / MARK).is_file() and any(out.iterdir()):
            raise UsageError(
                "holds something that is no earlier demo", where=out, remedy="choose another --out"
            )
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARK).touch()


def _simulate(folder: Path, *, seed: int) -> dict[str, Any]:
    from noisewatch.simulation.recipes import make_street, recipe_for

    say("1/6 Making a street of 90 s with known truth: sound and picture …")
    recipe = recipe_for("demo", seed=seed)
    return make_street(recipe, folder)


def _set_up(out: Path) -> None:
    from noisewatch.cli.installer import make_node
    from noisewatch.evidence import custody

    say("2/6 Setting up a custody desk with throw-away people, and a box that seals to it …")
    custody.init(out / "custody", trial=True)
    make_node(out / "node", out / "custody", name="demo", site="Simulated street")


def _run(out: Path, *, scale: float) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from noisewatch.node.service import RunRequest, run_node

    say("3/6 Running the box over the street …")
    told: list[dict[str, Any]] = []

    def note(document: Mapping[str, Any], line: str) -> None:
        told.append(dict(document))
        say(line)

    movie = str(out / "street" / "street.mp4")
    request = RunRequest(
        config_path=out / "node" / "node.toml",
        audio=(str(out / "street" / "street.flac"),),
        video=(movie,),
        at_real_pace=False,
        pascal_per_unit=scale,
    )
    run_node(request, emit=note, report=say)
    events = [document for document in told if document["event"] == "event"]
    return events, told[-1]


def _compare(truth: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]) -> None:
    answers: dict[int, list[str]] = {}
    strangers: list[str] = []
    for event in events:
        number = _whose(event, truth)
        said = f"{event['peak_s']:.1f} s, {event['lafmax_db']:.1f} dB"
        if number is None:
            strangers.append(said)
        else:
            answers.setdefault(number, []).append(said)
    rows = [
        (
            true["kind"],
            true["label"],
            f"{true['closest_s']:.1f}",
            f"{true['lafmax_db']:.1f}",
            "; ".join(answers.get(number, ["–"])),
        )
        for number, true in enumerate(truth)
    ]
    rows += [("nobody", "", "", "", said) for said in strangers]
    say("\nThe truth, and what the box said:")
    say(table(("who was there", "label", "closest s", "LAFmax dB", "event of the box"), rows))


def _whose(event: Mapping[str, Any], truth: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the true source that an event answers: an exhaust that was there, else the loudest that was."""
    there = [
        number
        for number, true in enumerate(truth)
        if true["onset_s"] - REACH_S <= event["peak_s"] <= true["end_s"] + REACH_S
    ]
    return max(
        there,
        key=lambda number: (truth[number]["label"] == "exhaust", truth[number]["lafmax_db"]),
        default=None,
    )


def _export(out: Path, event_id: str) -> Path:
    from noisewatch.evidence.consult import approve
    from noisewatch.evidence.export import Order, export
    from noisewatch.evidence.store import Store

    say(f"\n4/6 An officer exports event {event_id}, with a reason and a case number …")
    reason, case = "demonstration of the whole chain", "DEMO-1"
    with Store.open(out / "node" / "store", writable=False) as store:
        has_viewing_copy = store.get(event_id).state == "sealed"
    if not has_viewing_copy:
        say("    no viewing copy without the model that finds faces: a supervisor approves the original …")
        node, custody = out / "node", out / "custody"
        approve(event_id, as_="supervisor", reason=reason, case=case, node=node, custody=custody)
    order = Order(event_id, as_="officer", reason=reason, case=case, original=not has_viewing_copy)
    made = export(order, node=out / "node", custody=out / "custody", out=out / "packages")
    return made.package


def _verify(out: Path, package: Path) -> dict[str, Any]:
    from noisewatch.evidence.verify import verify

    trust = out / "custody" / "trust"
    say("5/6 Verifying the package against the municipality's trust folder …")
    good = verify(package, trust=trust)
    say(f"    {_spoken(good)}")
    say("6/6 Changing one bit of the clip in a copy, and verifying that …")
    tampered = out / "tampered"
    shutil.copytree(package, tampered)
    clip = next(path for path in sorted((tampered / "data").glob("*.mp4")))
    data = bytearray(clip.read_bytes())
    data[len(data) // 2] ^= 1
    clip.write_bytes(bytes(data))
    bad = verify(tampered, trust=trust)
    say(f"    {_spoken(bad)}")
    if not good.valid or bad.valid:
        raise AnswerIsNo("verification did not tell the package from its tampered copy", where=out)
    return {"package": good.to_document(), "tampered": bad.to_document()}


def _spoken(verdict: Verdict) -> str:
    if verdict.valid:
        return f"valid: every byte, signed by box {verdict.node} and officer {verdict.officer}"
    return "NOT valid: " + "; ".join(f"{problem.part}: {problem.what}" for problem in verdict.problems)
