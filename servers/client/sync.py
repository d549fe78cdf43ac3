"""The synchronous client.

Owns: sockets and sleeping. Does not own: requests, answers and retries (`_core`, `calls`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Literal, Self, TypeVar

import httpx

from pivotgym.core.errors import NotFound, PivotGymError, TimedOut, Unreachable, Warming
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.servers.client import calls
from pivotgym.servers.client._core import Attempts, Options, Request, Wait
from pivotgym.servers.client.records import ActionLike, Prepared, StepResult, VerifyItem

T = TypeVar("T")
ADDED_AT_ONCE = 200


class Client:
    """A client of one server. Thread-safe; close it, or use it in a `with` block.

    Args:
        base_url: The server's address.
        token: Bearer token, where the server wants one.
        timeout_s: Time-out of one try, where the call names none.
        retries: Further tries after the first.
        deadline_s: Seconds after which no further try is begun.

    Every method raises `Unreachable` when no try was answered, and what the server answered otherwise.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 4,
        deadline_s: float = 120.0,
    ) -> None:
        self._options = Options(base_url, token, timeout_s, retries, deadline_s)
        limits = httpx.Limits(max_connections=128, max_keepalive_connections=128)
        self._http = httpx.Client(headers=self._options.headers, limits=limits, trust_env=False)

    @property
    def base_url(self) -> str:
        """The server's address."""
        return self._options.base_url

    def _send(self, request: Request[T], retries: int | None = None) -> T:
        options = self._options if retries is None else _without_retries(self._options, retries)
        attempts = Attempts(request, options, time.monotonic())
        headers = {"content-type": "application/json"} if request.body is not None else {}
        while True:
            timeout_s = attempts.timeout_s(time.monotonic())
            try:
                answer = self._http.request(
                    request.method, attempts.url, content=request.body, headers=headers, timeout=timeout_s
                )
            except httpx.TransportError as error:
                outcome: T | Wait = attempts.unanswered(error, time.monotonic())
            else:
                after = answer.headers.get("retry-after")
                outcome = attempts.answered(answer.status_code, after, answer.content, time.monotonic())
            if not isinstance(outcome, Wait):
                return outcome
            time.sleep(outcome)

    def health(self) -> dict[str, Any]:
        """Whether the process answers."""
        return self._send(calls.get("/health"))

    def ready(self) -> bool:
        """Whether the server can serve; asks once."""
        try:
            self._send(calls.get("/ready"), retries=0)
        except (Unreachable, Warming):
            return False
        return True

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until the server can serve.

        Raises:
            TimedOut: If it cannot within `timeout_s`; says why.
        """
        ends = time.monotonic() + timeout_s
        while True:
            try:
                self._send(calls.get("/ready"), retries=0)
                return
            except (Unreachable, Warming) as error:
                if time.monotonic() > ends:
                    raise TimedOut(f"{self._options.base_url} is not ready after {timeout_s:g} s: {error}") from error
            time.sleep(0.02)

    def metadata(self) -> dict[str, Any]:
        """What the server is and can do."""
        return self._send(calls.get("/metadata"))

    def pivots(self) -> Iterator[dict[str, Any]]:
        """All pivots the server knows: `id`, `digest`, `domain`, `trajectory_id`, `turn`."""
        return self._pages("/pivots", "pivots")

    def tasks(self) -> Iterator[dict[str, Any]]:
        """All whole tasks: `id`, `messages`, `tools`, `max_steps`, `metadata`."""
        return self._pages("/tasks", "tasks")

    def _pages(self, path: str, name: str) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            page = self._send(calls.page(path, cursor))
            yield from page[name]
            cursor = page["next"]
            if cursor is None:
                return

    def pivot(self, pivot_id: str) -> Pivot:
        """A whole pivot."""
        return self._send(calls.pivot(pivot_id))

    def add_pivots(self, pivots: Iterable[Pivot]) -> int:
        """Make the server know pivots; how many were new to it."""
        rest, added = iter(pivots), 0
        while part := list(islice(rest, ADDED_AT_ONCE)):
            added += self._send(calls.add_pivots(part))
        return added

    def prepare(self, pivot_ids: Sequence[str], *, timeout_s: float | None = None) -> Prepared:
        """Build states ahead and prove the expert's action in each, in calls of at most `calls.BATCH` pivots.

        Args:
            pivot_ids: Pivots the server knows.
            timeout_s: Seconds the server may take for each call.
        """
        parts = []
        for start in range(0, len(pivot_ids), calls.BATCH):
            part = pivot_ids[start : start + calls.BATCH]
            parts.append(self._send(calls.prepare(part, timeout_s)))
        return calls.merge(parts)

    def verify(
        self, pivot: Pivot | str, action: ActionLike, *, rule: str | None = None, timeout_s: float | None = None
    ) -> Verdict:
        """Score one action.

        Args:
            pivot: Its id where the server knows it, or the whole pivot.
            action: What the policy did.
            rule: `functional` (default), `strict`, or another that the server's metadata lists.
            timeout_s: Seconds the server may take.
        """
        return self._send(calls.verify(pivot, action, rule, timeout_s))

    def verify_batch(
        self, items: Sequence[VerifyItem], *, rule: str | None = None, timeout_s: float | None = None
    ) -> list[list[Verdict | PivotGymError]]:
        """Score many actions, in calls of at most `calls.BATCH`.

        Args:
            items: Actions by pivot.
            rule: As for `verify`.
            timeout_s: Seconds the server may take for each call.

        Returns:
            For each item a list with one verdict per action; an error in the place of an action that has none.
        """
        results: list[list[Verdict | PivotGymError]] = [[] for _ in items]
        for batch, places in calls.split(items):
            answer = self._send(calls.verify_batch(batch, rule, timeout_s))
            for place, scored in zip(places, answer, strict=True):
                results[place] += scored
        return results

    def session(
        self,
        *,
        pivot_id: str | None = None,
        pivot: Pivot | None = None,
        trajectory_id: str | None = None,
        turn: int | None = None,
        task_id: str | None = None,
        horizon: Literal["pivot", "episode"] | None = None,
        seed: int = 0,
        timeout_s: float | None = None,
    ) -> Session:
        """Reset a new session to a state: name exactly one of a pivot, a trajectory's turn and a task.

        Args:
            pivot_id: A pivot the server knows.
            pivot: A whole pivot.
            trajectory_id: With `turn`, another name of a pivot the server knows.
            turn: 0-based index among the trajectory's assistant messages.
            task_id: A whole task.
            horizon: `pivot` (one action) or `episode`; by default `episode` for a task.
            seed: Seed of the world.
            timeout_s: Seconds the server may take.
        """
        fields = {
            "pivot_id": pivot_id,
            "trajectory_id": trajectory_id,
            "turn": turn,
            "task_id": task_id,
            "seed": seed,
        }
        return Session(self, self._send(calls.open_session(fields, pivot, horizon, timeout_s)))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Session:
    """A live environment on the server. Close it, or use it in a `with` block.

    Attributes:
        id: The session's id.
        observation: What the reset showed.
        info: The reset's `info`: messages and tools.
    """

    def __init__(self, client: Client, answer: dict[str, Any]) -> None:
        self._client = client
        self.id: str = answer["session_id"]
        self.observation: str = answer["observation"]
        self.info: dict[str, Any] = answer["info"]

    def step(self, action: ActionLike, *, timeout_s: float | None = None) -> StepResult:
        """Take an action. Carried out once, however often it has to be sent."""
        return self._client._send(calls.step(self.id, action, timeout_s))

    def fork(self, *, timeout_s: float | None = None) -> Session:
        """An independent copy, in a session of its own."""
        return Session(self._client, self._client._send(calls.fork(self.id, timeout_s)))

    def describe(self) -> dict[str, Any]:
        """What the session is: steps, state, digest of its world."""
        return self._client._send(calls.describe(self.id))

    def close(self) -> None:
        """End it. Ending it again, or after the server forgot it, does nothing."""
        with suppress(NotFound):
            self._client._send(calls.close(self.id))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _without_retries(options: Options, retries: int) -> Options:
    return Options(options.base_url, options.token, options.timeout_s, retries, options.deadline_s)
