"""All that an action asks of a search environment, with what it reached where it was run.

Owns: putting the calls of an action together by what they do. Does not own: reading one call
(`verifiers.searching.requests`), or comparing (`verifiers.search`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects
from pivotgym.verifiers.searching.addresses import address_key
from pivotgym.verifiers.searching.requests import Request, request_of, requests_of


@dataclass
class Asked:
    """What an action asks.

    Attributes:
        queries: Queries of all its searches; `results` has for each the addresses found, best first, where it was run.
        pages: Addresses of the pages it opens; `texts` has for each what tells equal pages, where known.
        finds: Page and words, for all that it looks for on a page; `passages` what was found, where it was run.
        answer: The answer that it gives by a call, or `None`.
        others: Calls of tools that are in no table.
        said: Its text, where it calls nothing.
    """

    queries: list[str] = field(default_factory=list)
    results: list[list[str]] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)
    finds: list[tuple[str, str]] = field(default_factory=list)
    passages: list[list[str]] = field(default_factory=list)
    answer: str | None = None
    others: list[tuple[str, Any]] = field(default_factory=list)
    said: str | None = None

    @property
    def kinds(self) -> list[str]:
        """What it does, in words."""
        parts = {
            "searches": self.queries,
            "opens pages": self.pages,
            "looks for words on a page": self.finds,
            "answers": self.answer is not None,
            "calls other tools": self.others,
            "writes a message": self.said is not None,
        }
        return [name for name, some in parts.items() if some]


def asked_by(action: Action) -> Asked:
    """What an action asks, by its text."""
    found = Asked(said=None if action.tool_calls else action.content)
    for request in requests_of(action):
        _add(found, request, {})
    return found


def asked_in(effects: Effects) -> Asked:
    """What an action asked and reached, by its effects."""
    calls, reached = effects.detail["calls"], effects.detail["requests"]
    found = Asked(said=None if calls else effects.detail["said"])
    for call, what in zip(calls, reached, strict=True):
        read = request_of(_call(call))
        _add(found, read, what)
    return found


def _call(call: dict[str, Any]) -> Any:
    return Action.model_validate({"tool_calls": [call]}).tool_calls[0]


def _add(found: Asked, request: Request, what: dict[str, Any]) -> None:
    if request.does == "search":
        found.queries += request.values
        found.results += what.get("results", [[] for _ in request.values])
    elif request.does == "open":
        opened = what.get("pages") or [
            {"address": address_key(url) or url.strip(), "text": None} for url in request.values
        ]
        found.pages += [page["address"] for page in opened]
        found.texts += [page["text"] for page in opened]
    elif request.does == "find":
        page = what.get("page") or address_key(request.page) or request.page
        found.finds += [(page, wanted) for wanted in request.values]
        found.passages += what.get("passages", [[] for _ in request.values])
    elif request.does == "finish" and found.answer is None:
        # The first answer ends the task; no later one counts.
        found.answer = request.values[0] if request.values else ""
    elif request.does is None:
        found.others.append((request.call.name, request.call.arguments))
