"""Pages of a corpus, as a line of JSON Lines tells them.

Owns: the fields of a line and their checks. Does not own: the index (`envs.browsing.search.index`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pivotgym.core.errors import InputError


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        url: Its address.
        title: Its title, or "".
        text: What stands on it; of a page of which only a snippet is known, the snippet.
        redirects: Further addresses that lead to it.
        whole: Whether the text is the page's own; two pages of one snippet may be two pages.
    """

    url: str
    title: str
    text: str
    redirects: tuple[str, ...] = ()
    whole: bool = True

    def canonical(self) -> bytes:
        """The page as bytes, for digests."""
        return self.stored().encode("utf-8", "surrogatepass")

    def stored(self) -> str:
        """The page as JSON text, for the index."""
        return json.dumps([self.url, self.title, self.text, self.redirects, self.whole], ensure_ascii=False)

    @classmethod
    def from_stored(cls, stored: str) -> Page:
        """A page from its stored form."""
        url, title, text, redirects, whole = json.loads(stored)
        return cls(url, title, text, tuple(redirects), whole)


def page_of(row: dict[str, Any]) -> Page:
    """A page from its JSON object: `url`, `title`, `text` or `snippet`, `redirects`.

    Raises:
        InputError: If there is no address, or a field has another type.
    """
    url = row.get("url")
    if not isinstance(url, str) or not url.strip():
        raise InputError(f"url: expected an address, got {url!r:.80}")
    given = {name: row.get(name) for name in ("title", "text", "snippet")}
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise InputError(f"{name}: expected a text, got {type(value).__name__}")
    redirects = row.get("redirects") or []
    if not isinstance(redirects, list) or not all(isinstance(one, str) for one in redirects):
        raise InputError(f"redirects: expected a list of addresses, got {redirects!r:.80}")
    text = given["text"] if given["text"] is not None else given["snippet"]
    if text is None and not given["title"]:
        raise InputError("text: expected `text` or `snippet` (or at least a `title`), got none")
    clean = [_plain(part) for part in (url.strip(), given["title"] or "", text or "")]
    return Page(clean[0], clean[1], clean[2], tuple(map(_plain, redirects)), whole=given["text"] is not None)


def _plain(text: str) -> str:
    """A text that UTF-8 can hold: half a pair of surrogates becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")
