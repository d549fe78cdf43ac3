"""What an action asks of a search environment: searches, pages to open, words to find, an answer, or words alone.

Owns: which tools do what and where their arguments stand, as tables, and the answer inside a message. Does not own:
schemas (`verifiers.schema`), running anything (`envs.browsing.search`), or verdicts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pivotgym.core.messages import Action, ToolCall

Does = Literal["search", "open", "find", "finish"]

_TOOLS: dict[Does, str] = {
    "search": (
        "search web_search google_search search_web websearch bing_search tavily_search serper_search "
        "duckduckgo_search wikipedia_search search_wikipedia wiki_search search_engine batch_search query "
        "internet_search retrieve retrieval local_search browser_search search_query scholar google_scholar"
    ),
    "open": (
        "open visit open_url open_page visit_url visit_page visit_webpage browse browse_page browse_url fetch "
        "fetch_url fetch_page get_page get_url goto navigate read_page read_url crawl scrape web_visit web_fetch "
        "web_browse browser_open url_scraper jina_reader page_reader"
    ),
    "find": ("find find_in_page find_text search_in_page search_page lookup grep ctrl_f browser_find"),
    "finish": ("finish answer final_answer submit submit_answer give_answer done complete"),
}
TOOLS = {kind: frozenset(named.split()) for kind, named in _TOOLS.items()}
"""Names of tools, in lower case with words joined by `_`, a namespace before them left out."""
ARGUMENTS: dict[Does, tuple[str, ...]] = {
    "search": ("query", "queries", "q", "search_query", "search_queries", "search_term", "keywords", "keyword", "text"),
    "open": ("url", "urls", "link", "links", "page", "page_url", "uri", "address", "id"),
    "find": ("text", "query", "pattern", "keyword", "keywords", "string", "term"),
    "finish": ("answer", "final_answer", "content", "text", "response", "result", "output"),
}
"""Where the value stands, the first that a call has; else its only text."""
GOALS = ("goal", "purpose", "intent", "question", "query", "prompt")
"""Where the goal of opening a page stands; it says what to look for, not what to open, and counts for nothing."""
MOST_QUERIES = 20
LONGEST: dict[Does, int] = {"search": 2_000, "open": 8_000, "find": 2_000, "finish": 20_000}
"""Most characters of a value: what search engines and web servers take, and an answer that is a report."""
_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_SAID = re.compile(r"(?:\A|\n)[ \t#*]*(?:final )?answer[ \t*]*:[ \t*]*(.+)", re.IGNORECASE | re.DOTALL)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")


@dataclass(frozen=True)
class Request:
    """What one call asks.

    Attributes:
        does: What kind of thing it does; `None` for a tool that is in no table.
        values: Queries, addresses, words to find, or the one answer.
        page: Where to find, if the call says so.
        goal: What opening a page is for.
        problem: Why it cannot be run, in one sentence, or "".
    """

    call: ToolCall
    does: Does | None
    values: tuple[str, ...] = ()
    page: str = ""
    goal: str = ""
    problem: str = ""


def does(name: str) -> Does | None:
    """What a tool of that name does; `None` where no table has it."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.split(r"[./]|__", name)[-1])
    plain = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
    return next((kind for kind, named in TOOLS.items() if plain in named), None)


def requests_of(action: Action) -> tuple[Request, ...]:
    """What each call of an action asks."""
    return tuple(map(request_of, action.tool_calls))


def request_of(call: ToolCall) -> Request:
    """What a call asks; never raises."""
    kind = does(call.name)
    if kind is None:
        return Request(call, None)
    if isinstance(call.arguments, str):
        return Request(call, kind, problem=f"{call.name}: the arguments are not a JSON object")
    place = _place(kind, call.arguments)
    values = tuple(_texts(call.arguments.get(place))) if place else ()
    problem = ""
    if not values or (kind != "finish" and not all(value.strip() for value in values)):
        problem = f"{call.name}: expected {_expected(kind)} in {ARGUMENTS[kind][0]!r}, got none"
    elif len(values) > MOST_QUERIES:
        problem = f"{call.name}: expected at most {MOST_QUERIES} at once, got {len(values)}"
    elif any(len(value) > LONGEST[kind] for value in values):
        problem = f"{call.name}: expected texts of at most {LONGEST[kind]} characters, got a longer one"
    if kind == "finish":
        values = (", ".join(values),) if values else ()
    rest = {name: value for name, value in call.arguments.items() if name != place}
    return Request(call, kind, values, page=_first(rest, ARGUMENTS["open"]), goal=_first(rest, GOALS), problem=problem)


def answer_in(text: str) -> str:
    """The answer in a message: inside `<answer>`, a box, after `Answer:`, or all of it but the thoughts."""
    spoken = _THOUGHT.sub("", text).strip() or text
    for pattern in (_ANSWER, _BOXED, _SAID):
        found = pattern.findall(spoken)
        if found:
            return str(found[-1]).strip()
    return spoken.strip()


def _expected(kind: Does) -> str:
    return {"search": "queries", "open": "addresses", "find": "words", "finish": "an answer"}[kind]


def _place(kind: Does, arguments: dict[str, Any]) -> str | None:
    named = next((name for name in ARGUMENTS[kind] if name in arguments), None)
    if named is not None or len(arguments) != 1:
        return named
    return next(iter(arguments))


def _texts(value: Any) -> Iterator[str]:
    """Texts of an argument: itself, or a list's; a list that a policy wrote as JSON text is one too."""
    if isinstance(value, str):
        listed = _listed(value)
        yield from listed if listed is not None else [value]
    elif isinstance(value, bool):
        yield "yes" if value else "no"
    elif isinstance(value, int | float):
        yield str(value)
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, dict):
                part = next((part[name] for name in (*ARGUMENTS["search"], *ARGUMENTS["open"]) if name in part), "")
            yield str(part) if isinstance(part, str | int | float) else ""


def _listed(text: str) -> list[str] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, list) and read and all(isinstance(part, str) for part in read) else None


def _first(arguments: dict[str, Any], names: tuple[str, ...]) -> str:
    found = (arguments[name] for name in names if isinstance(arguments.get(name), str))
    return next(found, "")
