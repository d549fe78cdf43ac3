"""The functional verifier of tool calls.

Owns: the order of its rules, and what makes an action invalid. Does not own: running calls (`envs.base.runtime`),
schemas (`verifiers.schema`), effects (`verifiers.call_effects`), rules for what cannot be run (`verifiers.call_rules`),
texts (`verifiers.message_rule`, `verifiers.judge`).

1. *Invalid*: no text and no call; arguments that are no JSON object; a tool that was not offered; a required argument
   missing, an unknown one, a wrong type.
2. *Fast path* (accepts, never rejects): the same calls in the same order after schema-aware normalisation.
3. *Execution*: equivalent when the state afterwards is the same and the same facts were told, by whatever calls.
4. *Rule*, where nothing can be executed: the accepted answers that the pivot carries; without them the expert's own
   arguments. Calls pair one to one in any order. Texts by `verifiers.no_tool` and `verifiers.message_rule`.

The reward is 1 or 0; the component `partial` is the share of calls in common, for those who want partial credit.
"""

from __future__ import annotations

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Effects, Pivot, Verdict
from pivotgym.verifiers.attached import Attached
from pivotgym.verifiers.base import decided
from pivotgym.verifiers.call_effects import by_effects
from pivotgym.verifiers.call_rules import by_accepted, by_expert
from pivotgym.verifiers.judge import MessageJudge, judged_message
from pivotgym.verifiers.no_tool import no_tool_rule
from pivotgym.verifiers.schema import Signature, Signatures, spelled
from pivotgym.verifiers.strict import spelled as spelled_exactly

_TOO_DEEP = "arguments: nested too deeply to be read"


class ToolCallComparator:
    """The rules above, as a `verifiers.base.Comparator`. Thread-safe.

    Attributes:
        judge: Decides on messages where the rule is not certain; `None` for the rule alone.
    """

    name = "tool_calls"

    def __init__(self, judge: MessageJudge | None = None) -> None:
        self.judge = judge
        self._signatures = Signatures()
        self._experts: Attached[tuple[str, Verdict | None]] = Attached()

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        """Rules 1 and 2, worked out once per pivot for an action that is the expert's letter by letter."""
        known = self._experts.get(pivot)
        if known is None:
            expert = pivot.reference
            known = self._experts.keep(pivot, (_literally(expert), self._screened(pivot, expert)))
        return known[1] if known[0] and _literally(action) == known[0] else self._screened(pivot, action)

    def _screened(self, pivot: Pivot, action: Action) -> Verdict | None:
        try:
            signatures = self._signatures.of(pivot)
            problem = _problem(action, signatures)
            if problem is not None:
                return _invalid(problem)
            if not _same_calls(action, pivot.reference, signatures):
                return None
        except RecursionError:
            return _invalid(_TOO_DEEP)
        if not action.tool_calls:
            return decided(True, "same_text", False, "the text is the expert's", {"facts": 1.0, "speech_act": 1.0})
        reason = "the calls are the expert's after normalisation"
        return decided(True, "normalised_call", False, reason, _all(1.0))

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """Rule 3."""
        try:
            return by_effects(expert, candidate, self._signatures.of(pivot))
        except RecursionError:
            return _invalid(_TOO_DEEP)

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """Rule 4."""
        expected = pivot.reference.tool_calls
        if not expected and not action.tool_calls:
            no_tool = no_tool_rule(pivot.reference.content, action.content)
            return no_tool or judged_message(pivot.reference.content, action.content, pivot.messages, self.judge)
        if not expected or not action.tool_calls:
            kinds = ("a message", "a call") if action.tool_calls else ("a call", "a message")
            return decided(False, "accepted_answers", False, f"expected {kinds[0]}, got {kinds[1]}", _all(0.0))
        signatures = self._signatures.of(pivot)
        try:
            if pivot.accepted:
                return by_accepted(pivot.accepted, action, signatures)
            return by_expert(expected, action, signatures)
        except RecursionError:
            return _invalid(_TOO_DEEP)


def _literally(action: Action) -> str:
    """An action as text, equal for equal actions only; empty where it is nested too deeply."""
    try:
        return spelled_exactly(action)
    except RecursionError:
        return ""


def _problem(action: Action, signatures: dict[str, Signature]) -> str | None:
    if not action.tool_calls:
        return None if action.content.strip() else "the action is empty: expected a text or a call"
    for call in action.tool_calls:
        if call.name not in signatures:
            if signatures:
                return f"no tool is called {call.name!r}; the tools are {sorted(signatures)}"
            if call.malformed:
                return f"{call.name}: expected a JSON object as arguments, got {call.arguments_text[:80]!r}"
            continue
        problem = signatures[call.name].problem(call)
        if problem is not None:
            return problem
    return None


def _same_calls(action: Action, expert: Action, signatures: dict[str, Signature]) -> bool:
    if len(action.tool_calls) != len(expert.tool_calls):
        return False
    if not action.tool_calls:
        return action.content.strip() == expert.content.strip()
    pairs = zip(action.tool_calls, expert.tool_calls, strict=True)
    return all(_normal(one, signatures) == _normal(other, signatures) for one, other in pairs)


def _normal(call: ToolCall, signatures: dict[str, Signature]) -> str:
    if isinstance(call.arguments, str):
        return call.arguments
    known = signatures.get(call.name)
    return spelled(call.name, known.normal(call.arguments) if known else call.arguments)


def _all(share: float) -> dict[str, float]:
    return dict.fromkeys(("name", "arguments", "calls_matched", "partial"), share)


def _invalid(reason: str) -> Verdict:
    return Verdict(reward=0.0, outcome="invalid", method="schema", executed=False, components=_all(0.0), reason=reason)
