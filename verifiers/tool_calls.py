"""The functional verifier of tool calls.

Owns: the order of its rules, and the verdicts. Does not own: running calls (`envs.base.runtime`), schemas
(`verifiers.schema`), accepted answers (`verifiers.accepted`), texts (`verifiers.message_rule`).

1. *Invalid*: no text and no call; arguments that are no JSON object; a tool that was not offered; a required argument
   missing, an unknown one, a wrong type.
2. *Fast path* (accepts, never rejects): the same calls in the same order after schema-aware normalisation.
3. *Execution*: equivalent when the state afterwards is the same, and the results are the same one by one in any order
   (as JSON, number forms equal). The number of calls must agree: a surplus call with effects shows in the state, but a
   surplus read is refused too, because paying for it would teach a policy to call everything it is offered.
   An expert's action that changed nothing and returned nothing that tells calls apart (an error, nothing, an empty
   list, a bare yes or no) is matched by the same calls only: equal silence proves nothing, and there is no reward for
   doing nothing.
4. *Rule*, where nothing can be executed: the accepted answers that the pivot carries; without them the expert's own
   arguments, compared in the same way but for numbers inside texts ("1.5 km" is not "15 km"). Calls pair one to one in
   any order. Texts: `verifiers.message_rule`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pivotgym.core.canonical import canonical_json
from pivotgym.core.messages import Action, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Pivot, Verdict
from pivotgym.verifiers.accepted import argument_score, fits, same_numbers
from pivotgym.verifiers.attached import Attached
from pivotgym.verifiers.matching import match
from pivotgym.verifiers.message_rule import message_rule
from pivotgym.verifiers.schema import Signature, Signatures, signature, spelled
from pivotgym.verifiers.strict import spelled as spelled_exactly

_SAYS_NOTHING = {"", "none", "null", "[]", "{}", "true", "false"}


class ToolCallComparator:
    """The rules above, as a `verifiers.base.Comparator`. Thread-safe."""

    name = "tool_calls"

    def __init__(self) -> None:
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
            return _invalid("arguments: nested too deeply to be read")
        return _decided(True, "normalised_call", False, "the calls are the expert's after normalisation", _all_right())

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """Rule 3."""
        evidence: dict[str, Any] = {}
        state = expert.state == candidate.state
        results, theirs = _results(expert), _results(candidate)
        matched = sum((Counter(results) & Counter(theirs)).values())
        most = max(len(results), len(theirs))
        components = {
            "state": float(state),
            "calls_matched": matched / most if most else 1.0,
            "name": _overlap(_names(expert), _names(candidate)),
        }
        if not state:
            evidence["state"] = {"expert_changed": expert.changed, "candidate_changed": candidate.changed}
        if matched < most:
            evidence["results"] = {"expert": _short(expert.observations), "candidate": _short(candidate.observations)}
        reason = _difference(expert, candidate, state, matched)
        if reason is None:
            return _decided(True, "execution", True, "same state and same results", components)
        return _decided(False, "execution", True, reason, components, evidence)

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """Rule 4."""
        expected = pivot.reference.tool_calls
        if not expected and not action.tool_calls:
            return message_rule(pivot.reference.content, action.content, pivot.messages)
        if not expected or not action.tool_calls:
            kinds = ("a message", "a call") if action.tool_calls else ("a call", "a message")
            return _decided(False, "accepted_answers", False, f"expected {kinds[0]}, got {kinds[1]}", _none_right())
        method = "accepted_answers" if pivot.accepted else "same_arguments"
        entries = pivot.accepted or [_entry(call) for call in expected]
        return self._by_entries(pivot, action, entries, method)

    def _by_entries(self, pivot: Pivot, action: Action, entries: Sequence[dict[str, Any]], method: str) -> Verdict:
        signatures = self._signatures.of(pivot)
        calls = [(call.name, call.arguments, _signature(call, signatures)) for call in action.tool_calls]
        exact = method == "same_arguments"
        pairs = match(entries, calls, lambda entry, call: _fits(entry, call, exact))
        matched = sum(pair is not None for pair in pairs)
        names = [next(iter(entry)) for entry in entries]
        given = [name for name, _, _ in calls]
        components = {
            "name": _overlap(names, given),
            "arguments": _best_arguments(entries, calls),
            "calls_matched": matched / max(len(entries), len(calls)),
        }
        if matched == len(entries) == len(calls):
            return _decided(True, method, False, "each call is an accepted answer", components)
        unmatched = next((entry for entry, pair in zip(entries, pairs, strict=True) if pair is None), None)
        if len(entries) != len(calls):
            reason = f"expected {len(entries)} calls, got {len(calls)}"
        elif Counter(names) != Counter(given):
            reason = f"expected a call of {names}, got {given}"
        else:
            reason = f"the arguments of {names if len(names) > 1 else names[0]} are not among the accepted ones"
        evidence = {"expected": unmatched, "got": [[name, arguments] for name, arguments, _ in calls]}
        return _decided(False, method, False, reason, components, evidence)


def _literally(action: Action) -> str:
    """An action as text, equal for equal actions only; empty where it is nested too deeply."""
    try:
        return spelled_exactly(action)
    except RecursionError:
        return ""


def _fits(entry: dict[str, Any], call: tuple[str, Any, Signature], exact: bool) -> bool:
    name, arguments, known = call
    if not fits(name, arguments, entry, known):
        return False
    accepted = entry[name]
    return not exact or all(same_numbers(arguments[key], accepted[key][0]) for key in accepted if key in arguments)


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


def _signature(call: ToolCall, signatures: dict[str, Signature]) -> Signature:
    return signatures.get(call.name) or signature(Tool(name=call.name))


def _entry(call: ToolCall) -> dict[str, Any]:
    """The expert's own call as an entry of accepted answers."""
    arguments = call.arguments if isinstance(call.arguments, dict) else {}
    return {call.name: {name: [_as_accepted(value)] for name, value in arguments.items()}}


def _as_accepted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: [part] for name, part in value.items()}
    return [_as_accepted(item) for item in value] if isinstance(value, list) else value


def canonical_result(text: str) -> str:
    """A tool's result in one spelling: JSON in canonical form (`12.0` is `12`), else its words."""
    try:
        return canonical_json(json.loads(text))
    except (ValueError, RecursionError):
        return " ".join(text.split())


def _results(effects: Effects) -> list[str]:
    return [canonical_result(text) for text in effects.observations]


def _names(effects: Effects) -> list[str]:
    return [str(call["name"]) for call in effects.detail.get("calls", [])]


def _difference(expert: Effects, candidate: Effects, state: bool, matched: int) -> str | None:
    """What keeps two actions from being equivalent, or `None`."""
    wanted, got = len(expert.observations), len(candidate.observations)
    if not wanted or not got:
        return f"expected {'a call' if wanted else 'a message'}, got {'a call' if got else 'a message'}"
    if not state:
        return "the state afterwards is another one" if candidate.changed else "the expert's action changes the state"
    if wanted != got:
        return f"the state is the same, but expected {wanted} calls, got {got}"
    if matched < wanted:
        return "the state is the same, the results are not"
    silent = not expert.changed and all(failed or _silent(text) for failed, text in _outcomes(expert))
    if silent and _calls(expert) != _calls(candidate):
        return "the expert's action changes and says nothing, and only the same calls count as equal"
    return None


def _calls(effects: Effects) -> Counter[str]:
    return Counter(canonical_json([call["name"], call["arguments"]]) for call in effects.detail.get("calls", []))


def _outcomes(effects: Effects) -> list[tuple[bool, str]]:
    return list(zip(effects.failed or [False] * len(effects.observations), effects.observations, strict=True))


def _silent(observation: str) -> bool:
    return _said(observation).lower() in _SAYS_NOTHING


def _said(observation: str) -> str:
    """The result without the field names of a JSON object of one field: `{"done": true}` says `true`."""
    text = canonical_result(observation)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and len(value) == 1:
        return canonical_json(next(iter(value.values()))).strip('"')
    return text


def _overlap(expected: Sequence[str], given: Sequence[str]) -> float:
    most = max(len(expected), len(given))
    return sum((Counter(expected) & Counter(given)).values()) / most if most else 1.0


def _best_arguments(entries: Sequence[dict[str, Any]], calls: Sequence[tuple[str, Any, Signature]]) -> float:
    """Mean over the entries of the best share of right arguments among the calls of that function."""
    best = [
        max((argument_score(call[1], entry[call[0]], call[2]) for call in calls if call[0] in entry), default=0.0)
        for entry in entries
    ]
    return sum(best) / len(best) if best else 0.0


def _short(texts: Sequence[str]) -> list[str]:
    return [text[:300] for text in texts[:8]]


def _all_right() -> dict[str, float]:
    return {"name": 1.0, "arguments": 1.0, "calls_matched": 1.0}


def _none_right() -> dict[str, float]:
    return {"name": 0.0, "arguments": 0.0, "calls_matched": 0.0}


def _invalid(reason: str) -> Verdict:
    return Verdict(
        reward=0.0, outcome="invalid", method="schema", executed=False, components=_none_right(), reason=reason
    )


def _decided(
    equal: bool,
    method: str,
    executed: bool,
    reason: str,
    components: dict[str, float],
    evidence: dict[str, Any] | None = None,
) -> Verdict:
    return Verdict(
        reward=float(equal),
        outcome="equivalent" if equal else "different",
        method=method,
        executed=executed,
        components=components,
        reason=reason,
        evidence=evidence or {},
    )
