"""Tasks on MiniWoB++'s pages: each page with several seeds, its oracle's run, and runs that pay nothing.

Owns: which pages, with which seeds. Does not own: the pages (`sites.miniwob`, fetched), or the oracles
(`oracles`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pivotgym.core.errors import MissingDependency
from pivotgym.core.messages import Action, Message
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.contract import Attempt, Task
from pivotgym.envs.browsing.pages.actions import TOOLS
from pivotgym.envs.browsing.pages.sites import miniwob
from pivotgym.envs.browsing.pages.tasks.miniwob.oracles import PROGRAMS
from pivotgym.envs.browsing.pages.tasks.pilot import Pilot

PREFIX = "miniwob/"
EACH = 3
"""Seeds of each page."""
_ASK = "You use a page in a browser, by the tools. Begin with look, which shows the page."
_GOAL = "Do what the page asks for, which stands at its top. It ends by itself once it was done, rightly or wrongly."
_MOST_STEPS = 30

Play = Callable[[Origin, Callable[[Pilot], None]], list[Action]]
"""As in `shop`."""


def tasks() -> tuple[Task, ...]:
    """The tasks; none where the package was not fetched."""
    try:
        miniwob.pages()
    except MissingDependency:
        return ()
    return tuple(_task(page, number) for page in sorted(PROGRAMS) for number in range(1, EACH + 1))


def gold(task: Task, play: Play) -> list[list[Action]]:
    """The actions of the oracle's run. Arguments and errors as in `shop`."""
    return [play(task.origin, PROGRAMS[task.metadata["page"]])]


def attempts(task: Task, play: Play) -> Iterator[Attempt]:
    """Done at once; and the page opened anew, where an episode can be begun that nobody seeded."""
    yield Attempt("done at once", [[_call("done", answer="1")]], 0.0)
    url = f"{miniwob.ADDRESS}/miniwob/{task.metadata['page']}.html"
    yield Attempt("opened anew", [[_call("goto", url=url), _call("click_xy", x=80, y=105), _call("done")]], 0.0)


def _task(page: str, number: int) -> Task:
    return Task(
        id=f"{PREFIX}{page}-{number}",
        origin=Origin.model_validate({"kind": "miniwob", "task": page, "seed": f"{page}-{number}"}),
        messages=[Message(role="system", content=_ASK), Message(role="user", content=_GOAL)],
        tools=TOOLS,
        max_steps=_MOST_STEPS,
        metadata={"page": page},
    )


def _call(name: str, **arguments: object) -> Action:
    return Action.model_validate({"tool_calls": [{"name": name, "arguments": arguments}]})
