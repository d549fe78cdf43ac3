"""When a judge is asked, and what becomes of its opinion."""

from collections.abc import Sequence

import pytest

from pivotgym.core.errors import VerifierFailed
from pivotgym.core.messages import Action, Message
from pivotgym.core.trajectory import Pivot
from pivotgym.verifiers.judge import Opinion, judged_message
from pivotgym.verifiers.tool_calls import ToolCallComparator

EXPERT = "Order W12 was handed to the post."
ASKED = [Message(role="user", content="Where is W12?")]


class Judge:
    """Always of the same opinion; remembers what it was asked."""

    def __init__(self, same: bool = True) -> None:
        self.same, self.asked = same, list[str]()

    def __call__(self, expert: str, candidate: str, conversation: Sequence[Message]) -> Opinion:
        self.asked.append(candidate)
        return Opinion(self.same, "because")


@pytest.mark.parametrize("candidate", [EXPERT, "Okay.", "It is W13.", "W12 was not handed to the post.", ""])
def test_the_rule_decides_alone_where_it_is_certain(candidate: str) -> None:
    judge = Judge(same=candidate != EXPERT)
    assert judged_message(EXPERT, candidate, ASKED, judge) == judged_message(EXPERT, candidate, ASKED)
    assert judge.asked == []


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("candidate", ["The post has W12.", "W12? Is it important?"])
def test_the_judge_decides_where_the_rule_is_not_certain(candidate: str, same: bool) -> None:
    verdict = judged_message(EXPERT, candidate, ASKED, Judge(same))
    assert (verdict.reward, verdict.method, verdict.reason, verdict.executed) == (
        float(same),
        "judge",
        "because",
        False,
    )
    assert verdict.components["judge"] == float(same)
    assert verdict.components["facts"] == 1.0


def test_what_the_rule_would_have_said_is_evidence() -> None:
    evidence = judged_message(EXPERT, "W12? Is it important?", ASKED, Judge()).evidence
    assert evidence == {"rule": {"outcome": "different", "reason": "the text asks, the expert's does not"}}


def test_a_judge_that_fails_gives_no_verdict() -> None:
    def broken(expert: str, candidate: str, conversation: Sequence[Message]) -> Opinion:
        raise VerifierFailed("no answer")

    with pytest.raises(VerifierFailed, match="no answer"):
        judged_message(EXPERT, "The post has W12.", ASKED, broken)


def test_the_comparator_asks_its_judge_about_messages_only() -> None:
    judge = Judge()
    comparator = ToolCallComparator(judge)
    pivot = Pivot(id="t:0", domain="toy", messages=ASKED, reference=Action(content=EXPERT))
    assert comparator.by_rule(pivot, Action(content="The post has W12.")).method == "judge"
    assert comparator.by_rule(pivot, Action(tool_calls=({"name": "find"},))).outcome == "different"
    assert judge.asked == ["The post has W12."]
