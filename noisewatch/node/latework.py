"""Work that may be late, beside a capture that may not: recording at once, sealing by urgency, both bounded.

Every clip is one chain of steps. Its first step (the signed record) runs on a thread of its own, at once,
while the clip before is being sealed. What follows runs on another thread, one step at a time: originals
before viewing copies, older before newer. No more than :data:`ROOM` clips are held; for the next one there is
only a record, and it is counted.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

#: Clips that may be held until they are sealed; each is some ten megabytes.
ROOM = 8
#: Small pieces of work (records without a clip, housekeeping) that may wait for the disk.
SMALL_WORK = 256


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done next with a clip; ``urgency`` 0 comes before 1. It returns the step after it."""

    urgency: int
    work: Callable[[], Step | None]


class LateWork:
    """Does the steps of clips and small pieces of work on two threads of its own."""

    def __init__(self) -> None:
        self.most_held = 0
        self.dropped = 0
        self._room = threading.BoundedSemaphore(ROOM)
        self._small = threading.BoundedSemaphore(SMALL_WORK)
        self._held = 0
        self._recording = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recording")
        self._sealing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sealing")
        self._steps: list[tuple[int, int, Step]] = []
        self._numbers = itertools.count()
        self._is_idle = threading.Condition()
        self._errors: list[BaseException] = []

    @property
    def held(self) -> int:
        """Clips that are held now."""
        return self._held

    def put(self, first: Callable[[], Step | None], *, wait: bool) -> bool:
        """Begin a clip's chain; False where there is no room and the caller does not wait."""
        if not self._room.acquire(blocking=wait):
            return False
        with self._is_idle:
            self._held += 1
            self.most_held = max(self.most_held, self._held)
        number = next(self._numbers)
        self._recording.submit(_numbered, number, first).add_done_callback(self._after)
        return True

    def put_small(self, work: Callable[[], object], *, wait: bool = False) -> bool:
        """Do something small on the recording thread; where too much waits it is dropped and counted."""
        if not self._small.acquire(blocking=wait):
            self.dropped += 1
            return False
        self._recording.submit(work).add_done_callback(self._after_small)
        return True

    def close(self) -> None:
        """Wait until everything is done, then end; raise what no step expected."""
        with self._is_idle:
            while self._held:
                self._is_idle.wait()
        self._recording.shutdown(wait=True)
        self._sealing.shutdown(wait=True)
        if self._errors:
            raise self._errors[0]

    def _after(self, done: Future[tuple[int, Step | None]]) -> None:
        """Queue a clip's next step, or let go of the clip."""
        error = done.exception()
        number, step = (0, None) if error is not None else done.result()
        if error is not None:
            self._errors.append(error)
        if step is None:
            with self._is_idle:
                self._held -= 1
                self._is_idle.notify_all()
            self._room.release()
            return
        with self._is_idle:
            heapq.heappush(self._steps, (step.urgency, number, step))
        self._sealing.submit(self._most_urgent).add_done_callback(self._after)

    def _after_small(self, done: Future[object]) -> None:
        error = done.exception()
        if error is not None:
            self._errors.append(error)
        self._small.release()

    def _most_urgent(self) -> tuple[int, Step | None]:
        with self._is_idle:
            _, number, step = heapq.heappop(self._steps)
        return number, step.work()


def _numbered(number: int, first: Callable[[], Step | None]) -> tuple[int, Step | None]:
    return number, first()
