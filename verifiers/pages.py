"""The functional verifier of browser pages: two actions are equivalent when they end in the same page and server.

Owns: the order of its rules, which parts of a state count, and when the page's own result decides. Does not own:
running (`envs.browsing.pages`), what the parts are made of (`envs.browsing.pages.observing`), answers
(`verifiers.searching.answers`), messages (`verifiers.judge`).

1. *Invalid*: no text and no call; a tool that was not offered; arguments that do not fit its schema; an element, a tab
   or a point that is not there.
2. *Fast path* (accepts, never rejects): the same calls with the same arguments. Method `same_calls`.
3. *Execution*: the same addresses, tree, document, form values, storage, cookies, server state, happenings (dialogs,
   tabs, refused addresses), result and answer. Where the focus is and how far a page is scrolled count only where the
   expert's action changes nothing else. Method `page_state`.
4. *The page's own result*, where states differ: where the expert's action, or the calls that the origin lets follow it,
   end the page's task, by whether the candidate ends it with the same reward. Method `page_result`.
5. *Text rule*, where nothing can be run: the same calls, by argument. Method `same_arguments`, `executed: false`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Effects, Pivot, Verdict
from pivotgym.verifiers.base import decided
from pivotgym.verifiers.call_rules import by_expert
from pivotgym.verifiers.judge import MessageJudge, judged_message
from pivotgym.verifiers.schema import Signature, Signatures, spelled
from pivotgym.verifiers.searching.answers import rule_answer

PARTS = ("url", "tabs", "tree", "document", "values", "storage", "cookies", "server", "ended")
"""What always counts."""
PLACES = ("focus", "scroll")
"""What counts where the expert's action changes none of the rest."""


class PageComparator:
    """The rules above, as a `verifiers.base.Comparator`. Thread-safe.

    Attributes:
        judge: Decides on messages where the rule is not certain; `None` for the rule alone.
    """

    name = "pages"

    def __init__(self, judge: MessageJudge | None = None) -> None:
        self.judge = judge
        self._signatures = Signatures()

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        """Rules 1 and 2."""
        signatures = self._signatures.of(pivot)
        problem = _problem(action, signatures)
        if problem is not None:
            return _invalid(problem)
        if action.tool_calls and _spelled(action, signatures) == _spelled(pivot.reference, signatures):
            return decided(True, "same_calls", False, "the calls are the expert's", {"shared": 1.0})
        return None

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """Rules 3 and 4."""
        if candidate.invalid is not None:
            return _invalid(candidate.invalid)
        if not expert.detail.get("calls") or not candidate.detail.get("calls"):
            who = "the expert acts on the page, this action only says something"
            reason = who if expert.detail.get("calls") else "the expert only says something, this action acts"
            return decided(False, "page_state", True, reason, {"shared": 0.0})
        apart = differing(expert, candidate)
        shared = 1 - len(apart) / (len(PARTS) + 2)
        if not apart:
            return decided(True, "page_state", True, "it ends where the expert's action ends", {"shared": 1.0})
        results = _result(expert), _result(candidate)
        if results[0].get("done"):
            return _by_result(results[0], results[1], shared, apart)
        reason = f"it ends elsewhere than the expert's action: {', '.join(apart)} differ"
        return decided(False, "page_state", True, reason, {"shared": shared}, _evidence(apart, expert, candidate))

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """Rule 5, and messages."""
        if not pivot.reference.tool_calls and not action.tool_calls:
            return judged_message(pivot.reference.content, action.content, pivot.messages, self.judge)
        if not pivot.reference.tool_calls or not action.tool_calls:
            return decided(False, "same_arguments", False, "one acts on the page, the other only says something", {})
        return by_expert(pivot.reference.tool_calls, action, self._signatures.of(pivot))


def differing(expert: Effects, candidate: Effects) -> list[str]:
    """The parts in which two actions end apart."""
    before, ours, theirs = expert.detail["before"], expert.detail["after"], candidate.detail["after"]
    counted = PARTS if any(before[part] != ours[part] for part in PARTS) or _answered(ours) else PARTS + PLACES
    apart = [part for part in counted if ours[part] != theirs[part]]
    if set(expert.detail["notes"]) != set(candidate.detail["notes"]):
        apart.append("happenings")
    if any(candidate.failed) and not any(expert.failed):
        apart.append("success")
    if not _same_answer(ours["answer"], theirs["answer"]):
        apart.append("answer")
    return apart


def undecided(expert: Effects, candidate: Effects) -> bool:
    """Whether the calls that the origin lets follow must be run to decide.

    Asked first for both, then, once they ran after the expert's action, for the candidate alone: where they end the
    page's task.
    """
    if candidate.invalid is not None or not expert.detail.get("continues"):
        return False
    open_still = "continued" in expert.detail or not expert.detail["after"]["ended"].get("done")
    tells = "continued" not in expert.detail or bool(_result(expert).get("done"))
    return open_still and tells and bool(candidate.detail.get("calls")) and bool(differing(expert, candidate))


def _answered(parts: Mapping[str, Any]) -> bool:
    return parts["answer"] is not None


def _same_answer(expert: str | None, candidate: str | None) -> bool:
    """An expert who ended without an answer asks for none."""
    if expert is None or candidate is None:
        return expert is candidate
    return not expert.strip() or rule_answer(expert, candidate).same


def _result(effects: Effects) -> Mapping[str, Any]:
    """The page's own result: after the calls that follow, where these were run."""
    found = effects.detail.get("continued", effects.detail["after"]["ended"])
    return found if isinstance(found, Mapping) else {}


def _by_result(expert: Mapping[str, Any], candidate: Mapping[str, Any], shared: float, apart: list[str]) -> Verdict:
    same = bool(candidate.get("done")) and candidate.get("reward") == expert.get("reward")
    components = {"shared": shared, "result": float(same)}
    evidence = {"expert": dict(expert), "candidate": dict(candidate), "differ": apart}
    if same:
        return decided(True, "page_result", True, "the page's task ends with the same result", components, evidence)
    how = f"with {candidate.get('reward')}" if candidate.get("done") else "not at all"
    reason = f"the page's task ends with {expert.get('reward')} for the expert, {how} for this action"
    return decided(False, "page_result", True, reason, components, evidence)


def _evidence(apart: list[str], expert: Effects, candidate: Effects) -> dict[str, Any]:
    """What differs, where it is short."""
    shown = {
        part: [str(side.detail["after"][part])[:300] for side in (expert, candidate)]
        for part in apart
        if part in ("url", "tabs", "ended", "answer")
    }
    if "happenings" in apart:
        shown["happenings"] = [side.detail["notes"] for side in (expert, candidate)]
    return {"differ": apart, **shown}


def _problem(action: Action, signatures: Mapping[str, Signature]) -> str | None:
    if not action.tool_calls:
        return None if action.content.strip() else "the action has neither a text nor a call"
    for call in action.tool_calls:
        if signatures and call.name not in signatures:
            return f"no tool is called {call.name[:100]!r}; offered are {sorted(signatures)}"
        problem = signatures[call.name].problem(call) if signatures else None
        if problem is not None:
            return problem
    return None


def _spelled(action: Action, signatures: Mapping[str, Signature]) -> list[str]:
    return [spelled(call.name, _normal(call, signatures)) for call in action.tool_calls]


def _normal(call: ToolCall, signatures: Mapping[str, Signature]) -> dict[str, Any]:
    if not isinstance(call.arguments, dict):
        return {"": call.arguments}
    known = signatures.get(call.name)
    return call.arguments if known is None else known.normal(call.arguments)


def _invalid(reason: str) -> Verdict:
    return Verdict(reward=0.0, outcome="invalid", method="schema", executed=False, reason=reason[:600], components={})
