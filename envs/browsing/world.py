"""The domain's one world: a search engine or pages, by the origin it is started with.

Owns: which of the two. Does not own: either (`envs.browsing.search.world`, `envs.browsing.pages.world`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from pivotgym.core.errors import WrongState
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Origin, Step
from pivotgym.envs.base.contract import Task, World
from pivotgym.envs.browsing.pages.world import PageWorld
from pivotgym.envs.browsing.search.world import SearchWorld

PAGE_KINDS = frozenset(("site", "miniwob"))
"""Kinds of origins that are shown in a browser."""


def is_page(origin: Origin) -> bool:
    """Whether an origin is shown in a browser."""
    return origin.kind in PAGE_KINDS


class BrowsingWorld(World):
    """One of the two worlds, chosen by `start`."""

    version: ClassVar[str] = f"pages {PageWorld.version}, search {SearchWorld.version}"
    stepwise: ClassVar[bool] = True

    def __init__(self, inner: World | None = None) -> None:
        self._inner = inner

    @property
    def inner(self) -> World:
        """The world that was started.

        Raises:
            WrongState: Before `start`, or after `close`.
        """
        if self._inner is None:
            raise WrongState("world: it is not started, or closed", hint="call start first")
        return self._inner

    def start(self, origin: Origin, seed: int) -> None:
        """See `World.start`."""
        inner = _world_of(origin)
        inner.start(origin, seed)
        self._inner = inner

    def identity(self, origin: Origin) -> Any:
        """See `World.identity`."""
        return _world_of(origin).identity(origin)

    def run(self, action: Action) -> Effects:
        """See `World.run`."""
        return self.inner.run(action)

    def replay(self, step: Step, number: int) -> None:
        """See `World.replay`."""
        self.inner.replay(step, number)

    def fork(self) -> Self:
        """See `World.fork`."""
        return type(self)(self.inner.fork())

    def digest(self) -> str:
        """See `World.digest`."""
        return self.inner.digest()

    def keep(self, key: str) -> None:
        """See `World.keep`."""
        self.inner.keep(key)

    def examine(self, asked: Sequence[str]) -> dict[str, Any]:
        """See `World.examine`."""
        return self.inner.examine(asked)

    def over(self) -> bool:
        """See `World.over`."""
        return self.inner.over()

    def outcome(self, task: Task) -> float:
        """See `World.outcome`."""
        return self.inner.outcome(task)

    def close(self) -> None:
        """See `World.close`."""
        if self._inner is not None:
            self._inner.close()
            self._inner = None


def _world_of(origin: Origin) -> World:
    return PageWorld() if is_page(origin) else SearchWorld()
