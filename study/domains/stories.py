"""What the study's domains share: stories, their experts played in the real environment, and the server.

Owns: `Story`, expert trajectories, the process that serves a domain. Does not own: what stories ask for (the modules
beside this one), or the environments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from random import Random

from pivotgym.core.errors import WorldFailed
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot, Trajectory
from pivotgym.envs.base.contract import Domain, Task
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import play
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.study.contract import Split
from pivotgym.study.text import NameSplit, split_of

TASKS = {"train": 160, "eval": 80}
"""How many tasks a split has."""
_LENGTHS: Mapping[NameSplit, Sequence[int]] = {"train": (1, 2, 2, 3), "eval": (1, 2, 2, 3), "text": (1, 1, 2, 2, 3)}
"""How many things a story of a split asks for, each as likely as it stands here."""
MAX_STEPS = 8
SWAPPED = 0.2
"""How often an expert does two neighbouring, independent things in the other order."""
EXPERT_SHARE = 0.85
"""Of the episodes to pre-train on; in the others what is done has nothing to do with what was asked for."""


@dataclass(frozen=True)
class Story:
    """A task with its experts.

    Attributes:
        task: Without gold: there are many.
        kind: The sequence of things it asks for.
        expert: Actions that do it, in a way of the random source's; the last word, `Done.`, is not among them.
        wanderer: Actions with the story's names that were not asked for.
    """

    task: Task
    kind: tuple[str, ...]
    expert: Callable[[Random], list[Action]]
    wanderer: Callable[[Random], list[Action]]


def kinds(
    random: Random,
    names: Sequence[str],
    split: NameSplit,
    clashes: Sequence[frozenset[str]] = (),
) -> tuple[str, ...]:
    """A sequence of different things to ask for that belongs to a split.

    Args:
        random: Draws it.
        names: All things.
        split: The split.
        clashes: Sets of which at most one thing can be asked for.
    """
    while True:
        found = tuple(random.sample(list(names), random.choice(_LENGTHS[split])))
        if split_of("/".join(found)) == split and all(len(clash & set(found)) < 2 for clash in clashes):
            return found


def swapped(random: Random, parts: list[list[Action]], independent: Callable[[int, int], bool]) -> list[Action]:
    """The actions of a story's parts, now and then two independent neighbours in the other order."""
    order = list(range(len(parts)))
    for place in range(len(parts) - 1):
        if random.random() < SWAPPED and independent(order[place], order[place + 1]):
            order[place], order[place + 1] = order[place + 1], order[place]
    return [action for index in order for action in parts[index]]


def experts(domain: Domain, stories: Iterable[Story], split: Split, seed: int) -> list[Trajectory]:
    """One expert run per story, played in the environment. Arguments and errors as for `StudyDomain.experts`."""
    found = []
    with closing(Runtime(domain)) as runtime:
        for story in stories:
            task = story.task
            played = play(runtime, task, [story.expert(Random(f"{seed}/{task.id}"))])
            if played.outcome != 1.0:
                raise WorldFailed(f"expert of {task.id!r}: expected an outcome of 1.0, got {played.outcome}")
            found.append(
                Trajectory(
                    id=f"{task.id}/{seed}",
                    domain=domain.name,
                    tools=task.tools,
                    messages=played.messages,
                    origin=task.origin,
                    outcome=played.outcome,
                    source="pivotgym.study",
                    metadata={"split": split, "group": task.id, "task": task.id, "category": len(story.kind)},
                )
            )
    return found


@contextmanager
def served(place: str, pivots: Sequence[Pivot]) -> Iterator[Client]:
    """A client of a server in a process of its own, so that it has another processor than the trainer."""
    with BackgroundServer(place, pivots=pivots) as server, Client(server.url) as client:
        yield client
