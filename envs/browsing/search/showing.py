"""What the tools show: results of a search, a page, passages of it.

Owns: these texts, in the form of the recorded runs. Does not own: searching and finding pages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pivotgym.envs.browsing.search.index import Hit
from pivotgym.envs.browsing.search.pages import Page
from pivotgym.verifiers.searching.words import content_words, words

SNIPPET = 240
PAGE = 6000
MOST_PASSAGES = 5
_ENDS = re.compile(r"(?<=[.!?])\s+|\n+")
BETWEEN = "\n=======\n"


def results(query: str, hits: Sequence[Hit]) -> str:
    """The results of one query."""
    if not hits:
        return f"No results found for '{query}'. Try other words."
    shown = "\n\n".join(
        f"{number}. [{hit.page.title or hit.page.url}]({hit.page.url})\n\n{snippet(hit.page.text, query)}"
        for number, hit in enumerate(hits, 1)
    )
    return f"A search for '{query}' found {len(hits)} results:\n\n## Web Results\n{shown}"


def snippet(text: str, query: str) -> str:
    """The part of a text that has most of a query's words, at most `SNIPPET` characters."""
    if len(text) <= SNIPPET:
        return text.strip()
    wanted = set(content_words(query))
    starts = range(0, len(text), SNIPPET // 2)
    best = max(starts, key=lambda start: (len(wanted & set(words(text[start : start + SNIPPET]))), -start))
    return f"{'...' if best else ''}{text[best : best + SNIPPET].strip()}{'...' if best + SNIPPET < len(text) else ''}"


def page(found: Page, goal: str = "") -> str:
    """A page, cut at `PAGE` characters; with a goal, the passages that speak of it first."""
    head = f"{found.title}\n{found.url}\n\n" if found.title else f"{found.url}\n\n"
    relevant = passages(found.text, goal) if goal and len(found.text) > PAGE else []
    about = "".join(f"- {one}\n" for one in relevant)
    told = f"Passages for the goal:\n{about}\n" if relevant else ""
    more = f"\n[cut: {len(found.text) - PAGE} more characters]" if len(found.text) > PAGE else ""
    return f"{head}{told}{found.text[:PAGE]}{more}"


def passages(text: str, wanted: str) -> list[str]:
    """The sentences with most of the wanted words, in the order of the text; those with these very words before all."""
    sentences = [part.strip() for part in _ENDS.split(text) if part.strip()]
    literal = " ".join(words(wanted))
    exact = [one for one in sentences if literal and literal in " ".join(words(one))]
    if exact:
        return exact[:MOST_PASSAGES]
    due = set(content_words(wanted))
    counts = [len(due & set(words(one))) for one in sentences]
    most = max(counts, default=0)
    if not most:
        return []
    return [one for one, count in zip(sentences, counts, strict=True) if count == most][:MOST_PASSAGES]
