"""What the study asks of a domain: tasks, experts, a server and text to pre-train on.

Owns: the interface between the domains (`study/domains`), the compact policy (`study/base`) and the arms. Does not own:
any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from pivotgym.core.trajectory import Pivot, Trajectory
from pivotgym.envs.base.contract import Task
from pivotgym.servers.client import Client

Split = Literal["train", "eval"]
"""Tasks for training and for evaluation: disjoint in what they ask for, and in the names and values they ask it of."""


class StudyDomain(Protocol):
    """A domain of the study. Everything it gives is a pure function of its arguments.

    Attributes:
        name: `tool_use` or `terminal`; the domain of its pivots.
        max_steps: Actions after which an episode of one of its tasks is cut.
    """

    @property
    def name(self) -> str:
        """The domain's name."""

    @property
    def max_steps(self) -> int:
        """Actions after which an episode is cut."""

    def serve(self, pivots: Sequence[Pivot] = ()) -> AbstractContextManager[Client]:
        """A real environment server on loopback for as long as the block lasts, and a client of it.

        Args:
            pivots: Known to the server from the start; `Client.add_pivots` adds others. It offers the tasks of both
                splits.

        Raises:
            PivotGymError: What the server itself failed with, e.g. where this machine cannot open a sandbox.
        """

    def tasks(self, split: Split) -> list[Task]:
        """The tasks of a split; the server says what a final state pays."""

    def experts(self, split: Split, seed: int, count: int | None = None) -> list[Trajectory]:
        """One expert run per task, each with outcome 1.0 and the observations of a real run.

        Args:
            split: Whose tasks.
            seed: Another seed does the same in another way: other spellings, orders, tools.
            count: Of the first tasks only: a run in a sandbox costs a tenth of a second.

        Raises:
            WorldFailed: If an expert's run did not pay: a fault of the domain's.
        """

    def text(self, seed: int) -> Iterator[str]:
        """The environment's own text without end: rendered episodes of further tasks, which ask for what no split does.

        What is done there is now the expert's, now drawn at random; observations are those of the environment.
        """
