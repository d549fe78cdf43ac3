"""The study's terminal: a shell in a sandbox, a small tree of files, one to three errands per task.

Owns: tasks made of errands, their experts, and the domain that serves them. Does not own: errands (`commands`),
sandboxes, verdicts and the judging of final states (`envs.terminal`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from functools import lru_cache
from random import Random
from typing import NamedTuple

from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Origin, Pivot, Trajectory
from pivotgym.envs.base.contract import Attempt, Task
from pivotgym.envs.sandbox.contract import Backend, Sandbox
from pivotgym.envs.sandbox.keeping import Keeper, shared_store
from pivotgym.envs.terminal.domain import Terminals
from pivotgym.envs.terminal.observing import observation
from pivotgym.envs.terminal.origins import SESSION_LIMIT_S
from pivotgym.envs.terminal.tasks import judge
from pivotgym.envs.terminal.tasks.checks import Check, ModesAre, TreeIs
from pivotgym.envs.terminal.world import TerminalWorld
from pivotgym.servers.client import Client
from pivotgym.study.contract import Split
from pivotgym.study.domains import stories
from pivotgym.study.domains.commands import ERRANDS, ROOT, Tree
from pivotgym.study.domains.stories import MAX_STEPS, TASKS, Story
from pivotgym.study.text import DONE, NameSplit, episode_text, some_names

SYSTEM = "Work in the shell."
BASH = Tool(
    name="bash",
    parameters={"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
)
_PER_MACHINE = 48
"""Episodes to pre-train on that share a sandbox, each in a folder of its own: opening one costs more than they do."""


class _Drawn(NamedTuple):
    """A story with what must hold at its end, and its start."""

    story: Story
    checks: tuple[Check, ...]
    tree: Tree


def _drawn(split: NameSplit, number: int) -> _Drawn:
    random = Random(f"terminal/{split}/{number}")
    kind = stories.kinds(random, list(ERRANDS), split)
    tree = Tree(fresh=some_names(random, split, 40))
    asked = [(ERRANDS[name], _applied(random, tree, name)) for name in kind]
    wording = "; ".join(random.choice(errand.wordings).format(**on) for errand, on in asked)

    def expert(ways: Random) -> list[Action]:
        parts = [
            [_call(ways.choice(texts).format(**on)) for texts in (errand.looks, errand.ways) if texts]
            for errand, on in asked
        ]
        return stories.swapped(ways, parts, lambda one, other: _apart(asked[one][1], asked[other][1]))

    def wanderer(ways: Random) -> list[Action]:
        words = sorted({word for _, on in asked for word in on.values()})
        picked = [ways.choice(list(ERRANDS.values())) for _ in range(ways.randint(1, 4))]
        return [_call(ways.choice(one.ways + one.looks).format_map(_Any(ways, words))) for one in picked]

    task = Task(
        id=f"{split}/{number}",
        origin=Origin(
            kind="sandbox",
            cwd=ROOT,
            files={f"{ROOT}/{path}": text for path, text in tree.start.items()},
            folders={ROOT: 0o755, **{f"{ROOT}/{path}": 0o755 for path in tree.start_folders}},
        ),
        messages=[Message(role="system", content=SYSTEM), Message(role="user", content=f"{wording}.")],
        tools=[BASH],
        max_steps=MAX_STEPS,
        metadata={"split": split, "kind": list(kind)},
    )
    made = dict.fromkeys(tree.folders, 493)
    modes = {f"{ROOT}/{path}": bits for path, bits in {**made, **tree.modes}.items()}
    checks: tuple[Check, ...] = (TreeIs("files", root=ROOT, files=dict(tree.now)),)
    if modes:
        checks += (ModesAre("modes", modes=modes),)
    return _Drawn(Story(task, kind, expert, wanderer), checks, tree)


def _applied(random: Random, tree: Tree, name: str) -> dict[str, str]:
    errand = ERRANDS[name]
    if name == "empty":
        # Its folder must hold one file and nothing else, or the wording would not say which.
        folder = tree.fresh.pop()
        tree.start_folders.append(folder)
        path = f"{folder}/{tree.fresh.pop()}"
        tree.start[path] = tree.now[path] = f"{tree.fresh.pop()} 1\n"
        on = {"d": folder, "a": path}
    else:
        on = errand.draw(random, tree)
    errand.apply(tree, on)
    return on


class _Any(dict[str, str]):
    """Operands drawn anew for each place of a command."""

    def __init__(self, random: Random, words: Sequence[str]) -> None:
        super().__init__()
        self._random, self._words = random, words

    def __missing__(self, _: str) -> str:
        return self._random.choice(self._words)


def _apart(one: dict[str, str], other: dict[str, str]) -> bool:
    parts = [{part for path in on.values() for part in path.split("/")} for on in (one, other)]
    return not parts[0] & parts[1]


def _call(command: str) -> Action:
    return Action(tool_calls=(ToolCall(name=BASH.name, arguments={"command": command}, id="c"),))


def _command(action: Action) -> str:
    (call,) = action.tool_calls
    assert isinstance(call.arguments, dict)
    return str(call.arguments["command"])


@lru_cache
def _split(split: Split) -> tuple[_Drawn, ...]:
    return tuple(_drawn(split, number) for number in range(TASKS[split]))


class StudyTerminals(Terminals):
    """The environment `terminal` with the study's tasks."""

    def world(self) -> TerminalWorld:
        """See `Domain.world`."""
        return TerminalWorld(self.backend, Keeper(shared_store(), self.backend()), _outcome, self._task_of)

    def tasks(self) -> Iterable[Task]:
        """See `Domain.tasks`."""
        return [drawn.story.task for split in TASKS for drawn in _split(split)]

    def attempts(self, task: Task) -> Iterable[Attempt]:
        """See `Domain.attempts`: the experts of three seeds."""
        story = _find(task).story
        return [Attempt(f"expert {seed}", [story.expert(Random(f"{seed}/{task.id}"))], 1.0) for seed in range(3)]


def _find(task: Task) -> _Drawn:
    split, _, number = task.id.partition("/")
    return _split(split)[int(number)]


def _outcome(task: Task, sandbox: Sandbox, backend: Backend) -> float:
    return judge.score(judge.judged(_find(task).checks, sandbox, backend))


def domain() -> StudyTerminals:
    """The domain, for a server's process."""
    return StudyTerminals()


class TerminalStudy:
    """See `study.contract.StudyDomain`."""

    name = "terminal"
    max_steps = MAX_STEPS

    def serve(self, pivots: Sequence[Pivot] = ()) -> AbstractContextManager[Client]:
        """See `StudyDomain.serve`."""
        return stories.served(f"{__name__}:domain", pivots)

    def tasks(self, split: Split) -> list[Task]:
        """See `StudyDomain.tasks`."""
        return [drawn.story.task for drawn in _split(split)]

    def experts(self, split: Split, seed: int, count: int | None = None) -> list[Trajectory]:
        """See `StudyDomain.experts`."""
        return stories.experts(domain(), (drawn.story for drawn in _split(split)[:count]), split, seed)

    def text(self, seed: int) -> Iterator[str]:
        """See `StudyDomain.text`."""
        number = seed * 1_000_000
        while True:
            yield from _texts(range(number, number + _PER_MACHINE))
            number += _PER_MACHINE


def _texts(numbers: Sequence[int]) -> Iterator[str]:
    drawn = {number: _drawn("text", number) for number in numbers}
    homes = {number: f"/{number}" for number in numbers}
    files = {f"{homes[number]}/{path}": text for number, one in drawn.items() for path, text in one.tree.start.items()}
    folders = [f"{homes[number]}/{path}" for number, one in drawn.items() for path in ("", *one.tree.start_folders)]
    origin = Origin(kind="sandbox", files=files, folders={path.rstrip("/"): 0o755 for path in folders})
    with closing(domain().world()) as world:
        world.start(origin, 0)
        for number, one in drawn.items():
            yield _played(world, one.story, homes[number], Random(f"text/{number}"))


def _played(world: TerminalWorld, story: Story, home: str, random: Random) -> str:
    """An episode in a folder of a running machine, as text; nothing that it shows names the folder."""
    messages = list(story.task.messages)
    world.sandbox.run(f"cd {home}")
    actions = (story.expert if random.random() < stories.EXPERT_SHARE else story.wanderer)(random)
    for action in actions:
        messages.append(action.to_message())
        # Not `world.run`, which would compare the whole machine with what it was before.
        ran = world.sandbox.run(_command(action), timeout_s=SESSION_LIMIT_S)
        seen = observation(ran, status=True, limit_s=SESSION_LIMIT_S)
        messages.append(Message(role="tool", content=seen, tool_call_id="c"))
    messages.append(Action(content=DONE).to_message())
    return episode_text(messages, story.task.tools)
