"""What is checked: a server, with the pivots and tasks that are looked at, and its domain where it is at hand.

Owns: reaching both, and raw calls. Does not own: starting servers (`servers.serve`), choosing pivots (`cli/check`), or
any check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx

from pivotgym.core.errors import PivotGymError, Unreachable, from_wire
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base.contract import Domain, Task
from pivotgym.servers.client import Client
from pivotgym.servers.client.sync import Session
from pivotgym.servers.conformance.findings import NotMade


@dataclass
class Subject:
    """A server that is checked.

    Attributes:
        url: Its address.
        pivots: The pivots that are looked at; the server knows them.
        task_ids: The tasks that are looked at.
        token: Bearer token.
        sessions: Sessions of the check for leaks.
        timeout_s: Seconds that a call may take.
        domain: The domain that is served, where it is at hand in this process too.
        pids: The server's processes, where they run on this machine and serve nobody else.
    """

    url: str
    pivots: Sequence[Pivot]
    task_ids: Sequence[str] = ()
    token: str | None = None
    sessions: int = 500
    timeout_s: float = 60.0
    domain: Domain | None = None
    pids: Sequence[int] = ()
    client: Client = field(init=False)
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.fresh_client()
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        self.http = httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=self.timeout_s + 5)

    def fresh_client(self) -> Client:
        """A client with connections of its own; the caller closes it."""
        return Client(self.url, token=self.token, timeout_s=self.timeout_s + 5, retries=0)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        self.http.close()

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What the server says of itself."""
        return self.client.metadata()

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """The tasks that are looked at, with what only the domain knows.

        Raises:
            NotMade: If the domain is not at hand.
        """
        if self.domain is None:
            raise NotMade("a server does not tell the gold runs of its tasks: check the domain by its name or folder")
        return {task.id: task for task in self.domain.tasks() if task.id in set(self.task_ids)}

    @contextmanager
    def session(self, **start: Any) -> Iterator[Session]:
        """A session that is closed afterwards; arguments as for `Client.session`."""
        with self.client.session(**start, timeout_s=self.timeout_s) as session:
            yield session

    def starts(self) -> list[dict[str, Any]]:
        """Where sessions can begin, as arguments of `session`: each pivot, else each task."""
        if self.pivots:
            return [{"pivot_id": pivot.id} for pivot in self.pivots]
        return [{"task_id": task_id} for task_id in self.task_ids]

    def call(self, method: str, path: str, **body: Any) -> httpx.Response:
        """A call as it is on the wire, whatever comes back.

        Raises:
            Unreachable: If no answer came.
        """
        try:
            return self.http.request(method, path, json=body or None)
        except httpx.TransportError as error:
            raise Unreachable(f"{method} {path}: no answer: {error!r}") from error

    def answered(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """What a call answers.

        Raises:
            PivotGymError: What the server answered instead.
        """
        answer = self.call(method, path, **body)
        found = json_of(answer)
        if answer.status_code != 200:
            raise from_wire(found)
        return found

    def acting(self) -> list[Pivot]:
        """The pivots whose expert calls a tool."""
        return [pivot for pivot in self.pivots if pivot.reference.tool_calls]


def start_of(subject: Subject) -> dict[str, Any]:
    """The first start.

    Raises:
        NotMade: If there is none.
    """
    starts = subject.starts()
    if not starts:
        raise NotMade("there is no pivot and no task to begin at")
    return starts[0]


def unlike(pivot: Pivot) -> Action:
    """An action that is not the expert's by its text, so that it has to be run: the expert's calls twice."""
    calls = pivot.reference.tool_calls
    return Action(tool_calls=(*calls, *calls)) if calls else Action(content="qwz xkj vbn 000 qwz.")


def json_of(answer: httpx.Response) -> dict[str, Any]:
    """An answer's JSON object; an empty one where it has none."""
    with suppress(ValueError):
        found = answer.json()
        if isinstance(found, dict):
            return found
    return {}


def refused(call: Callable[[], object]) -> PivotGymError | None:
    """What a call was refused with; `None` where it was not."""
    try:
        call()
    except PivotGymError as error:
        return error
    return None


DONE = Action(content="Done.")


def play(session: Session, turns: Sequence[Sequence[Action]]) -> float:
    """Play a task's turns in a session, what is left of them with `DONE`; the last reward.

    Raises:
        PivotGymError: What the server answered instead of a step.
    """
    remaining = [list(turn) for turn in turns]
    while True:
        for action in [*(remaining.pop(0) if remaining else ()), DONE]:
            result = session.step(action)
            if result.terminated or result.truncated:
                return result.reward


def digest_of(session: Session) -> str | None:
    """The digest that the server gives of a session's state."""
    found = session.describe()["digest"]
    return None if found is None else str(found)
