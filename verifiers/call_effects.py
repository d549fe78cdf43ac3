"""Calls decided by their effects: both actions were run in forks of one state.

Owns: the verdict from states and from what was told. Does not own: running (`envs.base.runtime`), or when two results
tell the same facts (`verifiers.reads`).

Two actions are equivalent when the state afterwards is the same and they told the same facts. What they called, how
often and in which order matters only as far as that shows. So a repeated read is free, and so is a look around before a
write, where all of the expert's calls change the state: the write must be hit all the same. Any other read that tells
more than the expert's is refused, or it would pay to read everything that is offered. A call of a tool that can tell
nothing (`think`) does not count, unless it failed or changed the state. The same writes in another order are equivalent
whatever each of them told, since it may tell what was written before it.

`partial` is the share of effects in common, 2m / (n + k) of n and k calls, of which m pair by equal effect (the same
facts told, the state changed or not; a read that proves nothing pairs with the same call only). It is 1.0 for
equivalent actions, and 0.0 where all calls pair but the state is another one, because their order was wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pivotgym.core.trajectory import Effects, Verdict
from pivotgym.verifiers.attached import Attached
from pivotgym.verifiers.base import decided, overlap
from pivotgym.verifiers.reads import Told, same_facts, told
from pivotgym.verifiers.schema import Signature

_EXPERTS: Attached[list[Told]] = Attached()
"""What an expert's calls told is read once for all actions that are compared with it."""


def by_effects(expert: Effects, candidate: Effects, signatures: Mapping[str, Signature]) -> Verdict:
    """The verdict on two actions that were run. `executed` is true."""
    due = _EXPERTS.get(expert) or _EXPERTS.keep(expert, _counted(told(expert, signatures)))
    given = _counted(told(candidate, signatures))
    state = expert.state == candidate.state
    reason = _difference(expert, candidate, due, given)
    matched = sum((Counter(one.effect for one in due) & Counter(one.effect for one in given)).values())
    components = {
        "state": float(state),
        "calls_matched": matched / max(len(due), len(given), 1),
        "name": overlap([one.name for one in due], [one.name for one in given]),
        "partial": 1.0 if reason is None else _partial(matched, len(due), len(given)),
    }
    if reason is None:
        return decided(True, "execution", True, "same state and same facts told", components)
    evidence: dict[str, Any] = {}
    if not state:
        evidence["state"] = {"expert_changed": expert.changed, "candidate_changed": candidate.changed}
    else:
        evidence["results"] = {"expert": _short(expert.observations), "candidate": _short(candidate.observations)}
    return decided(False, "execution", True, reason, components, evidence)


def _difference(expert: Effects, candidate: Effects, due: list[Told], given: list[Told]) -> str | None:
    """What keeps two actions from being equivalent, or `None`."""
    called = [bool(effects.observations) for effects in (expert, candidate)]
    if not all(called):
        return "expected {}, got {}".format(*("a call" if some else "a message" for some in called))
    if expert.state != candidate.state:
        return "the state afterwards is another one" if candidate.changed else "the expert's action changes the state"
    if due and all(one.changed for one in due):
        given = [one for one in given if one.changed or one.failed]
        same_calls = Counter(one.call for one in due) == Counter(one.call for one in given)
        if same_calls and all(one.changed for one in given):
            return None
    if same_facts(due, given):
        return None
    if any(not one.proves for one in due):
        return "the state is the same; what the expert's read told proves nothing, so only the same call is equal to it"
    return "the state is the same, what was told is not"


def _counted(calls: list[Told]) -> list[Told]:
    """The calls that did something, failed, or could tell something."""
    return [one for one in calls if one.changed or one.failed or one.tells]


def _partial(matched: int, due: int, given: int) -> float:
    return 0.0 if matched == due == given else 2 * matched / (due + given)


def _short(texts: Sequence[str]) -> list[str]:
    return [text[:300] for text in texts[:8]]
