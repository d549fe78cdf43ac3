"""Mutations of searches, of pages to open, and of answers.

Owns: the rules, in English. Does not own: what a search is (`verifiers.searching`), or an index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.conformance.adversarial.mutation import (
    Make,
    Mutation,
    arguments_of,
    letters_changed,
    with_argument,
)

_QUERIES, _ADDRESSES, _ANSWERS = ("query", "queries"), ("url", "urls"), ("answer",)
_ENTITY = re.compile(r"(?<=[a-z] )[A-Z][a-z]+(?: [A-Z][a-z]+)+|^[A-Z][a-z]+(?: [A-Z][a-z]+)+")
_OTHERS = ("Marie Curie", "Lake Titicaca", "Alfred Hitchcock")
_YEAR = re.compile(r"\b(1[5-9]|20)\d\d\b")


def search_mutations() -> Iterator[Mutation]:
    """All of them."""
    for name, harmful, why, names, change in _TEXTS:
        yield Mutation(f"search.{name}", harmful, why, _on(names, change))
    cut = "A batch lacks one of its queries or pages; the others may reach the same."
    yield Mutation("search.batch_cut", True, cut, _cut)
    yield Mutation("search.batch_turned", False, "A batch in another order asks for the same.", _turned)
    yield Mutation("search.batch_doubled", False, "A batch asks for one of its queries or pages twice.", _doubled)
    yield Mutation("search.goal", False, "What a page is opened for is said in other words.", _goal)


def _on(names: tuple[str, ...], change: Callable[[str], Iterator[str]]) -> Make:
    return partial(_texts, names, change)


def _texts(names: tuple[str, ...], change: Callable[[str], Iterator[str]], pivot: Pivot) -> Iterator[Action]:
    for place, name, value in _values(pivot, names):
        if isinstance(value, str):
            for changed in change(value):
                yield with_argument(pivot.reference, place, name, changed)
        for number, inner in enumerate(value) if isinstance(value, list) else ():
            for changed in change(inner) if isinstance(inner, str) else ():
                changed_list = [*value[:number], changed, *value[number + 1 :]]
                yield with_argument(pivot.reference, place, name, changed_list)


def _values(pivot: Pivot, names: tuple[str, ...]) -> Iterator[tuple[int, str, Any]]:
    for place, arguments in arguments_of(pivot):
        for name in names:
            if name in arguments:
                yield place, name, arguments[name]


def _batches(pivot: Pivot) -> Iterator[tuple[int, str, list[Any]]]:
    for place, name, value in _values(pivot, _QUERIES + _ADDRESSES):
        if isinstance(value, list) and len(value) > 1:
            yield place, name, value


def _cut(pivot: Pivot) -> Iterator[Action]:
    for place, name, value in _batches(pivot):
        for dropped in range(len(value)):
            yield with_argument(pivot.reference, place, name, value[:dropped] + value[dropped + 1 :])


def _turned(pivot: Pivot) -> Iterator[Action]:
    for place, name, value in _batches(pivot):
        yield with_argument(pivot.reference, place, name, value[1:] + value[:1])


def _doubled(pivot: Pivot) -> Iterator[Action]:
    for place, name, value in _batches(pivot):
        yield with_argument(pivot.reference, place, name, [*value, value[0]])


def _goal(pivot: Pivot) -> Iterator[Action]:
    for place, name, value in _values(pivot, ("goal",)):
        if isinstance(value, str) and any("url" in arguments for _, arguments in arguments_of(pivot)):
            yield with_argument(pivot.reference, place, name, f"Read this page: {value}")


def _year(text: str) -> Iterator[str]:
    for match in _YEAR.finditer(text):
        yield f"{text[: match.start()]}{int(match[0]) - 7}{text[match.end() :]}"


def _entity(text: str) -> Iterator[str]:
    for match in _ENTITY.finditer(text):
        yield from (text[: match.start()] + other + text[match.end() :] for other in _OTHERS if other not in text)


def _lower(text: str) -> Iterator[str]:
    yield text.lower()


def _marked(text: str) -> Iterator[str]:
    yield text.rstrip("?.! ") + " ?"


def _articles(text: str) -> Iterator[str]:
    yield f"the {text}"


def _host(text: str) -> Iterator[str]:
    parts = urlsplit(text)
    if parts.hostname:
        yield urlunsplit(parts._replace(netloc=f"other-{parts.hostname}.example"))


def _page(text: str) -> Iterator[str]:
    parts = urlsplit(text)
    if parts.hostname:
        yield urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/other-page"))


def _asked(text: str) -> Iterator[str]:
    parts = urlsplit(text)
    for match in re.finditer(r"=(\d+)", parts.query):
        changed = f"{parts.query[: match.start(1)]}{int(match[1]) + 1}{parts.query[match.end(1) :]}"
        yield urlunsplit(parts._replace(query=changed))


def _fragment(text: str) -> Iterator[str]:
    parts = urlsplit(text)
    if parts.hostname and not parts.fragment:
        yield f"{text}#top"


def _written(text: str) -> Iterator[str]:
    parts = urlsplit(text)
    if parts.hostname and parts.port is None and parts.scheme in ("http", "https"):
        port = 443 if parts.scheme == "https" else 80
        yield urlunsplit(parts._replace(netloc=f"{parts.netloc.upper()}:{port}"))


def _dots(text: str) -> Iterator[str]:
    parts = urlsplit(text)
    if parts.hostname and parts.path.startswith("/"):
        yield urlunsplit(parts._replace(path=f"/a/..{parts.path}"))


def _number(text: str) -> Iterator[str]:
    for match in re.finditer(r"\d+", text):
        yield f"{text[: match.start()]}{int(match[0]) + 1}{text[match.end() :]}"


def _either(text: str) -> Iterator[str]:
    yield from (f"{text} or {other}" for other in _OTHERS)


def _denied(text: str) -> Iterator[str]:
    yield f"not {text}"


def _longer(text: str) -> Iterator[str]:
    yield from (f"{text} {other}" for other in _OTHERS)


_TEXTS: tuple[tuple[str, bool, str, tuple[str, ...], Callable[[str], Iterator[str]]], ...] = (
    ("query_year", True, "A year is seven years earlier.", _QUERIES, _year),
    ("query_entity", True, "A person or place of two words or more is another.", _QUERIES, _entity),
    ("query_lower", False, "A query without capital letters.", _QUERIES, _lower),
    ("query_marked", False, "A question mark behind a query.", _QUERIES, _marked),
    ("query_article", False, "An article before a query.", _QUERIES, _articles),
    ("address_host", True, "Another host.", _ADDRESSES, _host),
    ("address_page", True, "Another page of the site.", _ADDRESSES, _page),
    ("address_asked", True, "Another number in the address's query.", _ADDRESSES, _asked),
    ("address_fragment", False, "A place within the page.", _ADDRESSES, _fragment),
    ("address_written", False, "Capital letters in the host, its default port: RFC 3986, 6.2.", _ADDRESSES, _written),
    ("address_dots", False, "Dot segments: RFC 3986, 5.2.4.", _ADDRESSES, _dots),
    ("answer_letter", True, "A letter of the answer is another.", _ANSWERS, letters_changed),
    ("answer_number", True, "A number in the answer is greater by one.", _ANSWERS, _number),
    ("answer_either", True, "The answer, or another one.", _ANSWERS, _either),
    ("answer_denied", True, "Not the answer.", _ANSWERS, _denied),
    ("answer_longer", True, "The answer with another thing behind it.", _ANSWERS, _longer),
    ("answer_lower", False, "The answer without capital letters.", _ANSWERS, _lower),
    ("answer_article", False, "An article before the answer.", _ANSWERS, _articles),
    ("answer_stop", False, "A full stop behind the answer.", _ANSWERS, lambda text: iter([f"{text}."])),
)
