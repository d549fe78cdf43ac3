"""Texts that say that no tool helps: what an expert says where nothing should be called.

Owns: recognising them, by rule. Does not own: other texts (`verifiers.message_rule`).

A text says so when one sentence of it names tools and denies: that there is one, that it fits, that it is called.
Where the expert's text says nothing else, every text that says so, and little else, is as good; an answer, a question
or "Okay." is not.
"""

from __future__ import annotations

import re

from pivotgym.core.trajectory import Verdict
from pivotgym.verifiers.base import decided

_TOOL = re.compile(r"\b(?:tool|function|api|capabilit)(?:s|y|ies)?\b", re.I)
_DENIES = re.compile(
    r"\b(?:no|not|none|nothing|neither|nor|never|cannot|unable|without|lacks?|lacking|outside|beyond|unsupported|"
    r"unavailable|unsuitable|(?:ca|do|does|did|is|are|wo|would|could|has|have)n['\u2019]t|can['\u2019]t|won['\u2019]t)\b",
    re.I,
)
_DID = re.compile(
    r"\bI(?:['\u2019]ve| have)(?: now| just| already)? \w+(?:ed|ne|nt|de|ght)\b"
    r"|\bI(?:['\u2019]ll| will)(?: now)? (?!not\b|never\b)\w+",
    re.I,
)
_SENTENCE = re.compile(r"[.!?;\n]+(?:\s|$)")
_FACT = re.compile(r"\d|[\"`]")
_MOST_SENTENCES = 2


def says_no_tool(text: str) -> bool:
    """Whether a text says that no tool helps, and claims nothing done or to be done instead.

    >>> says_no_tool("That is beyond what my functions can do."), says_no_tool("Okay.")
    (True, False)
    """
    sentences = [part for part in _SENTENCE.split(text) if part.strip()]
    return not _DID.search(text) and any(_TOOL.search(part) and _DENIES.search(part) for part in sentences)


def says_only_no_tool(text: str, most: int = _MOST_SENTENCES) -> bool:
    """Whether that is all a text says: at most so many sentences, nothing asked, no numbers, no names in quotes."""
    sentences = [part for part in _SENTENCE.split(text) if part.strip()]
    return says_no_tool(text) and len(sentences) <= most and "?" not in text and not _FACT.search(text)


def no_tool_rule(expert: str, candidate: str) -> Verdict | None:
    """The verdict where both texts say that no tool helps and nothing else (the candidate in a sentence more at most).

    `None` where one of them says more: the message rule decides then.
    """
    if not (says_only_no_tool(expert) and says_only_no_tool(candidate, _MOST_SENTENCES + 1)):
        return None
    return decided(True, "no_tool", False, "both texts say that no tool helps", {"facts": 1.0})
