"""What a policy sees of a session, and what of it is compared.

Owns: the text of an observation, and the parts of a state with their digests. Does not own: reading a page
(`page.js`, `envs.browsing.pages.session`), or when two states count as equal (`verifiers.pages`).
"""

from __future__ import annotations

from typing import Any

from pivotgym.core.canonical import digest
from pivotgym.envs.browsing.pages.tabs import Reading

LONGEST = 40_000
"""Characters of an observation."""


def shown(reading: Reading, error: str | None = None) -> str:
    """The tab in front as text: address, title, tabs, what happened, and the tree with element numbers."""
    head = [f"Error: {error}"] if error else []
    head += [f"Note: {note}" for note in reading.notes]
    page = reading.tabs.get(reading.front)
    if page is None:
        return "\n".join([*head, "No tab is open."])
    head += [f"URL: {page['url']}", f"Title: {page['title'][:300]}"]
    if len(reading.tabs) > 1:
        head.append("Tabs: " + ", ".join(_tab(number, reading) for number in reading.tabs))
    if reading.ended.get("done"):
        head.append("The task has ended.")
    text = "\n".join([*head, "", *_lines(page)])
    return text if len(text) <= LONGEST else text[:LONGEST] + "\n… (the page is longer than what is shown)"


def _tab(number: int, reading: Reading) -> str:
    front = " (in front)" if number == reading.front else ""
    return f"[{number}] {reading.tabs[number]['url'][:200]}{front}"


def _lines(page: dict[str, Any]) -> list[str]:
    return [
        f"{'  ' * depth}{'' if number is None else f'[{number}] '}{text}"
        f"{' focused' if number is not None and number == page['focused'] else ''}"
        for depth, number, text in page["lines"]
    ]


def parts(reading: Reading, site: str, answer: str | None) -> dict[str, Any]:
    """What is compared, part by part: short values as they are, long ones by digest.

    Args:
        reading: The state.
        site: Digest of the server's state.
        answer: What was answered by `done`, if anything.

    Returns:
        `url` of the tab in front and `tabs`, the addresses of all; `tree`, `document`, `values` (of forms), `storage`,
        `cookies`, `server`, `focus`, `scroll`, `ended` and `answer`.
    """
    pages = [reading.tabs[number] for number in reading.tabs]
    front = reading.tabs.get(reading.front)
    return {
        "url": front["url"] if front else None,
        "tabs": [page["url"] for page in pages],
        "tree": digest([[[depth, text] for depth, _, text in page["lines"]] for page in pages]),
        "document": digest([[page["title"], page["dom"]] for page in pages]),
        "values": digest([page["fields"] for page in pages]),
        "storage": digest([[page["local"], page["session"]] for page in pages]),
        "cookies": digest(reading.cookies),
        "server": site,
        "focus": digest([[page["focus"], page["caret"]] for page in pages]),
        "scroll": digest([page["scrolled"] for page in pages]),
        "ended": reading.ended,
        "answer": answer,
    }
