"""Requests that wait, gathered into batches on the engine's thread; between two batches newer weights are taken.

So every answer comes from one version of the weights, and says which.

Owns: the queue, its bound, the thread, what a failure of the engine means. Does not own: sampling (the engine), or the
wire (`routes`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from pivotgym.core.errors import Full, PivotGymError, PolicyFailed, TimedOut
from pivotgym.core.policy_server import JobResult, SampleJob, ServedEngine
from pivotgym.servers.policy.metrics import PolicyMetrics
from pivotgym.servers.policy.settings import PolicySettings
from pivotgym.servers.presence import ClientGone, finished

log = logging.getLogger("pivotgym.policy")
RETRY_AFTER_S = 1.0


@dataclass(eq=False)
class _Waiting:
    """A request in the queue; `dropped` once nobody waits for it."""

    job: SampleJob
    answer: asyncio.Future[JobResult]
    dropped: bool = False


class Batcher:
    """The engine's thread and the queue before it. Used from one event loop.

    Args:
        engine: Samples.
        settings: Bounds.
        metrics: Where batches are counted.
    """

    def __init__(self, engine: ServedEngine, settings: PolicySettings, metrics: PolicyMetrics) -> None:
        self._engine, self._settings, self._metrics = engine, settings, metrics
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="pivotgym-policy", daemon=True)

    @property
    def waiting(self) -> int:
        """Requests in the queue, not those being worked at."""
        return len(self._queue)

    def start(self) -> None:
        """Begin to work, for the event loop that runs."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Take no more work and fail what waits; the batch in work is left to itself."""
        with self._changed:
            self._stopping = True
            left, self._queue = list(self._queue), deque()
            self._changed.notify()
        for waiting in left:
            if not waiting.answer.done():
                waiting.answer.set_exception(PolicyFailed("the server is stopping", retry_after_s=RETRY_AFTER_S))

    async def ask(self, job: SampleJob) -> JobResult:
        """Wait for a job's result.

        Raises:
            Full: If too many requests are waiting.
            TimedOut: If it is not done in time.
            ClientGone: If the client left; what has not begun is not begun.
            PivotGymError: What came of the job instead.
        """
        waiting = _Waiting(job, asyncio.get_running_loop().create_future())
        with self._changed:
            if self._stopping:
                raise PolicyFailed("the server is stopping", retry_after_s=RETRY_AFTER_S)
            if len(self._queue) >= self._settings.max_waiting:
                raise Full(
                    f"{len(self._queue)} requests are waiting for the engine already",
                    hint="repeat it later, or send less at once",
                    retry_after_s=RETRY_AFTER_S,
                )
            self._queue.append(waiting)
            self._changed.notify()
        try:
            done = await finished(waiting.answer, self._settings.timeout_s)
        except (ClientGone, asyncio.CancelledError):
            waiting.dropped = True
            raise
        if not done:
            waiting.dropped = True
            raise TimedOut(f"no answer within {self._settings.timeout_s:g} s", hint="ask for fewer or shorter samples")
        return waiting.answer.result()

    def _run(self) -> None:
        looked = 0.0
        while True:
            with self._changed:
                if not self._queue and not self._stopping:
                    self._changed.wait(self._settings.refresh_s)
                if self._stopping:
                    return
            if time.monotonic() - looked >= self._settings.refresh_s:
                self._refresh()
                looked = time.monotonic()
            batch = self._next_batch()
            if batch:
                self._work(batch)

    def _refresh(self) -> None:
        try:
            if self._engine.refresh():
                log.info("weights %s are in use", self._engine.version)
                self._metrics.refreshed(ok=True)
        except Exception as error:  # whatever is wrong with newer weights, the old ones still serve
            log.warning("newer weights cannot be used: %s", error)
            self._metrics.refreshed(ok=False)

    def _next_batch(self) -> list[_Waiting]:
        """The oldest request and those that can be worked at beside it, up to the bound on samples."""
        with self._changed:
            batch: list[_Waiting] = []
            left: deque[_Waiting] = deque()
            samples = 0
            for waiting in self._queue:
                if waiting.dropped:
                    continue
                fits = samples + waiting.job.count <= self._settings.batch_samples
                if not batch or (fits and _alike(waiting.job, batch[0].job)):
                    batch.append(waiting)
                    samples += waiting.job.count
                else:
                    left.append(waiting)
            self._queue = left
        return batch

    def _work(self, batch: Sequence[_Waiting]) -> None:
        begun = time.monotonic()
        told: set[int] = set()
        tokens = 0

        def tell(index: int, what: JobResult | PivotGymError) -> None:
            nonlocal tokens
            told.add(index)
            if isinstance(what, JobResult):
                tokens += sum(len(sample.token_ids) for sample in what.samples)
            self._answer(batch[index], what)

        try:
            self._engine.sample([waiting.job for waiting in batch], tell)
        except Exception as error:  # the thread must live on; the requests get an error that says whose fault it is
            log.exception("the engine failed")
            known = error if isinstance(error, PivotGymError) else PolicyFailed("the engine failed unexpectedly")
            for index in set(range(len(batch))) - told:
                self._answer(batch[index], known)
        self._metrics.batch(len(batch), tokens, time.monotonic() - begun)

    def _answer(self, waiting: _Waiting, what: JobResult | PivotGymError) -> None:
        def settle() -> None:
            if waiting.answer.done():
                return
            if isinstance(what, JobResult):
                waiting.answer.set_result(what)
            else:
                waiting.answer.set_exception(what)
                waiting.answer.exception()  # it is read here, whether or not anybody still waits

        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(settle)


def _alike(one: SampleJob, other: SampleJob) -> bool:
    """Whether two jobs can be worked at in one batch."""
    return (one.max_tokens, one.top_p, one.stop, one.stop_token_ids) == (
        other.max_tokens,
        other.top_p,
        other.stop,
        other.stop_token_ids,
    )
