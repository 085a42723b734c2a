"""Call openssl and ssh-keygen with data in memory: arguments by list, inputs as anonymous files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from noisewatch.errors import UnavailableError
from noisewatch.evidence.durable import explain, storage_errors, write_all

TIMEOUT_S = 30.0
_PACKAGES = {"openssl": "openssl", "ssh-keygen": "openssh-client"}


@contextmanager
def in_memory(data: bytes) -> Iterator[int]:
    """Yield a descriptor of an anonymous file that holds ``data``; nothing reaches a disk."""
    descriptor = os.memfd_create("noisewatch", os.MFD_CLOEXEC)
    try:
        with storage_errors("memory for an anonymous file"):
            write_all(descriptor, data)
        yield descriptor
    finally:
        os.close(descriptor)


def call(arguments: Sequence[str | bytes], *, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a program; an argument given as bytes is handed over as an anonymous file with these bytes.

    Raises
    ------
    UnavailableError
        The program is not installed, or did not answer within 30 s.
    """
    program = str(arguments[0])
    with ExitStack() as stack:
        command: list[str] = []
        descriptors: list[int] = []
        for argument in arguments:
            if isinstance(argument, bytes):
                descriptors.append(stack.enter_context(in_memory(argument)))
                command.append(f"/proc/self/fd/{descriptors[-1]}")
            else:
                command.append(argument)
        environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
        try:
            return subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                check=False,
                timeout=TIMEOUT_S,
                pass_fds=descriptors,
                env=environment,
            )
        except FileNotFoundError as error:
            remedy = f"install the system package {_PACKAGES.get(program, program)}"
            raise UnavailableError("this program is needed", where=program, remedy=remedy) from error
        except OSError as error:
            # no process or no memory left for one
            raise explain(error, program) from error
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(f"did not answer within {TIMEOUT_S:.0f} s", where=program) from error
