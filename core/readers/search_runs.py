"""What a recorded search run tells beyond its messages: its origin, and what each turn's evidence is.

Owns: the rows of web search runs (`search`, `visit`, `finish`; a `gold_answer`). Does not own: reading the row itself
(`core.readers.chat`), or what the evidence is for (the domain's verifier reads it from a pivot's `accepted`).

A turn's evidence is, of the addresses that its own observations show: those the run visits or cites later, and those
beside which the gold answer stands.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pivotgym.core.messages import Message
from pivotgym.core.trajectory import Origin, steps_of

CORPUS = "search_corpus.jsonl"
"""The file beside the runs that holds the pages their searches found."""
_ADDRESS = re.compile(r"https?://[^\s\"'<>\[\]()]+(?:\([^\s()]*\)[^\s\"'<>\[\]()]*)*")
_LINK = re.compile(rf"\]\(({_ADDRESS.pattern})\)")
_WORD = re.compile(r"[^\W_]+")


def is_search_run(row: dict[str, Any]) -> bool:
    """Whether a row is a run of web searches."""
    return row.get("domain") == "browsing" and "web search" in str(row.get("env", ""))


def origin_of(folder: Path | None) -> Origin:
    """A search run's origin: the corpus beside the file, where there is one.

    The runs saw a live engine, so their observations are marked as recorded elsewhere.
    """
    if folder is not None and (folder / CORPUS).is_file():
        return Origin.model_validate({"kind": "corpus", "corpus": CORPUS, "recorded": "elsewhere"})
    return Origin(kind="none")


def accepted_of(row: dict[str, Any]) -> dict[str, Any]:
    """The evidence of each turn that has any: `{turn: {"pages": [...], "answers": [...]}}`."""
    messages = [Message.model_validate(message) for message in row["messages"]]
    steps = list(steps_of(messages))
    answers = list(_answers(row.get("gold_answer")))
    named = [set(_ADDRESS.findall(step.action.content + _arguments(step.action.tool_calls))) for step in steps]
    found = {}
    for turn, step in enumerate(steps):
        later = set().union(*named[turn + 1 :])
        text = "\n".join(step.observations or ())
        pages = list(dict.fromkeys(url for url, about in _results(text) if url in later or _tells(about, answers)))
        last = turn == len(steps) - 1 or any(call.name in ("finish", "answer") for call in step.action.tool_calls)
        told = {"pages": pages, "answers": answers if last else []}
        if any(told.values()):
            found[str(turn)] = {name: value for name, value in told.items() if value}
    return found


def _answers(value: Any) -> list[str]:
    """Texts of a gold answer, however deep in lists."""
    if isinstance(value, list | tuple):
        return [text for part in value for text in _answers(part)]
    return [str(value)] if isinstance(value, str | int | float) and str(value).strip() else []


def _arguments(calls: Any) -> str:
    return " ".join(f'"{call.arguments_text}"' for call in calls)


def _results(text: str) -> list[tuple[str, str]]:
    """Addresses that an observation links, each with the text up to the next one."""
    links = list(_LINK.finditer(text))
    # The title of a link stands before its address, on the same line.
    starts = [text.rfind("\n", 0, link.start()) + 1 for link in links] + [len(text)]
    return [(link[1], text[starts[place] : starts[place + 1]]) for place, link in enumerate(links)]


def _tells(text: str, answers: list[str]) -> bool:
    said = " ".join(word.casefold() for word in _WORD.findall(text))
    due = (" ".join(word.casefold() for word in _WORD.findall(answer)) for answer in answers)
    return any(answer and len(answer) > 2 and f" {answer} " in f" {said} " for answer in due)
