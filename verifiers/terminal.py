"""The functional verifier of the terminal: two actions, run in forks of one machine, compared by what they did.

Owns: the order of its rules, and what makes an action invalid. Does not own: running (`envs.terminal`), what counts of
the effects (`verifiers.shell.effects`), the text rule (`verifiers.shell.rule`), messages (`verifiers.judge`).

1. *Invalid*: no text and no call; arguments that are no JSON object or do not fit the tool's schema; a tool that was
   not offered; no command, or one that is no text; an answer in Terminus JSON that is broken or breaks its schema.
2. *Fast path* (accepts, never rejects): the same commands but for quoting and spaces, the same keystrokes whatever the
   waiting, and the same claim that the task is done.
3. *Execution*: equivalent when files, shell, exit status and, where the expert only reads, the facts printed agree.
4. *Text rule*, where nothing can be executed: method `shell_text`, `executed: false`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Pivot, Verdict
from pivotgym.verifiers.base import decided
from pivotgym.verifiers.judge import MessageJudge, judged_message
from pivotgym.verifiers.schema import Signatures
from pivotgym.verifiers.shell.actions import Request, problem_of, read_request, types_keys
from pivotgym.verifiers.shell.effects import UNSTABLE, difference, differs_from_itself, of_terminal
from pivotgym.verifiers.shell.rule import same_commands, same_keys, same_text, typed

_UNREADABLE = "the action is nested too deeply to be read"


class TerminalComparator:
    """The rules above, as a `verifiers.base.Comparator`. Thread-safe.

    Attributes:
        judge: Decides on messages where the rule is not certain; `None` for the rule alone.
    """

    name = "terminal"

    def __init__(self, judge: MessageJudge | None = None) -> None:
        self.judge = judge
        self._signatures = Signatures()

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        """Rules 1 and 2."""
        try:
            problem = problem_of(action, pivot, self._signatures.of(pivot))
            if problem is not None:
                return _invalid(problem)
            expert, candidate = _request(pivot, pivot.reference), _request(pivot, action)
            if isinstance(expert, str) or isinstance(candidate, str) or not _surely_same(expert, candidate):
                return None
        except RecursionError:
            return _invalid(_UNREADABLE)
        if not candidate.acts:
            return decided(True, "same_text", False, "the text is the expert's", {"facts": 1.0, "speech_act": 1.0})
        return decided(True, "same_commands", False, "the commands are the expert's", {"commands": 1.0})

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        """Rule 3."""
        if candidate.invalid is not None:
            return _invalid(candidate.invalid)
        answer = _handed_in(expert, candidate)
        details = [expert.detail, candidate.detail]
        if types_keys(pivot):
            details = [dict(of_terminal(one)) for one in details]
        found = difference(*details)
        acted = _acts(pivot, expert), _acts(pivot, candidate)
        if acted[0] != acted[1]:
            reason = "expected {}, got {}".format(*("an action" if some else "a message" for some in acted))
            return decided(False, "execution", True, reason, found.components, found.evidence)
        found.ask("answer", answer)
        equal = not found.reasons
        reason = "; ".join(found.reasons) if found.reasons else "it did the same as the expert's action"
        return decided(equal, "execution", True, reason[:600], found.components, found.evidence)

    def settle(self, first: Effects, again: Effects) -> Effects:
        """The expert's effects with those of its second run, where they differ.

        What changes from run to run does not count in `compare`, see `verifiers.shell.unstable`.
        """
        if not differs_from_itself(first.detail, again.detail):
            return first
        second = {key: value for key, value in again.detail.items() if key != UNSTABLE}
        return first.model_copy(update={"detail": {**first.detail, UNSTABLE: second}})

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """Rule 4."""
        expert, candidate = _request(pivot, pivot.reference), _request(pivot, action)
        if isinstance(candidate, str):
            return _invalid(candidate)
        if isinstance(expert, str):
            return _ruled("the expert's own action cannot be read, so only the same one is equal to it", 0.0, 0.0)
        if not expert.acts and not candidate.acts:
            return judged_message(expert.text, candidate.text, pivot.messages, self.judge)
        if not expert.acts or not candidate.acts:
            kinds = ("a message", "an action") if candidate.acts else ("an action", "a message")
            return _ruled(f"expected {kinds[0]}, got {kinds[1]}", 0.0, 0.0)
        claims, other = _claims(expert, candidate), _same_others(expert, candidate)
        same = _same_typed(expert, candidate)
        if claims is not None or other is not None:
            return _ruled(str(claims or other), float(same), float(claims is None))
        return _ruled(None if same else "it does not run the expert's commands, by their text", float(same), 1.0)


def _request(pivot: Pivot, action: Action) -> Request | str:
    return read_request(action, pivot.tools, keys=types_keys(pivot))


def _surely_same(expert: Request, candidate: Request) -> bool:
    """Whether two actions are the same without knowing any program."""
    if not expert.acts or not candidate.acts:
        return expert.acts == candidate.acts and expert.text.split() == candidate.text.split()
    if _claims(expert, candidate) is not None or _same_others(expert, candidate) is not None:
        return False
    if expert.keystrokes is not None and candidate.keystrokes is not None:
        return typed(expert.keystrokes) == typed(candidate.keystrokes)
    if expert.options != candidate.options or len(expert.commands) != len(candidate.commands):
        return False
    return all(map(same_text, expert.commands, candidate.commands))


def _same_typed(expert: Request, candidate: Request) -> bool:
    if expert.keystrokes is not None and candidate.keystrokes is not None:
        return same_keys(expert.keystrokes, candidate.keystrokes)
    return same_commands(expert.commands, candidate.commands)


def _claims(expert: Request, candidate: Request) -> str | None:
    """What is wrong with the claim that the task is done, or `None`."""
    if expert.complete != candidate.complete:
        early = "it says that the task is done, the expert does not yet"
        return early if candidate.complete else "it does not say that the task is done, as the expert does"
    ours, theirs = ([_said(one.arguments) for one in request.endings] for request in (expert, candidate))
    return None if ours == theirs else f"the answer handed in is another one: {theirs!r:.80}, the expert's {ours!r:.80}"


def _said(arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is handed in, each value as text without the space around it."""
    spelled = {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in arguments.items()
    }
    return sorted((name, value.strip()) for name, value in spelled.items() if value != "null")


def _same_others(expert: Request, candidate: Request) -> str | None:
    ours, theirs = ([(call.name, call.arguments) for call in one.others] for one in (expert, candidate))
    return None if ours == theirs else "it calls other tools than the expert, or with other arguments"


def _handed_in(expert: Effects, candidate: Effects) -> str | None:
    """What is wrong with an answer that ends the task, or `None`; the calls stand in the effects' detail."""
    found = []
    for effects in (expert, candidate):
        calls = [call for call in effects.detail.get("calls") or () if isinstance(call.get("arguments"), dict)]
        action = Action.model_validate(
            {"tool_calls": [{"name": one["name"], "arguments": one["arguments"]} for one in calls]}
        )
        request = read_request(action) if calls else Request()
        found.append(request if isinstance(request, Request) else Request())
    if found[0].complete and found[1].complete:
        return _claims(found[0], found[1])
    return None


def _acts(pivot: Pivot, effects: Effects) -> bool:
    """Whether an action that was run did more than talk: it called something, or keys are what the policy sends."""
    detail = effects.detail
    return types_keys(pivot) or any(detail.get(key) for key in ("commands", "complete", "calls"))


def _ruled(reason: str | None, commands: float, complete: float) -> Verdict:
    """A verdict of the text rule; it says that nothing was run."""
    said = reason or "it runs the expert's commands, by their text"
    components = {"commands": commands, "complete": complete}
    return decided(reason is None, "shell_text", False, f"{said} (text rule: nothing was run)", components)


def _invalid(reason: str) -> Verdict:
    return Verdict(reward=0.0, outcome="invalid", method="schema", executed=False, reason=reason)
