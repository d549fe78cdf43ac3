"""What answers a browser's requests: `Site`.

Owns: the interface between the browser's world (`envs.browsing.pages.world`) and the sites it shows. Does not own: the
browser, or any site (`envs.browsing.pages.sites`).

No site listens on a socket. Every request of a page is intercepted in Chromium and answered by the session's own `Site`
object; one to an address that the site does not have never leaves the browser. So the server's state is a value of the
session: it is forked, digested and kept together with the page.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from pivotgym.core.errors import PivotRefused
from pivotgym.envs.base.contract import Task


@dataclass(frozen=True)
class Request:
    """A request of a page.

    Attributes:
        method: `GET`, `POST`, ...
        url: Whole address, without fragment.
        headers: Names in lower case; the browser's cookies among them.
        body: As sent; empty without one.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """What a site answers. A redirect is a status 303 with `location`."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/html; charset=utf-8"})


class Site(ABC):
    """The server side of the pages of one session. Used by one thread at a time.

    A site is plain data and pure functions of it: no clock, no chance but the seed's, no files written.
    """

    name: ClassVar[str]
    """`site` of the origin `{kind: "site", site: NAME}`; MiniWoB++ has the kind `miniwob` of its own."""
    version: ClassVar[str] = "1"
    """Raised when states of an older version must not be reused."""
    addresses: ClassVar[tuple[str, ...]]
    """Scheme and host of all that it answers, such as `http://shop.test`. Anything else is off-site."""
    scripted: ClassVar[bool] = False
    """Whether its pages keep state in running scripts, which no snapshot of a page carries: a state is then rebuilt by
    replay. Otherwise address, storage, form values and the document are enough."""

    @abstractmethod
    def start(self, origin: Mapping[str, Any], seed: int) -> str:
        """Build the server's state.

        Args:
            origin: The origin's fields.
            seed: As for `World.start`; a site whose origin names its own seed uses that one.

        Returns:
            The address of the first page.

        Raises:
            InputError: If the fields do not fit.
            MissingDependency: If the site's files are not installed here.
        """

    @abstractmethod
    def handle(self, request: Request) -> Response:
        """Answer a request; never raises for anything that a page can send (4xx instead)."""

    @abstractmethod
    def fork(self) -> Self:
        """An independent copy."""

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of the server's state."""

    def outcome(self, task: Task, ended: Mapping[str, Any]) -> float:
        """A task's result in [0, 1] by the server's state.

        Args:
            task: The task.
            ended: What `ended_script` gave, or `{}`; `answer`: the text given with the action `done`, or `None`.

        Raises:
            PivotRefused: If the site has no tasks, which is the default.
        """
        raise PivotRefused(f"task {task.id!r}: the site {self.name!r} has no tasks")

    def ready_script(self) -> str | None:
        """JavaScript run once in the first page after it has loaded, before anything is observed; by default none."""
        return None

    def ended_script(self) -> str | None:
        """JavaScript expression giving JSON `{"done": bool, "reward": number}` of the page; by default none."""
        return None
