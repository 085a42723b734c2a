"""The node's end of a sealing child: start it, hand it a job, wait with a limit, take its answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from noisewatch.errors import NoisewatchError
from noisewatch.node.framing import FramingError
from noisewatch.node.job import Job, JobRefusedError, Made, answer_of

#: The program that seals: isolated from the environment's Python settings, writing no byte code.
CHILD = (sys.executable, "-I", "-B", "-m", "noisewatch.node.child")
#: A child that takes longer than this many seconds is ended; the budgets are a tenth of it.
TIMEOUT_S = {"original": 180.0, "viewing": 600.0}
#: What a child may see of the environment: nothing that makes it write, listen or tell.
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
#: One thread: a low-priority child must not take all processors.
_THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}

#: Blocks from this size on go back to the system at once: without it the child holds twice as much (glibc).
#: A viewing copy holds less beside its pictures, and may keep their memory: that saves a third of its time.
_LARGE_BYTES = {"original": 128 * 1024, "viewing": 8 * 1024 * 1024}

Work = Callable[[Job], Made]


class MediaLostError(NoisewatchError):
    """The child did not make a copy: it was killed, ran too long or could not do a step."""


def in_child(job: Job, *, command: Sequence[str] = CHILD, timeout_s: float | None = None) -> Made:
    """Let a new child do one job.

    Parameters
    ----------
    job : Job
        What to make.
    command : sequence of str
        The child's program.
    timeout_s : float, optional
        When to end it; by default :data:`TIMEOUT_S` of the job's kind.

    Raises
    ------
    MediaLostError
        There is no copy, and why: the child was killed, ended with an error, took too long or refused a step.
    """
    limit_s = TIMEOUT_S[job.kind] if timeout_s is None else timeout_s
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | _THREADS
    large = str(_LARGE_BYTES[job.kind])
    environment |= {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": large, "MALLOC_TRIM_THRESHOLD_": large}
    try:
        # a session of its own: Ctrl-C at a terminal ends the run, which then seals what was recorded
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=Path("/"),
            start_new_session=True,
        )
    except OSError as error:
        raise MediaLostError(f"the sealing child could not be started ({error.strerror})") from error
    with child:
        try:
            answer, complaint = child.communicate(job.to_message(), timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise MediaLostError(f"the sealing child took longer than {limit_s:g} s") from None
        finally:
            if child.poll() is None:
                child.kill()
    if child.returncode != 0:
        raise MediaLostError(_ending(child.returncode, complaint))
    return _read(answer)


def _read(answer: bytes) -> Made:
    try:
        return answer_of(answer)
    except JobRefusedError as refusal:
        raise MediaLostError(
            f"the sealing child could not do its step '{refusal.step}' ({refusal.why})"
        ) from None
    except FramingError as error:
        raise MediaLostError(f"the sealing child's answer is not whole ({error})") from None


def _ending(code: int, complaint: bytes) -> str:
    if code < 0:
        return f"the sealing child was killed ({signal.Signals(-code).name})"
    last = complaint.decode("utf-8", "replace").strip().splitlines()[-1:]
    return f"the sealing child ended with {code}" + "".join(f" ({line[:200]})" for line in last)
