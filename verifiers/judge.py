"""Where a judge may decide: messages on which the rule is not certain.

Owns: what a judge is, and when it is asked. Does not own: the rule (`verifiers.message_rule`), or how a judge reaches
its opinion: it is a callable handed in (`envs.base.judges` asks a language model).

The rule decides alone where it is certain: the expert's own text, missing facts, contradictions, inventions and
recitations. A judge that fails raises; it never gives a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pivotgym.core.messages import Message
from pivotgym.core.trajectory import Verdict
from pivotgym.verifiers.message_rule import ruling


class Opinion(NamedTuple):
    """What a judge thinks of two messages: whether they do the same, and why, in one sentence."""

    same: bool
    reason: str


class MessageJudge(Protocol):
    """Whether a candidate's message does what the expert's does. Called from several threads at once.

    Raises:
        VerifierFailed: If it has no opinion: unreachable, or its answer cannot be read.
    """

    def __call__(self, expert: str, candidate: str, conversation: Sequence[Message]) -> Opinion:
        """The opinion."""


def judged_message(
    expert: str, candidate: str, conversation: Sequence[Message], judge: MessageJudge | None = None
) -> Verdict:
    """The verdict on a text where the expert gave a text: the rule's, or the judge's where there is one.

    A judge's verdict says `method: judge`, keeps the rule's components, has `judge` beside them, and what the rule
    would have said in its evidence.
    """
    rule = ruling(expert, candidate, conversation)
    if judge is None or rule.certain:
        return rule.verdict
    opinion = judge(expert, candidate, conversation)
    return Verdict(
        reward=float(opinion.same),
        outcome="equivalent" if opinion.same else "different",
        method="judge",
        executed=False,
        components={**rule.verdict.components, "judge": float(opinion.same)},
        reason=opinion.reason,
        evidence={"rule": {"outcome": rule.verdict.outcome, "reason": rule.verdict.reason}},
    )
