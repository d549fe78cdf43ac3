"""What each tool does in a session.

Owns: the calls' meaning, when one cannot be run in a state, and points of recordings made in another layout. Does not
own: the table of tools and their schemas (`envs.browsing.pages.actions`), or time and tabs (`envs.browsing.pages.
session`).

A tool moves a real mouse and presses real keys; nothing is done behind a page's back but choosing an option of a list
and setting a date, a time, a colour or a range, which browsers do in windows of their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

from pivotgym.envs.browsing.pages.session import TABS, Session
from pivotgym.envs.browsing.pages.tabs import Tab

SCROLLS = {"down": (0, 1), "up": (0, -1), "right": (1, 0), "left": (-1, 0)}
_NAMED = (
    "Enter Tab Escape Backspace Delete Insert Home End PageUp PageDown Space ArrowUp ArrowDown ArrowLeft ArrowRight"
)
_KEYS = frozenset((*_NAMED.split(), *(f"F{number}" for number in range(1, 13))))
_MODIFIERS = frozenset(("Shift", "Control", "Alt", "Meta", "ControlOrMeta"))


class Rejected(Exception):
    """A call that cannot be run: the policy's fault."""


class Refused(Exception):
    """A call that the browser answers with an error."""


Box = tuple[float, float, float, float]
"""Left, top, width and height, in CSS pixels."""
Boxes = Sequence[tuple[Box, Box]]
"""Where elements were at the start in a recording made elsewhere, and where they are at the start here."""


@dataclass(frozen=True)
class Call:
    """What a tool is given: the session, the arguments, the locators of the origin, and where their elements are."""

    session: Session
    arguments: Mapping[str, Any]
    refs: Mapping[str, Mapping[str, Any]]
    boxes: Boxes

    @property
    def tab(self) -> Tab:
        """The tab in front."""
        if not self.session.tabs:
            raise Refused("no tab is open; open one with tab_new")
        return self.session.tab

    async def ask(self, script: str, argument: Any = None) -> Any:
        """A script's answer in the tab in front."""
        return await self.session.guarded(self.tab, self.tab.page.evaluate(script, argument))

    def target(self, name: str = "id") -> tuple[str, Any]:
        """The script that finds the element an argument names, and its argument."""
        if name in self.arguments:
            return "__pivotgym.element(given)", int(self.arguments[name])
        given = str(self.arguments["ref"])
        if given not in self.refs:
            raise Rejected(f"ref: no element of this page is {given[:40]}; known are {', '.join(self.refs)}"[:400])
        return "__pivotgym.located(given)", dict(self.refs[given])

    async def place(self, name: str = "id") -> dict[str, Any]:
        """Where an element is, brought into view."""
        found, given = self.target(name)
        place: dict[str, Any] = await self.ask(f"given => __pivotgym.place({found})", given)
        what = f"{name}: element {self.arguments.get(name, self.arguments.get('ref'))}"
        if place.get("gone"):
            raise Rejected(f"{what} is not on this page; `look` shows the numbers of those that are")
        if place.get("hidden") or place.get("empty"):
            raise Rejected(f"{what} is not visible")
        return place

    async def mouse(self, work: Awaitable[None]) -> None:
        """A press that the page must answer."""
        await self.session.guarded(self.tab, work)

    async def moves(self, x: float, y: float) -> None:
        """Moves the mouse, which a page notices when it next draws."""
        await self.session.clock.drawing(self.tab, self.tab.page.mouse.move(x, y))


async def look(call: Call) -> None:
    """Shows the page and changes nothing."""


async def click(call: Call) -> None:
    """Moves to the centre of an element and presses."""
    place = await call.place()
    if place["tag"] == "SELECT":
        raise Refused("a list of options is not opened by a click; choose with `select`")
    if place["type"] == "file":
        raise Refused("no files can be chosen here")
    await call.mouse(call.tab.page.mouse.click(place["x"], place["y"]))


async def click_xy(call: Call) -> None:
    """Presses at a point of the window."""
    x, y = moved(float(call.arguments["x"]), float(call.arguments["y"]), call.boxes)
    width, height = call.session.seat.viewport
    if not (0 <= x < width and 0 <= y < height):
        raise Rejected(f"x, y: expected a point within {width} x {height}, got {x:g}, {y:g}")
    await call.mouse(call.tab.page.mouse.click(x, y))


def moved(x: float, y: float, boxes: Boxes) -> tuple[float, float]:
    """A point of a recording in the layout of this machine, whose fonts may be others.

    A point in a recorded box is at the same share of the box's width and height here; one outside of all has moved as
    far as the nearest box.
    """
    inside = [pair for pair in boxes if _distance(x, y, pair[0]) == 0]
    if inside:
        old, new = min(inside, key=lambda pair: pair[0][2] * pair[0][3])
        across, down = ((at - start) / size if size else 0.5 for at, start, size in ((x, *old[::2]), (y, *old[1::2])))
        return new[0] + across * new[2], new[1] + down * new[3]
    if not boxes:
        return x, y
    old, new = min(boxes, key=lambda pair: _distance(x, y, pair[0]))
    return x + new[0] - old[0], y + new[1] - old[1]


def _distance(x: float, y: float, box: Box) -> float:
    left, top, width, height = box
    return hypot(max(left - x, 0, x - left - width), max(top - y, 0, y - top - height))


async def hover(call: Call) -> None:
    """Moves to the centre of an element."""
    place = await call.place()
    await call.moves(place["x"], place["y"])


async def drag(call: Call) -> None:
    """Presses at one element's centre, moves to another's, and releases."""
    start, end = await call.place(), await call.place("to")
    await call.moves(start["x"], start["y"])
    await call.mouse(call.tab.page.mouse.down())
    await call.moves((start["x"] + end["x"]) / 2, (start["y"] + end["y"]) / 2)
    await call.moves(end["x"], end["y"])
    await call.mouse(call.tab.page.mouse.up())


async def fill(call: Call) -> None:
    """Focuses a field and replaces what it holds."""
    place = await call.place()
    text = str(call.arguments["text"])
    found, given = call.target()
    if place["disabled"] or place["readonly"]:
        raise Refused("the field cannot be changed")
    if not place["editable"] or place["type"] in ("date", "time", "datetime-local", "month", "week"):
        await _set(call, place, found, given, text)
        return
    await call.ask(f"given => __pivotgym.whole({found})", given)
    await _insert(call, text)


async def _set(call: Call, place: Mapping[str, Any], found: str, given: Any, text: str) -> None:
    if place["tag"] != "INPUT" or place["type"] in ("checkbox", "radio", "button", "submit", "reset", "file", "image"):
        raise Refused(f"it is no field to fill ({place['tag'].lower()} {place['type']})".replace(" )", ")"))
    held = await call.ask(f"([given, text]) => __pivotgym.set({found}, text)", [given, text])
    if held != text:
        raise Refused(f"the field of type {place['type']} does not take {text[:80]!r}; it holds {held[:80]!r}")


async def type_into(call: Call) -> None:
    """Clicks an element, selects what it holds and inserts a text, as recordings by `ref` do."""
    await click(call)
    await call.ask(
        "() => { const e = document.activeElement; if (e && e.select) e.select();"
        " else if (e && e.isContentEditable) getSelection().selectAllChildren(e); }"
    )
    await _insert(call, str(call.arguments["text"]))


async def _insert(call: Call, text: str) -> None:
    keyboard = call.tab.page.keyboard
    if text:
        await call.mouse(keyboard.insert_text(text))
    else:
        await call.mouse(keyboard.press("Delete"))


async def select(call: Call) -> None:
    """Chooses an option by its label or value."""
    await call.place()
    found, given = call.target()
    script = f"([given, wanted]) => __pivotgym.choose({found}, wanted)"
    said = await call.ask(script, [given, str(call.arguments["value"])])
    if said.get("problem"):
        raise Refused(said["problem"])


async def press(call: Call) -> None:
    """Presses a key, after focusing an element where one is named."""
    key = str(call.arguments["key"])
    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    if not set(modifiers) <= _MODIFIERS or not (last in _KEYS or len(last) == 1):
        raise Rejected(f"key: expected a character or one of {sorted(_KEYS)}, with modifiers by '+', got {key[:40]!r}")
    if "id" in call.arguments:
        await call.place()
        found, given = call.target()
        await call.ask(f"given => {{ {found}.focus(); }}", given)
    await call.mouse(call.tab.page.keyboard.press(key))


async def scroll(call: Call) -> None:
    """Scrolls by most of a window, what lies under an element or under the middle of the window."""
    direction = call.arguments["direction"]
    if direction not in SCROLLS:
        raise Rejected(f"direction: expected one of {list(SCROLLS)}, got {direction[:40]!r}")
    width, height = call.session.seat.viewport
    at = await call.place() if "id" in call.arguments else {"x": width / 2, "y": height / 2}
    across, down = SCROLLS[direction]
    script = "([x, y, dx, dy]) => __pivotgym.scroll(x, y, dx, dy)"
    await call.ask(script, [at["x"], at["y"], across * width * 0.8, down * height * 0.8])


async def goto(call: Call) -> None:
    """Opens an address of the site."""
    await call.session.goto(call.tab, _address(call, str(call.arguments["url"])))


def _address(call: Call, given: str) -> str:
    """An address as it is opened; a path goes to the host of the tab in front."""
    address = call.session.resolved(given)
    if address is None:
        known = ", ".join(call.session.site.addresses)
        raise Refused(f"{given[:200]!r} is off-site; only addresses of {known} can be opened")
    return address


async def back(call: Call) -> None:
    """Requests the address before this one anew."""
    tab = call.tab
    if not tab.past:
        raise Refused("there is no page to go back to")
    await call.session.goto(tab, tab.past.pop(), remember=False)


async def tab_new(call: Call) -> None:
    """Opens a tab, empty or at an address."""
    address = _address(call, str(call.arguments["url"])) if call.arguments.get("url") else None
    if len(call.session.tabs) >= TABS:
        raise Refused(f"{TABS} tabs are open, no more can be; close one with tab_close")
    tab = await call.session.new_tab()
    if address is not None:
        await call.session.goto(tab, address)


async def tab_focus(call: Call) -> None:
    """Brings a tab to the front."""
    tab = _tab(call)
    call.session.front = tab.number
    await call.session.guarded(tab, tab.page.bring_to_front())


async def tab_close(call: Call) -> None:
    """Closes a tab, by default the one in front."""
    await call.session.close_tab(_tab(call) if call.arguments.get("index") is not None else call.tab)


def _tab(call: Call) -> Tab:
    number = int(call.arguments["index"])
    if number not in call.session.tabs:
        raise Rejected(f"index: no tab is [{number}]; open are {sorted(call.session.tabs)}")
    return call.session.tabs[number]


async def done(call: Call) -> None:
    """Ends the task; the world keeps the answer."""


async def laid_out(session: Session, refs: Mapping[str, Mapping[str, Any]]) -> list[tuple[Box, Box]]:
    """Where the elements that a recording knows were there, by its `bbox`, and are here; on the page at its start."""
    known = [dict(one) for one in refs.values() if _is_box(one.get("bbox"))]
    if not known:
        return []
    script = (
        "given => given.map((one) => { const found = __pivotgym.located(one); return found && __pivotgym.box(found); })"
    )
    boxes = await session.guarded(session.tab, session.tab.page.evaluate(script, known))
    return [(tuple(one["bbox"]), tuple(box)) for one, box in zip(known, boxes, strict=True) if box]


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(side, int | float) for side in value)
