"""The functional verifier of search: two actions are equivalent when they reach the same evidence or answer the same.

Owns: the order of its rules, what makes an action invalid, and the evidence that a pivot carries. Does not own: running
(`envs.browsing.search`), queries, addresses and answers (`verifiers.searching`), messages (`verifiers.judge`).

1. *Invalid*: no text and no call; arguments that do not fit the tool's schema; a tool that was not offered; no query,
   no address.
2. *Fast path* (accepts, never rejects): the same queries but for case, punctuation, order and stop words; the same
   addresses; the same answer but for spelling.
3. *Execution*, over a corpus: searches by their results, pages by their address after redirects or by their text, words
   on a page by the passages found. Method `search_results`.
4. *Text rule*, where there is no corpus: queries by their words, pages by their address. Method `search_text`,
   `executed: false`.
5. *Answers*, with or without a corpus, by `verifiers.searching.answers`: method `answer`; what the rule is not certain
   of a judge decides, where one is configured: method `judge`.

The goal of opening a page counts for nothing: the page is the same. A pivot may carry what its trajectory goes on to
use, in `accepted` or `metadata["evidence"]`: `{"pages": [addresses], "answers": [texts]}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Pivot, Verdict
from pivotgym.verifiers.attached import Attached
from pivotgym.verifiers.base import decided
from pivotgym.verifiers.judge import MessageJudge, judged_message
from pivotgym.verifiers.schema import Signatures
from pivotgym.verifiers.searching import queries
from pivotgym.verifiers.searching.addresses import address_key
from pivotgym.verifiers.searching.answers import rule_answer
from pivotgym.verifiers.searching.asked import Asked, asked_by, asked_in
from pivotgym.verifiers.searching.requests import answer_in, requests_of
from pivotgym.verifiers.searching.words import names, words

_SHORT = 12
"""Words up to which a message is compared as an answer, not as a message."""
_SENTENCES = re.compile(r"(?<=[.!?;])\s+|\n+")
_HEDGES = frozenset(
    ("or", "either", "not", "never", "maybe", "perhaps", "possibly", "neither", "nor", "might", "could")
)
_UNREADABLE = "the action is nested too deeply to be read"


class SearchComparator:
    """The rules above, as a `verifiers.base.Comparator`. Thread-safe.

    Attributes:
        judge: Decides on answers and messages where the rule is not certain; `None` for the rule alone.
    """

    name = "search"

    def __init__(self, judge: MessageJudge | None = None) -> None:
        self.judge = judge
        self._signatures = Signatures()
        self._experts: Attached[Asked] = Attached()

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        """Rules 1 and 2."""
        try:
            problem = self._problem(pivot, action)
            if problem is not None:
                return _invalid(problem)
            expert, candidate = self._expert(pivot), asked_by(action)
        except RecursionError:
            return _invalid(_UNREADABLE)
        if _surely_same(expert, candidate):
            return decided(True, "same_request", False, "the action asks for the same as the expert's", {"shared": 1.0})
        return None

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """Rules 3 and 5."""
        if candidate.invalid is not None:
            return _invalid(candidate.invalid)
        ours, theirs = asked_in(expert), asked_in(candidate)
        evidence = evidence_of(pivot)["pages"]

        def by_results(one: int, other: int) -> queries.Judged:
            return queries.by_results(
                ours.queries[one], theirs.queries[other], ours.results[one], theirs.results[other], evidence
            )

        return self._decide(pivot, ours, theirs, by_results, executed=True)

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """Rules 4 and 5."""
        ours, theirs = self._expert(pivot), asked_by(action)
        known = _known_names(pivot)

        def by_text(one: int, other: int) -> queries.Judged:
            return queries.by_text(ours.queries[one], theirs.queries[other], known)

        return self._decide(pivot, ours, theirs, by_text, executed=False)

    def _decide(
        self,
        pivot: Pivot,
        ours: Asked,
        theirs: Asked,
        compare: Callable[[int, int], queries.Judged],
        *,
        executed: bool,
    ) -> Verdict:
        method = "search_results" if executed else "search_text"
        if ours.kinds != theirs.kinds:
            reason = f"the expert {_listed(ours.kinds)}, this action {_listed(theirs.kinds)}"
            return decided(False, method, executed, reason, {"shared": 0.0})
        if ours.said is not None and theirs.said is not None:
            return self._message(pivot, ours.said, theirs.said)
        shares, reasons = _shared(ours, theirs, compare)
        if ours.answer is not None and theirs.answer is not None and not reasons:
            answered = self._answer(pivot, ours.answer, theirs.answer)
            if not shares or answered.outcome != "equivalent":
                return answered
        reason = "; ".join(reasons)[:600] or "it reaches what the expert's action reaches"
        return decided(not reasons, method, executed, reason, shares)

    def _answer(self, pivot: Pivot, expert: str, candidate: str) -> Verdict:
        """Rule 5; further right answers that the pivot carries are as good as the expert's."""
        question = _question(pivot)
        ruled = [rule_answer(one, candidate, question) for one in (expert, *evidence_of(pivot)["answers"])]
        best = max(ruled, key=lambda one: (one.same, one.f1))
        if self.judge is None or best.certain:
            return decided(best.same, "answer", False, best.reason, {"f1": best.f1})
        opinion = self.judge(expert, candidate, pivot.messages)
        said = {"rule": {"outcome": "equivalent" if best.same else "different", "reason": best.reason}}
        components = {"f1": best.f1, "judge": float(opinion.same)}
        return decided(opinion.same, "judge", False, opinion.reason, components, said)

    def _message(self, pivot: Pivot, expert: str, candidate: str) -> Verdict:
        """A message: by its answer where that is short or the pivot carries it, else as any message."""
        ours, theirs = answer_in(expert), answer_in(candidate)
        due = [one for one in evidence_of(pivot)["answers"] if _states(ours, one)]
        if any(_states(theirs, one) for one in due) and len(theirs) <= 3 * len(ours) + 400:
            return decided(True, "answer", False, "the message states the answer", {"f1": 1.0})
        if len(ours.split()) <= _SHORT:
            return self._answer(pivot, ours, theirs)
        if due and self.judge is None:
            reason = f"the message does not plainly state the answer {due[0]!r:.100}"
            return decided(False, "answer", False, reason, {"f1": 0.0})
        return judged_message(ours, theirs, pivot.messages, self.judge)

    def _expert(self, pivot: Pivot) -> Asked:
        known = self._experts.get(pivot)
        return known if known is not None else self._experts.keep(pivot, asked_by(pivot.reference))

    def _problem(self, pivot: Pivot, action: Action) -> str | None:
        if not action.tool_calls:
            return None if action.content.strip() else "the action has neither a text nor a call"
        signatures = self._signatures.of(pivot)
        for request in requests_of(action):
            name = request.call.name
            if signatures and name not in signatures:
                return f"no tool is called {name[:100]!r}; offered are {sorted(signatures)}"
            problem = (signatures[name].problem(request.call) if signatures else None) or request.problem
            if problem:
                return problem
        return None


def evidence_of(pivot: Pivot) -> dict[str, list[str]]:
    """What a pivot carries of what its trajectory goes on to use: `pages`, as address keys, and `answers`."""
    found: dict[str, list[str]] = {"pages": [], "answers": []}
    for given in (pivot.metadata.get("evidence"), pivot.accepted):
        if isinstance(given, Mapping):
            found["pages"] += [address_key(url) or url.strip() for url in _texts(given.get("pages"))]
            found["answers"] += _texts(given.get("answers"))
    return found


def _texts(value: Any) -> list[str]:
    return [part for part in value if isinstance(part, str) and part.strip()] if isinstance(value, list | tuple) else []


def _surely_same(expert: Asked, candidate: Asked) -> bool:
    """Whether two actions ask for the same in every engine."""
    if expert.kinds != candidate.kinds or expert.others != candidate.others or expert.finds != candidate.finds:
        return False
    if expert.said is not None or candidate.said is not None:
        return expert.said is not None and candidate.said is not None and expert.said.split() == candidate.said.split()
    if sorted(map(queries.key, expert.queries)) != sorted(map(queries.key, candidate.queries)):
        return False
    same_answer = expert.answer is None or expert.answer.split() == (candidate.answer or "").split()
    return same_answer and set(expert.pages) == set(candidate.pages)


def _shared(
    ours: Asked, theirs: Asked, compare: Callable[[int, int], queries.Judged]
) -> tuple[dict[str, float], list[str]]:
    """What share of each thing that the expert asks for is reached, and what is wrong."""
    shares: dict[str, float] = {}
    reasons: list[str] = []
    if ours.queries:
        _, shares["queries"], reason = queries.batch(ours.queries, theirs.queries, compare)
        reasons.append(reason)
    if ours.pages:
        shares["pages"], reason = _pages(ours, theirs)
        reasons.append(reason)
    if ours.finds:
        shares["found"] = float(_found(ours, theirs))
        reasons.append("" if shares["found"] else "it looks for something else on the page")
    if ours.others:
        shares["others"] = float(ours.others == theirs.others)
        reasons.append("" if shares["others"] else "its other calls are not the expert's")
    return shares, [reason for reason in reasons if reason]


def _pages(ours: Asked, theirs: Asked) -> tuple[float, str]:
    """The share of the expert's pages that are opened, and what is wrong, or ""."""
    texts = {text for text in theirs.texts if text is not None}
    missed = [
        page
        for page, text in zip(ours.pages, ours.texts, strict=True)
        if page not in theirs.pages and (text is None or text not in texts)
    ]
    known = {text for text in ours.texts if text is not None}
    beside = [
        page
        for page, text in zip(theirs.pages, theirs.texts, strict=True)
        if page not in ours.pages and (text is None or text not in known)
    ]
    share = 1 - len(missed) / len(ours.pages)
    if missed:
        return share, f"it does not open {missed[0][:200]}"
    if len(beside) > len(set(ours.pages)) // 2:
        return share, f"it opens {beside[0][:200]} beside the expert's pages"
    return share, ""


def _found(ours: Asked, theirs: Asked) -> bool:
    """Whether the same passages of the same pages were found; where nothing was, whether the words are the same."""
    wanted = [{(page, " ".join(words(text))) for page, text in one.finds} for one in (ours, theirs)]
    if wanted[0] == wanted[1]:
        return True
    pages = [{page for page, _ in one.finds} for one in (ours, theirs)]
    passages = [{text for found in one.passages for text in found} for one in (ours, theirs)]
    return pages[0] == pages[1] and bool(passages[0]) and passages[0] == passages[1]


def _question(pivot: Pivot) -> str:
    return next((message.text for message in pivot.messages if message.role == "user"), "")


def _known_names(pivot: Pivot) -> frozenset[str]:
    return names(_question(pivot)[:4000])


def _states(text: str, answer: str) -> bool:
    """Whether a sentence has the words of an answer in a row, and neither denies it nor offers others beside it."""
    due = words(answer)
    for sentence in _SENTENCES.split(text):
        said = words(sentence)
        runs = (said[start : start + len(due)] for start in range(len(said) - len(due) + 1))
        if due and due in runs and not _HEDGES & set(said):
            return True
    return False


def _listed(kinds: list[str]) -> str:
    return " and ".join(kinds) or "does nothing"


def _invalid(reason: str) -> Verdict:
    return Verdict(reward=0.0, outcome="invalid", method="schema", executed=False, reason=reason[:600], components={})
