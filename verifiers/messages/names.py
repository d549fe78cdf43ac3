"""Names in an English text: words in capitals that no sentence begins with.

Owns: finding them. Does not own: other facts (`verifiers.messages.facts`).

A word in a capital inside a sentence is a name, and so are two or more in a row anywhere. Not counted: labels before
a colon or an id, headings, the words by which the user is greeted, days of the week, and words that English writes in
capitals without naming anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a set: how the lists of words in this package are written."""
    return frozenset(text.split())


_CAPITAL = r"[A-Z\u00c0-\u00d6\u00d8-\u00de][\w'\u00df-\u00ff-]*[\w\u00df-\u00ff]|[A-Z](?=\.)"
_RUN = re.compile(
    rf"(?<![\w\x00])(?:{_CAPITAL})(?:(?:(?<![a-z]{{2}})\.)?[ \t]+(?:(?:of|de|van|von|der|la)[ \t]+)?(?:{_CAPITAL}))*"
)
_LABEL = re.compile(
    r"(?m)^(?:[ \t]*[-+\u2022>|][-+\u2022>| \t]{0,20}[\w'/()-]+(?:[ \t]+[\w'/()-]+){0,5}|"
    r"[\w'/()-]+(?:[ \t]+[\w'/()-]+){0,2})"
    r"[ \t]*:(?=\s|$)"
)
LABELLED = re.compile(
    r"(?m)^[ \t]*(?:[-+\u2022>|][ \t]*)*(?P<label>[^\W\d_][\w' /()-]{0,39}):[ \t]+(?P<value>\S.{0,200})$"
)
"""A line of a label and its value, such as `- Cabin: economy`; emphasis marks must be gone."""
_HEADING = re.compile(r"(?m)^[ \t]*#{1,6}[ \t].*$")
_GREETED = re.compile(
    r"\b(?:hi|hello|hey|dear|thanks|thank you|welcome|sure|certainly|of course|okay|great|understood|absolutely|"
    r"sorry)"
    r"(?: (?:there|back|again|so much|very much))?,?[ \t]+(?:(?:Mr|Ms|Mrs|Dr)\.?[ \t]+)?"
    rf"(?P<name>(?:{_CAPITAL})(?:[ \t]+(?:{_CAPITAL}))?)(?=[,.!?\n]|$)",
    re.I,
)
_GAP = re.compile(r"[ \t]+#?|")
_BEGINS = re.compile(r"(?:^|[.!?:;\n\x00(|>\u2022\"-])[\s)]*$")
_NO_NAMES = word_set(
    "I I'm I'll I've I'd OK Okay Yes No Please Sorry Thanks Thank Hello Hi Dear Sure AM PM EST EDT CST PST GMT "
    "UTC ID IDs "
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday You Your You'll You're The This That These There "
    "It It's "
    "We We're We'll Our My A An If Is Are Would Could Can Do Does Will Shall Should May What Which When Where "
    "Who How "
    "Once After Before Since As For To In On At By And Or But So Then Also Here All Both Each Its Their They Not "
    "None "
    "Alternatively However Additionally Unfortunately Let Note"
)


def find_names(text: str) -> list[str]:
    """The names of a text, each once.

    >>> find_names("Dear Ann, the ticket of Ivan Smith was sent to Oslo. Economy is full.")
    ['Ivan Smith', 'Oslo']
    """
    return list(dict.fromkeys(name for _, name in places_of_names(text)))


def places_of_names(text: str) -> Iterator[tuple[int, str]]:
    """Where each name of a text stands; other facts must be blanked with NUL characters of the same length."""
    if shouted(text):
        return
    for ignored in (_HEADING, _LABEL, _GREETED):
        text = ignored.sub(lambda match: "\x00" * len(match.group()), text)
    for match in _RUN.finditer(text):
        words = [word.removesuffix("'s") for word in match.group().split()]
        begins = bool(_BEGINS.search(text[max(0, match.start() - 6) : match.start()]))
        while words and words[0] in _NO_NAMES:
            words, begins = words[1:], False
        labels = text.startswith("\x00", match.end() + len(_GAP.match(text, match.end())[0]))  # type: ignore[index]
        labels = labels or text.startswith(":", match.end())
        if not words or labels or (begins and len(words) == 1):
            continue
        kept = [word for word in words if word not in _NO_NAMES]
        if kept:
            yield match.start(), " ".join(kept)


def shouted(text: str) -> bool:
    """Whether most of the words are in capitals, so that capitals tell nothing."""
    words = re.findall(r"[^\W\d_]{2,}", text)
    return len(words) > 3 and sum(word.isupper() for word in words) > len(words) / 2
