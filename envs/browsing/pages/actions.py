"""The tools of a browser, as a table: name, schema, and what runs.

Owns: which calls there are, and which cannot be run whatever the page. Does not own: what they do
(`envs.browsing.pages.acting`), or what is shown afterwards (`envs.browsing.pages.observing`).

`TOOLS` are what a policy is offered; `REFERENCED` are the tools of recordings that name elements by `ref`, with a
locator for each in the origin's `refs`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pivotgym.core.messages import Tool, ToolCall
from pivotgym.envs.browsing.pages import acting
from pivotgym.envs.browsing.pages.session import Session
from pivotgym.verifiers.schema import signature


@dataclass(frozen=True)
class _Tool:
    run: Callable[[acting.Call], Awaitable[None]]
    description: str
    properties: dict[str, dict[str, Any]]
    required: tuple[str, ...] = ()

    def schema(self, name: str) -> Tool:
        parameters = {
            "type": "object",
            "properties": self.properties,
            "required": list(self.required),
            "additionalProperties": False,
        }
        return Tool.model_validate(
            {"type": "function", "function": {"name": name, "description": self.description, "parameters": parameters}}
        )


def _number(text: str) -> dict[str, Any]:
    return {"type": "integer", "description": text}


def _text(text: str) -> dict[str, Any]:
    return {"type": "string", "description": text}


_ID = {"id": _number("Number of the element, as shown in brackets")}
_REF = {"ref": _number("Number of the element")}
_XY = {"x": {"type": "number"}, "y": {"type": "number"}}


_OWN = {
    "look": _Tool(acting.look, "Show the page. Changes nothing.", {}),
    "click": _Tool(acting.click, "Click an element.", _ID, ("id",)),
    "fill": _Tool(
        acting.fill,
        "Replace the content of a field. Dates as YYYY-MM-DD.",
        {**_ID, "text": _text("The new content")},
        ("id", "text"),
    ),
    "select": _Tool(
        acting.select,
        "Choose an option of a list.",
        {**_ID, "value": _text("The option's label or value")},
        ("id", "value"),
    ),
    "press": _Tool(
        acting.press,
        "Press a key on the focused element, or on the one named.",
        {"key": _text("A character or a key's name, such as Enter, Tab, ArrowDown, Control+a"), **_ID},
        ("key",),
    ),
    "scroll": _Tool(
        acting.scroll,
        "Scroll the page, or what an element lies in.",
        {"direction": {"type": "string", "enum": list(acting.SCROLLS)}, **_ID},
        ("direction",),
    ),
    "hover": _Tool(acting.hover, "Move the mouse over an element.", _ID, ("id",)),
    "drag": _Tool(
        acting.drag, "Drag an element onto another.", {**_ID, "to": _number("Where to drop it")}, ("id", "to")
    ),
    "click_xy": _Tool(acting.click_xy, "Click at a point of the window, in CSS pixels.", _XY, ("x", "y")),
    "goto": _Tool(
        acting.goto, "Open an address of the site.", {"url": _text("The address, or a path of this site")}, ("url",)
    ),
    "back": _Tool(acting.back, "Go back to the page before.", {}),
    "tab_new": _Tool(
        acting.tab_new, "Open a tab.", {"url": _text("An address of the site; without it the tab is empty")}
    ),
    "tab_focus": _Tool(
        acting.tab_focus, "Bring a tab to the front.", {"index": _number("The tab's number")}, ("index",)
    ),
    "tab_close": _Tool(
        acting.tab_close, "Close a tab, by default the one in front.", {"index": _number("The tab's number")}
    ),
    "done": _Tool(
        acting.done, "End the task, with the answer where one is asked for.", {"answer": _text("The answer")}
    ),
}
_BY_REF = {
    "click": _Tool(acting.click, "Click the centre of the element with this ref.", _REF, ("ref",)),
    "click_xy": _Tool(acting.click_xy, "Click at page coordinates.", _XY, ("x", "y")),
    "type": _Tool(
        acting.type_into,
        "Focus the element with this ref, replace its content by text.",
        {**_REF, "text": {"type": "string"}},
        ("ref", "text"),
    ),
    "press": _Tool(acting.press, "Press a key on the focused element.", {"key": {"type": "string"}}, ("key",)),
}

TOOLS: list[Tool] = [tool.schema(name) for name, tool in _OWN.items()]
"""What a policy is offered."""
REFERENCED: list[Tool] = [tool.schema(name) for name, tool in _BY_REF.items()]
"""The tools of recordings that name elements by `ref`."""
_TABLES = {False: _OWN, True: _BY_REF}
_SIGNATURES = {
    False: {tool.name: signature(tool) for tool in TOOLS},
    True: {tool.name: signature(tool) for tool in REFERENCED},
}
_LONGEST = 100_000


def problem(call: ToolCall, by_ref: bool) -> str | None:
    """Why a call cannot be run, by its name and arguments alone; `None` where nothing speaks against it.

    Args:
        call: The call.
        by_ref: Whether elements are named by `ref`.
    """
    known = _SIGNATURES[by_ref]
    if call.name not in known:
        return f"no tool is called {call.name[:100]!r}; there are {sorted(known)}"
    found = known[call.name].problem(call)
    if found is not None:
        return found
    assert isinstance(call.arguments, dict)
    return next((why for name, value in call.arguments.items() if (why := _unusable(name, value))), None)


def _unusable(name: str, value: Any) -> str | None:
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{name}: expected at most {_LONGEST} characters, got {len(value)}"
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return f"{name}: expected text, got half of a surrogate pair"
    if isinstance(value, int | float) and not abs(value) < 2**31:
        return f"{name}: expected a number below 2^31, got {str(value)[:40]}"
    return None


async def run(
    session: Session, call: ToolCall, refs: Mapping[str, Mapping[str, Any]], boxes: acting.Boxes, by_ref: bool
) -> None:
    """Run a call that has no `problem`.

    Args:
        session: Where.
        call: The call.
        refs: The origin's locators.
        boxes: What `laid_out` gave at the start.
        by_ref: As for `problem`.

    Raises:
        Rejected: If it cannot be run in this state.
        Refused: If the browser answers it with an error.
        TabLost: If its tab is gone by now.
    """
    assert isinstance(call.arguments, dict)
    arguments = _SIGNATURES[by_ref][call.name].without_nulls(call.arguments)
    await _TABLES[by_ref][call.name].run(acting.Call(session, arguments, refs, boxes))
