"""The sealing child: ``python -I -B -m noisewatch.node.child``. One job in, one answer out, then it ends.

It is nice, leaves no core, may hold only so much memory, ends with its parent, and touches no file: the job
comes on standard input, the answer leaves on standard output. A new clip gets a new child.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

from noisewatch.errors import NoisewatchError
from noisewatch.node import framing
from noisewatch.node.hardening import lock_memory_here, no_core_dumps
from noisewatch.node.job import Job, JobRefusedError, refusal_message

#: Capture comes first: the child takes what is left of the processor.
NICENESS = 10
#: Address space for data, threads' stacks included; what it really holds is a third of it.
DATA_LIMIT_BYTES = 1024 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


def confine() -> None:
    """Take a low priority, leave no core, end with the parent, and bound and lock the memory."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    os.nice(NICENESS)
    no_core_dumps()
    lock_memory_here()
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT_BYTES, DATA_LIMIT_BYTES))
    # a file can be neither made nor lengthened, whatever a library has in mind; pipes are not files
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main() -> int:
    """Do one job."""
    confine()
    # heavy, and only after the limits hold
    from noisewatch.node.treatment import carry_out

    try:
        job = Job.from_message(*framing.read(sys.stdin.buffer))
        answer = carry_out(job).to_message()
    except JobRefusedError as refusal:
        answer = refusal_message(refusal.step, refusal.why)
    except (framing.FramingError, NoisewatchError, MemoryError) as error:
        answer = refusal_message("job", f"{type(error).__name__}: {error}")
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
