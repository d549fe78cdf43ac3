"""How pages of MiniWoB++ are done: one program for each page.

Owns: what is clicked and written. A program knows what the page shows, nothing else; the page ends the episode itself.
Does not own: the pages (`sites.miniwob`), or acting and reading (`pilot`, `reading`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.browsing.pages.tasks.pilot import Pilot
from pivotgym.envs.browsing.pages.tasks.reading import Element, Page

Program = Callable[[Pilot], None]
_MOST_LOOKS = 25
"""Before a search over a page's tabs or buttons is given up."""


def asked(page: Page) -> str:
    """What a page asks for: its first element's text, or where it has none of its own, all that stands in it."""
    first = page.elements[0]
    return first.name or " ".join(one.name for one in page.inside(first) if one.name)


def _told(pilot: Pilot, pattern: str) -> tuple[str, ...]:
    """The groups of a pattern in what is asked for."""
    found = re.search(pattern, asked(pilot.page))
    if found is None:
        raise WorldFailed(f"oracle: {pattern!r} is not in {asked(pilot.page)!r}")
    return tuple(group.strip() for group in found.groups())


def _quoted(pilot: Pilot) -> str:
    return _told(pilot, r'"\s*([^"]*[^"\s])\s*"')[0]


def _submit(pilot: Pilot, name: str = "Submit") -> None:
    pilot.click("button", name)


def _answer(pilot: Pilot, text: str, role: str = "textbox") -> None:
    """Write into the only field, and submit."""
    pilot.fill("", text, role)
    _submit(pilot)


def _click_quoted_button(pilot: Pilot) -> None:
    pilot.click("button", _quoted(pilot))


def _click_only_button(pilot: Pilot) -> None:
    pilot.click("button", "")


def _click_named_button(pilot: Pilot) -> None:
    pilot.click("button", _told(pilot, r"button (\w+)")[0])


def _close_dialog(pilot: Pilot) -> None:
    pilot.click("button", "Close")


def _click_in_dialog(pilot: Pilot) -> None:
    name = _quoted(pilot)
    pilot.click("button", "Close" if name == "x" else name)


def _click_word(pilot: Pilot) -> None:
    pilot.click("generic", _quoted(pilot))


def _choose_radio(pilot: Pilot) -> None:
    pilot.tick(_told(pilot, r"Select (.+) and click Submit")[0], "radio")
    _submit(pilot)


def _tick_boxes(pilot: Pilot) -> None:
    names = _told(pilot, r"Select (.+) and click Submit")[0]
    for name in names.split(", ") if names != "nothing" else ():
        pilot.tick(name)
    _submit(pilot)


def _click_tab(pilot: Pilot) -> None:
    pilot.click("link", _told(pilot, r"(Tab #\d)")[0])


def _word_in_tabs(pilot: Pilot) -> None:
    """Look through the tabs until the word is there."""
    word = _quoted(pilot)
    names = [one.name for one in pilot.page.all("link")]
    for name in names:
        if pilot.page.all("generic", word):
            break
        pilot.click("link", name)
    pilot.click("generic", word)


def _expand_and_submit(pilot: Pilot) -> None:
    pilot.click("tab", "Section")
    _submit(pilot)


def _word_in_sections(pilot: Pilot) -> None:
    """Open the sections until the word is there."""
    word = _quoted(pilot)
    for name in [one.name for one in pilot.page.all("tab")]:
        if pilot.page.all("generic", word):
            break
        pilot.click("tab", name)
    pilot.click("generic", word)


def _choose_from_list(pilot: Pilot) -> None:
    pilot.select("", _told(pilot, r"Select (.+) from the list")[0])
    _submit(pilot)


def _enter_quoted(pilot: Pilot) -> None:
    _answer(pilot, _quoted(pilot))


def _enter_password(pilot: Pilot) -> None:
    password = _quoted(pilot)
    for field in pilot.page.all("textbox"):
        pilot.do("fill", id=field.id, text=password)
    _submit(pilot)


def _log_in(pilot: Pilot) -> None:
    user, password = _told(pilot, r'"([^"]+)"[^"]*"([^"]+)"')
    for field, text in zip(pilot.page.all("textbox"), (user, password), strict=True):
        pilot.do("fill", id=field.id, text=text)
    _submit(pilot, "Login")


def _enter_date(pilot: Pilot) -> None:
    month, day, year = _told(pilot, r"(\d\d)/(\d\d)/(\d{4})")
    pilot.do("fill", id=_field(pilot.page, "date").id, text=f"{year}-{month}-{day}")
    _submit(pilot)


def _enter_time(pilot: Pilot) -> None:
    hour, minute, half = _told(pilot, r"(\d+):(\d\d) ([AP])M")
    text = f"{int(hour) % 12 + (12 if half == 'P' else 0):02d}:{minute}"
    pilot.do("fill", id=_field(pilot.page, "time").id, text=text)
    _submit(pilot)


def _field(page: Page, kind: str) -> Element:
    """The field of an input type."""
    return next(one for one in page.elements if kind in (one.role, one.states.get("type")))


def _focus(pilot: Pilot) -> None:
    pilot.click("textbox", "")


def _focus_nth(pilot: Pilot) -> None:
    place = int(_told(pilot, r"(\d)(?:st|nd|rd)")[0])
    pilot.do("click", id=pilot.page.all("textbox")[place - 1].id)


def _spin(pilot: Pilot) -> None:
    pilot.fill("", _told(pilot, r"Select (-?\d+) ")[0], "spinbutton")
    _submit(pilot)


def _reckon(pilot: Pilot) -> None:
    first, sign, second = _search(pilot.page, r"^(\d+) ([-+x]) (\d+) =$")
    one, other = int(first), int(second)
    _answer(pilot, str({"+": one + other, "-": one - other, "x": one * other}[sign]))


def _solve(pilot: Pilot) -> None:
    """`x - 3 = 5`, or `3 - x = 5`."""
    first, sign, second, total = _search(pilot.page, r"^(x|\d+) ([-+]) (x|\d+) = (\d+)$")
    number, result = int(second if first == "x" else first), int(total)
    taken = result + number if first == "x" else number - result
    _answer(pilot, str(result - number if sign == "+" else taken))


def _search(page: Page, pattern: str) -> tuple[str, ...]:
    found = re.search(pattern, page.words, re.MULTILINE)
    if found is None:
        raise WorldFailed(f"oracle: {pattern!r} is not on {page.url}")
    return found.groups()


def _odd_or_even(pilot: Pilot) -> None:
    """Each number stands between its two buttons."""
    numbers = [one for one in pilot.page.elements if re.fullmatch(r"-?\d+", one.name)]
    for number in numbers:
        place = pilot.page.elements.index(number)
        button = pilot.page.elements[place - 1 if int(number.name) % 2 else place + 1]
        pilot.do("click", id=button.id)
    _submit(pilot)


def _cells(page: Page) -> dict[str, str]:
    names = [one.name for one in page.all("cell")]
    return dict(zip(names[::2], names[1::2], strict=True))


def _read_table(pilot: Pilot) -> None:
    _answer(pilot, _cells(pilot.page)[_told(pilot, r"value of (.+) into")[0]])


def _read_table_twice(pilot: Pilot) -> None:
    cells = _cells(pilot.page)
    labels = [one.name.removesuffix(":") for one in pilot.page.all("label")]
    for label, field in zip(labels, pilot.page.all("textbox"), strict=True):
        pilot.do("fill", id=field.id, text=cells[label])
    _submit(pilot)


def _find_word(pilot: Pilot) -> None:
    place = int(_told(pilot, r"(\d+)(?:st|nd|rd|th) word")[0])
    words = pilot.page.all("paragraph")[0].name.split()
    _answer(pilot, re.sub(r"[^A-Za-z]", "", words[place - 1]))


def _identify(pilot: Pilot) -> None:
    shape = pilot.page.all("graphics")[0]
    known = {"circle": "Circle", "rect": "Rectangle", "polygon": "Triangle"}
    text = "Number" if shape.name.isdigit() else "Letter"
    pilot.click("button", known.get(shape.states["tag"], text))


def _transform(pilot: Pilot) -> None:
    """Crooked letters, one by one."""
    _answer(pilot, "".join(one.name for one in pilot.page.elements[1:] if one.role == "generic"))


def _guess(pilot: Pilot) -> None:
    low, high = 0, 9
    while low <= high:
        guess = (low + high) // 2
        pilot.fill("", str(guess), "spinbutton")
        _submit(pilot)
        low, high = (guess + 1, high) if "higher" in pilot.page.words else (low, guess - 1)
        if "higher" not in pilot.page.words and "lower" not in pilot.page.words:
            break


def _generate(pilot: Pilot) -> None:
    """Draw numbers until one fits."""
    wish = asked(pilot.page)
    bound = int((re.findall(r"\d+", wish) or ["0"])[0])
    fits: Callable[[int], bool] = next(
        rule
        for word, rule in (
            ("less than", lambda number: number < bound),
            ("greater than", lambda number: number > bound),
            ("odd", lambda number: number % 2 == 1),
            ("even", lambda number: number % 2 == 0),
        )
        if word in wish
    )
    for _ in range(_MOST_LOOKS):
        pilot.click("button", "Generate")
        number = next(one.name for one in pilot.page.elements[1:] if one.role == "generic")
        if fits(int(number)):
            break
    _submit(pilot)


def _phone_book(pilot: Pilot) -> None:
    name, what = _told(pilot, r"Find (.+) in the contact book and click on their (\w+)")
    for _ in range(_MOST_LOOKS):
        if pilot.page.all("heading", name):
            break
        pilot.click("link", ">")
    label = next(one for one in pilot.page.elements if one.name == f"{what.capitalize()}:")
    link = next(one for one in pilot.page.after(label) if one.role == "link")
    pilot.do("click", id=link.id)


def _find_in_tree(pilot: Pilot) -> None:
    """Open folders until the name is there."""
    name = _quoted(pilot)
    for _ in range(_MOST_LOOKS):
        if pilot.page.all("generic", name):
            break
        closed = [one for one in pilot.page.elements if one.states.get("class", "").startswith("hitarea expandable")]
        pilot.do("click", id=closed[0].id)
    pilot.click("generic", name)


def _search_engine(pilot: Pilot) -> None:
    """Three results to a page."""
    words, place = _told(pilot, r'enter "(.+?)" and press.*click the (\d)')
    pilot.fill("", words)
    _submit(pilot, "Search")
    page, row = divmod(int(place) - 1, 3)
    if page:
        pilot.click("link", str(page + 1))
    results = [one for one in pilot.page.all("link") if not re.fullmatch(r"\d|[<>]", one.name)]
    pilot.do("click", id=results[row].id)


def _complete(pilot: Pilot) -> None:
    """Type the beginning, and choose from what is offered then."""
    first, *last = re.findall(r'"\s*([^"]*[^"\s])\s*"', asked(pilot.page))
    pilot.fill("Tags", first)
    offered = [one for one in pilot.page.inside(pilot.page.all("list")[0]) if one.name.startswith(first)]
    pilot.do("click", id=next(one for one in offered if one.name.endswith(tuple(last) or "")).id)
    _submit(pilot)


PROGRAMS: dict[str, Program] = {
    "choose-list": _choose_from_list,
    "click-button": _click_quoted_button,
    "click-checkboxes": _tick_boxes,
    "click-checkboxes-large": _tick_boxes,
    "click-checkboxes-transfer": _tick_boxes,
    "click-collapsible": _expand_and_submit,
    "click-collapsible-2": _word_in_sections,
    "click-dialog": _close_dialog,
    "click-dialog-2": _click_in_dialog,
    "click-link": _click_word,
    "click-option": _choose_radio,
    "click-tab": _click_tab,
    "click-tab-2": _word_in_tabs,
    "click-test": _click_only_button,
    "click-test-2": _click_named_button,
    "enter-date": _enter_date,
    "enter-password": _enter_password,
    "enter-text": _enter_quoted,
    "enter-text-dynamic": _enter_quoted,
    "enter-time": _enter_time,
    "find-word": _find_word,
    "focus-text": _focus,
    "focus-text-2": _focus_nth,
    "generate-number": _generate,
    "guess-number": _guess,
    "identify-shape": _identify,
    "login-user": _log_in,
    "navigate-tree": _find_in_tree,
    "odd-or-even": _odd_or_even,
    "phone-book": _phone_book,
    "read-table": _read_table,
    "read-table-2": _read_table_twice,
    "search-engine": _search_engine,
    "simple-algebra": _solve,
    "simple-arithmetic": _reckon,
    "text-transform": _transform,
    "unicode-test": _click_quoted_button,
    "use-autocomplete": _complete,
    "use-spinner": _spin,
}
"""By page."""
