"""Opens everything that a node needs, runs it, and says what happened, one line an event."""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from noisewatch import __version__
from noisewatch.acoustics.backend import node_backend
from noisewatch.acoustics.calibration import calibration_state
from noisewatch.acoustics.conformance import SelfTestResult, self_test
from noisewatch.acoustics.weighting import carrier_rate
from noisewatch.capture.camera import VideoSource, is_live_spec, open_video_files
from noisewatch.capture.clock import utc_now
from noisewatch.capture.livecamera import describe
from noisewatch.capture.microphone import DEVICE_PREFIX, AudioSource, open_audio, open_audio_files
from noisewatch.capture.soundtrack import announced_length_s
from noisewatch.capture.wallclock import full_clock_state, recorded_clock_state
from noisewatch.errors import ConfigurationError, UsageError
from noisewatch.evidence import minutes
from noisewatch.evidence.minutes import Minute
from noisewatch.evidence.seal import DayKeys
from noisewatch.node.account import Account, Emit, spoken
from noisewatch.node.attending import Attendance
from noisewatch.node.box import Box, Identity, read_identity
from noisewatch.node.carriageway import newest as newest_mask
from noisewatch.node.chain import Chain, Counter
from noisewatch.node.config import NodeConfig
from noisewatch.node.forgetting import Counted, Ledger
from noisewatch.node.hardening import Hardening, hardened
from noisewatch.node.hours import Hour
from noisewatch.node.latework import LateWork
from noisewatch.node.loopback import is_loopback
from noisewatch.node.manager import ServiceManager, heard_in_words
from noisewatch.node.pipeline import Pipeline, PipelineSettings
from noisewatch.node.runner import Effects, Runner
from noisewatch.node.schedule import Calendar, Period
from noisewatch.node.sealing import ClipSealer, NodeFacts
from noisewatch.node.sources import open_node_picture
from noisewatch.node.status import StatusWriter


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What somebody asked of ``noisewatch run``."""

    config_path: Path
    audio: tuple[str, ...] = ()
    video: tuple[str, ...] = ()
    at_real_pace: bool = True
    started_at: datetime | None = None
    pascal_per_unit: float | None = None
    is_quiet: bool = False


def run_node(request: RunRequest, *, emit: Emit, report: Callable[[str], None]) -> None:
    """Run a node over its sources until they end or somebody stops it.

    Parameters
    ----------
    request : RunRequest
        Configuration, sources, pace and scale.
    emit : callable
        Gets each event and the summary, as a document and as a line for people.
    report : callable
        Gets messages for people.

    Raises
    ------
    NoisewatchError
        After everything that could be sealed is: a source that broke off, a store that could not be written.
    """
    identity = read_identity(request.config_path)
    audio_specs, video_specs = _specs(identity.config, request)
    _refuse_live_trial(identity.day_keys, audio_specs, video_specs)
    is_live = _is_any_live(audio_specs, video_specs)
    with ExitStack() as stack:
        memory = stack.enter_context(_hardened(identity, is_live=is_live, report=report))
        box = stack.enter_context(Box(identity))
        box.housekeep()
        _run_box(box, request, (audio_specs, video_specs), memory, emit=emit, report=report, stack=stack)


def _run_box(
    box: Box,
    request: RunRequest,
    specs: tuple[tuple[str, ...], tuple[str, ...]],
    memory: Hardening,
    *,
    emit: Emit,
    report: Callable[[str], None],
    stack: ExitStack,
) -> None:
    """Open the sources and run the box over them; what is opened ends with the stack."""
    audio = _open_sound(box, request, specs[0])
    stack.callback(audio.close)
    # fails closed: nothing is measured by a meter that does not measure as it must
    tested = self_test(carrier_rate(audio.rate_hz), backend=node_backend())
    video = _open_picture(box.identity, specs[1])
    if video is not None:
        stack.callback(video.close)
    started_at = request.started_at or _default_start(audio, specs[0])
    chain = Chain(box.identity, audio=audio, video=video, started_at=started_at)
    told = Counter(spoken(emit, is_quiet=request.is_quiet))
    ledger = Ledger(box.store, box.log, now=utc_now)
    sealer = Counted(_sealer(box, request, audio, tested, chain), ledger)
    attend = Attendance(box, chain, counts=lambda: told.counts, has_camera=video is not None, report=report)
    is_quiet = request.is_quiet
    account = Account(sealer, emit=told.emit, report=report, notice=attend.event, is_quiet=is_quiet)
    manager = ServiceManager.from_environment()

    def beat() -> None:
        attend.beat()
        manager.beat(lambda: heard_in_words(told.counts, has_picture=video is not None))

    effects = _effects(box, ledger, account, manager, beat=beat, report=report)
    parts = (chain, effects, _minute_keeper(box, ledger, account), attend)
    runner = _runner(box, request, *parts, started_at=started_at, sources=(audio, video))
    if _is_any_live(*specs):
        stack.enter_context(attend.beside(runner, account=account))
        stack.enter_context(StatusWriter(box.identity.folder, attend.told))
    with _stopped_by_signals(runner, report):
        report(_sources_in_words(audio, video))
        report(memory.sentence)
        manager.ready(f"listening; {memory.sentence}")
        summary = runner.run()
    account.carry_out(ledger.note)
    account.close(summary)
    for error in (summary.error, account.failure, attend.wants_restart):
        if error is not None:
            raise error


def _hardened(
    identity: Identity, *, is_live: bool, report: Callable[[str], None]
) -> AbstractContextManager[Hardening]:
    return hardened(
        lock_memory=identity.config.memory.lock,
        allow_plain_swap=identity.config.memory.allow_plain_swap,
        only_warn=identity.day_keys.is_trial or not is_live,
        report=report,
    )


def _sources_in_words(audio: AudioSource, video: VideoSource | None) -> str:
    picture = "no picture" if video is None else video.description
    return f"listening to {audio.description}, {audio.rate_hz} Hz, {audio.channels} channels; {picture}"


def _effects(
    box: Box,
    ledger: Ledger,
    account: Account,
    manager: ServiceManager,
    *,
    beat: Callable[[], None],
    report: Callable[[str], None],
) -> Effects:
    def housekeep() -> None:
        box.housekeep()
        ledger.note()

    return Effects(
        seal=account.seal,
        refuse=account.refuse,
        housekeep=housekeep,
        report=report,
        beat=beat,
        ending=lambda: manager.ending("sealing what was recorded, then ending"),
    )


def _runner(
    box: Box,
    request: RunRequest,
    chain: Chain,
    effects: Effects,
    keep: Callable[[Minute], None],
    attend: Attendance,
    *,
    started_at: datetime,
    sources: tuple[AudioSource, VideoSource | None],
) -> Runner:
    """Put the pipeline and what happens outside it together."""
    audio, video = sources
    late = LateWork()

    def keep_minute(minute: Minute) -> None:
        # the disk may be slow: the street's own loop never waits for it, a file does
        late.put_small(lambda: keep(minute), wait=not audio.is_live)

    pipeline = _pipeline(box, request, audio, video, started_at, keep_minute, chain, on_hour=attend.hour)
    return Runner(
        pipeline,
        audio=audio,
        video=video,
        effects=effects,
        at_real_pace=request.at_real_pace,
        late=late,
        clock=chain.clock,
        look=chain.look,
    )


def _specs(config: NodeConfig, request: RunRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return sound and picture sources: options before node.toml, the picture's sound where none is named."""
    video = request.video or ((config.video.source,) if config.video.source else ())
    audio = request.audio or ((config.audio.source,) if config.audio.source else ())
    audio = audio or tuple(spec for spec in video if not is_live_spec(spec))
    if not audio:
        raise UsageError(
            "there is no sound source", where="run", remedy="add --audio FILE or --audio device:NAME"
        )
    is_live = any(spec.startswith(DEVICE_PREFIX) for spec in audio)
    if is_live and (request.pascal_per_unit is not None or request.started_at is not None):
        raise UsageError("--pascal-per-unit and --start are for files only", where="run")
    if not request.at_real_pace and (is_live or any(is_live_spec(spec) for spec in video)):
        raise UsageError("a live source runs at the pace of life", where="--pace", remedy="use --pace real")
    return audio, video


def _refuse_live_trial(keys: DayKeys, audio: tuple[str, ...], video: tuple[str, ...]) -> None:
    if not keys.is_trial:
        return
    for spec in (*audio, *video):
        if spec.startswith(DEVICE_PREFIX) or (is_live_spec(spec) and not is_loopback(spec)):
            raise ConfigurationError(
                "a trial node takes files and loopback streams only",
                where=describe(spec),
                remedy="set the node up with a real custody folder",
            )


def _is_any_live(audio: tuple[str, ...], video: tuple[str, ...]) -> bool:
    return any(spec.startswith(DEVICE_PREFIX) or is_live_spec(spec) for spec in (*audio, *video))


def _open_sound(box: Box, request: RunRequest, specs: tuple[str, ...]) -> AudioSource:
    scale = _scale(box, request)
    if len(specs) == 1:
        return open_audio(
            specs[0],
            pascal_per_unit=scale,
            rate_hz=box.config.audio.rate_hz,
            channels=box.config.audio.channels,
        )
    return open_audio_files(specs, pascal_per_unit=scale)


def _scale(box: Box, request: RunRequest) -> float:
    """Pascal of a sample value of 1.0: given by hand, calibrated, or assumed to be 1."""
    return request.pascal_per_unit or box.calibration.state.pascal_per_unit or 1.0


def _open_picture(identity: Identity, specs: tuple[str, ...]) -> VideoSource | None:
    if not specs:
        return None
    return open_node_picture(identity, specs[0]) if len(specs) == 1 else open_video_files(specs)


def _sealer(
    box: Box, request: RunRequest, audio: AudioSource, tested: SelfTestResult, chain: Chain
) -> ClipSealer:
    scale, calibration = "calibrated", box.calibration.state
    if request.pascal_per_unit is not None:
        # the reader of a record must know that nobody held a calibrator to this microphone
        scale = f"uncalibrated scale: 1.0 = {request.pascal_per_unit:g} Pa, given by hand"
        calibration = calibration_state([], now=utc_now())
    elif calibration.pascal_per_unit is None:
        scale = "uncalibrated scale: 1.0 = 1 Pa, assumed"
    facts = NodeFacts(
        config=box.config,
        site={} if box.identity.site is None else box.identity.site.document(),
        is_trial=box.identity.day_keys.is_trial,
        is_file=not audio.is_live,
        scale=scale,
        calibration=calibration,
        is_windscreen_corrected=any(c.part == "windscreen" for c in box.calibration.corrections),
        sync=lambda: chain.sync,
        mask=newest_mask(
            box.identity.folder,
            authority_pem=box.identity.authority_pem,
            since=box.identity.site_since,
        ),
        software=f"noisewatch {__version__}; {tested.statement}; weighting {tested.coefficients_sha256}",
    )
    return ClipSealer(
        facts,
        store=box.store,
        signer=box.identity.signer,
        day_keys=box.identity.day_keys,
        now=utc_now,
        clock_state=full_clock_state if audio.is_live else recorded_clock_state,
    )


def _default_start(audio: AudioSource, specs: tuple[str, ...]) -> datetime:
    """UTC of sample 0: now for a live source; for files the run's start less their length."""
    lengths_s = [] if audio.is_live else [announced_length_s(Path(spec)) for spec in specs]
    return utc_now() - timedelta(seconds=sum(length_s or 0.0 for length_s in lengths_s))


def _minute_keeper(box: Box, ledger: Ledger, account: Account) -> Callable[[Minute], None]:
    """Return what seals and stores each minute; where that fails, the run goes on and says so at its end."""

    def seal(minute: Minute) -> None:
        key = box.identity.day_keys.for_day(utc_now().astimezone(UTC).date())
        keep_days = box.config.retention.minutes_days
        minutes.append(box.store.folder, minute, key, keep_days=keep_days)

    def keep(minute: Minute) -> None:
        account.carry_out(lambda: seal(minute))
        account.carry_out(lambda: ledger.heard(minute))

    return keep


def _pipeline(
    box: Box,
    request: RunRequest,
    audio: AudioSource,
    video: VideoSource | None,
    started_at: datetime,
    on_minute: Callable[[Minute], None],
    chain: Chain,
    *,
    on_hour: Callable[[Hour], None],
) -> Pipeline:
    trigger = box.config.trigger
    settings = PipelineSettings(
        rate_hz=audio.rate_hz,
        channels=audio.channels,
        ring_s=box.config.audio.ring_s,
        has_picture=video is not None,
        started_at=started_at,
        gate_db=trigger.gate_db,
        merge_gap_s=trigger.merge_gap_s,
        cooldown_s=trigger.cooldown_s,
        longest_event_s=trigger.longest_event_s,
        budget_per_day=trigger.budget_per_day,
        full_scale_pa=_scale(box, request),
        calendar=Calendar(trigger.time_zone, frozenset(trigger.holidays)),
        periods=tuple(Period(p.name, p.gate_db, p.hours, p.weekdays, p.holidays) for p in trigger.periods),
        # a scale given by hand says nothing of the microphone that the corrections belong to
        corrections=box.calibration.corrections if request.pascal_per_unit is None else (),
        is_calibrated=box.calibration.state.is_valid and request.pascal_per_unit is None,
    )
    return Pipeline(
        settings,
        signatures=box.signatures,
        new_id=new_event_id,
        on_minute=on_minute,
        on_hour=on_hour,
        street_time=chain.time,
    )


def new_event_id(onset_at: datetime) -> str:
    """Return a new id: the UTC of the onset and 32 random bits, so that no two runs share one.

    Examples
    --------
    >>> new_event_id(datetime(2026, 11, 22, 13, 5, 9, tzinfo=UTC))[:16]
    '20261122-130509-'
    """
    return f"{onset_at.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


@contextmanager
def _stopped_by_signals(runner: Runner, report: Callable[[str], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the run cleanly while it lasts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        report(f"{signal.Signals(number).name}: sealing what was recorded, then ending")
        runner.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
