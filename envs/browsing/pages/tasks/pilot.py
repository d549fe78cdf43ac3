"""Acting on pages as a policy does: by what an observation shows, with the domain's own tools.

Owns: the oracles' hands: each call is run in a world, kept, and its observation read. Does not own: what an oracle
decides (`shop.oracles`, `miniwob.oracles`), or the tools (`envs.browsing.pages.actions`).
"""

from __future__ import annotations

from typing import Any

from pivotgym.core.errors import WorldFailed
from pivotgym.core.messages import Action
from pivotgym.envs.base.contract import World
from pivotgym.envs.browsing.pages.tasks.reading import Element, Page


class Pilot:
    """One run on a world that was started. Every method acts once, and reads the page that follows.

    Args:
        world: The world; it is not closed here.

    Attributes:
        page: The page as last shown.
        actions: What was done so far.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.page = Page("")
        self.actions: list[Action] = []
        self.do("look")

    def do(self, tool: str, **arguments: Any) -> None:
        """Call a tool.

        Raises:
            WorldFailed: If the call is refused: an oracle that no longer fits its page is a failure of ours.
        """
        action = Action.model_validate({"tool_calls": [{"name": tool, "arguments": arguments}]})
        effects = self._world.run(action)
        shown = "\n".join(effects.observations)
        if effects.invalid is not None or any(effects.failed):
            raise WorldFailed(f"oracle: {tool} {arguments} was refused: {effects.invalid or shown[:300]}")
        self.actions.append(action)
        self.page = Page(shown)

    def find(self, role: str, name: str) -> Element:
        """The first element of that role and name, or whose name begins so.

        Raises:
            WorldFailed: If there is none.
        """
        found = self.page.all(role, name) or self.page.starting(role, name)
        if not found:
            raise WorldFailed(f"oracle: there is no {role} {name!r} on {self.page.url}")
        return found[0]

    def has(self, role: str, name: str) -> bool:
        """Whether `find` would find something."""
        return bool(self.page.all(role, name) or self.page.starting(role, name))

    def click(self, role: str, name: str) -> None:
        """Click an element. Raises as `find` and `do`."""
        self.do("click", id=self.find(role, name).id)

    def fill(self, label: str, text: str, role: str = "textbox") -> None:
        """Write into a field. Raises as `find` and `do`."""
        self.do("fill", id=self.find(role, label).id, text=text)

    def select(self, label: str, value: str) -> None:
        """Choose from a list, unless it is chosen. Raises as `find` and `do`."""
        element = self.find("combobox", label)
        if element.states.get("value") != value:
            self.do("select", id=element.id, value=value)

    def tick(self, label: str, role: str = "checkbox") -> None:
        """Tick a box or choose a button, unless it is. Raises as `find` and `do`."""
        element = self.find(role, label)
        if "checked" not in element.states:
            self.do("click", id=element.id)

    def done(self, answer: str | None = None) -> None:
        """End the task."""
        self.do("done", **({} if answer is None else {"answer": answer}))
