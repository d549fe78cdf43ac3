"""Questions on the project's own corpus, with the runs that answer them and those that do not.

Owns: five families of questions, each drawn from the almanac, and the tools they offer. Does not own: the facts
(`envs.browsing.search.almanac`), or judging (`envs.browsing.search.world`). Most need two pages; no answer can be known
without reading, because the facts are made up.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import lru_cache

from pivotgym.core.messages import Action, Message, Tool
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.contract import Attempt, Task
from pivotgym.envs.browsing.search import almanac
from pivotgym.envs.browsing.search.almanac import Almanac, Person

EACH = 8
"""Tasks of each family."""
_ASK = "Answer the question with the tools; end with finish. The answer alone is wanted, without a sentence around it."
_MOST_STEPS = 12


def _tool(name: str, description: str, required: list[str], **properties: object) -> Tool:
    schema = {"type": "object", "properties": properties, "required": required}
    function = {"name": name, "description": description, "parameters": schema}
    return Tool.model_validate({"type": "function", "function": function})


_TEXT = {"type": "string"}
TOOLS = [
    _tool(
        "search",
        "Search the almanac: up to ten results for each query.",
        ["query"],
        query={"type": "array", "items": _TEXT, "description": "Queries."},
    ),
    _tool(
        "open",
        "Read the page at an address.",
        ["url"],
        url={"type": "string", "description": "The address, as a search shows it."},
        goal={"type": "string", "description": "What to look for on the page."},
    ),
    _tool("find", "Find words on the page that was opened last.", ["text"], text=_TEXT),
    _tool("finish", "Give the final answer.", ["answer"], answer=_TEXT),
]


@lru_cache(maxsize=1)
def tasks() -> tuple[Task, ...]:
    """The tasks, the same at any time."""
    known = almanac.almanac()
    chance = random.Random(2)
    return tuple(
        task
        for family in (_builders, _mayors, _lengths, _crafts, _larger)
        for task in family(known, random.Random(chance.randrange(2**32)))
    )


def attempts(task: Task) -> Iterable[Attempt]:
    """A constant answer, a wrong value from the almanac, several values at once, a message instead, and another way."""
    right, wrong = str(task.metadata["answers"][0]), list(task.metadata["wrong"])
    yield Attempt("constant answer", [[_finish("unknown")]], 0.0)
    yield Attempt("another answer", [[_finish(wrong[0])]], 0.0)
    yield Attempt("all answers at once", [[_finish(" or ".join([*wrong, right]))]], 0.0)
    yield Attempt("two answers side by side", [[_finish(f"{right} {wrong[0]}")]], 0.0)
    yield Attempt("told in a message", [[Action(content=right)]], 0.0)
    yield Attempt("in another spelling", [[_finish(f"The answer is {right.upper()}.")]], 1.0)
    pages = list(task.metadata["pages"])
    yield Attempt("pages alone, no search", [[*map(_open, pages), _finish(right)]], 1.0)


def _task(name: str, question: str, answer: str, wrong: list[str], queries: list[str], pages: list[str]) -> Task:
    steps = [action for query, page in zip(queries, pages, strict=True) for action in (_search(query), _open(page))]
    return Task(
        id=f"almanac/{name}",
        origin=Origin.model_validate({"kind": "corpus", "corpus": almanac.NAME}),
        messages=[Message(role="system", content=_ASK), Message(role="user", content=question)],
        tools=TOOLS,
        gold=[[*steps, _finish(answer)]],
        max_steps=_MOST_STEPS,
        metadata={"answers": [answer], "wrong": wrong, "pages": pages},
    )


def _builders(known: Almanac, chance: random.Random) -> Iterator[Task]:
    """The year in which a ship's builder was born."""
    for number, one in enumerate(_of(known, "shipwright", chance)):
        question = f"In which year was the builder of the ship {one.work} born?"
        asked = [f"ship {one.work} builder", f"{one.name} shipwright born"]
        wrong = [str(one.year), str(one.born + 1)]
        yield _task(f"builder-{number}", question, str(one.born), wrong, asked, [one.work_url, one.url])


def _mayors(known: Almanac, chance: random.Random) -> Iterator[Task]:
    """The mayor of the town where a person was born."""
    for number, one in enumerate(_of(known, "astronomer", chance)):
        town = known.towns[one.town]
        question = f"Who is the mayor of the town where the discoverer of {one.work} was born?"
        asked = [f"who discovered {one.work}", f"{one.name} born in town", f"mayor of {town.name}"]
        others = [other.mayor for other in known.towns.values() if other.mayor != town.mayor][:2]
        yield _task(f"mayor-{number}", question, town.mayor, others, asked, [one.work_url, one.url, town.url])


def _lengths(known: Almanac, chance: random.Random) -> Iterator[Task]:
    """The length of the ship that a person built."""
    for number, one in enumerate(_of(known, "shipwright", chance)):
        question = f"How long is the ship that {one.name} built, in metres?"
        asked = [f"{one.name} shipwright", f"ship {one.work} length metres"]
        wrong = [f"{one.size + 3} metres", str(one.size + 7)]
        yield _task(f"length-{number}", question, f"{one.size} metres", wrong, asked, [one.url, one.work_url])


def _crafts(known: Almanac, chance: random.Random) -> Iterator[Task]:
    """What the town is known for where a novel's author was born."""
    for number, one in enumerate(_of(known, "novelist", chance)):
        town = known.towns[one.town]
        question = f"What is the birth town of the author of {one.work} known for?"
        asked = [f"novel {one.work} author", f"{one.name} novelist born", f"{town.name} town known for"]
        others = sorted({other.craft for other in known.towns.values()} - {town.craft})
        yield _task(f"craft-{number}", question, town.craft, others[:2], asked, [one.work_url, one.url, town.url])


def _larger(known: Almanac, chance: random.Random) -> Iterator[Task]:
    """Which of two towns has more inhabitants."""
    for number in range(EACH):
        small, large = sorted(chance.sample(list(known.towns.values()), 2), key=lambda town: town.people)
        first, second = (small, large) if number % 2 else (large, small)
        question = f"Which of the two towns has more inhabitants, {first.name} or {second.name}?"
        asked = [f"{first.name} inhabitants", f"{second.name} inhabitants"]
        wrong = [small.name, f"{small.name} and {large.name}"]
        yield _task(f"larger-{number}", question, large.name, wrong, asked, [first.url, second.url])


def _of(known: Almanac, job: str, chance: random.Random) -> list[Person]:
    return chance.sample([person for person in known.people.values() if person.job == job], EACH)


def _call(name: str, **arguments: object) -> Action:
    return Action.model_validate({"tool_calls": [{"name": name, "arguments": arguments}]})


def _search(query: str) -> Action:
    return _call("search", query=[query])


def _open(url: str) -> Action:
    return _call("open", url=url)


def _finish(answer: str) -> Action:
    return _call("finish", answer=answer)
