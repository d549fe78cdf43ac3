"""Texts with the right facts that still are not the expert's."""

import pytest

from pivotgym.core.messages import Message
from pivotgym.verifiers.message_rule import message_rule

ASKED = [Message(role="user", content="Where is W12? I paid 80 USD on 2024-05-01 for 4 chairs, 2 tables, 6 mugs.")]
REFUSAL = "I'm sorry, but none of the available tools can be used for this request."


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (REFUSAL, "The functions I have access to don't cover that, so I can't call any of them."),
        ("Which city do you want to fly from?", "Happy to help! From which city do you want to fly? Just say."),
        ("Order W12 is on its way.", "Your order W12, paid with 80 USD, is on its way."),
        ("The chairs were sent yesterday.", "Yesterday the chairs were sent."),
    ],
)
def test_the_same_stance_is_accepted(expert: str, candidate: str) -> None:
    assert message_rule(expert, candidate, ASKED).outcome == "equivalent"


@pytest.mark.parametrize(
    ("expert", "candidate", "reason"),
    [
        (REFUSAL, "I will look into it right away.", "the expert's text declines, this one does not"),
        ("Order W12 is late.", "Order W12: I am unable to help.", "the text declines, the expert's does not"),
        ("Which city do you want?", "You want a city, which is fine.", "the expert's text asks, this one does not"),
        ("It costs 80 USD.", "It costs 80 USD or 70 USD.", "the text says what was found nowhere before: 70"),
        ("It is W12.", "W12 80 2024-05-01 4 2 6", "the text recites 5 facts besides the 1 that were due"),
        ("The chairs were sent.", "Okay, I am done now.", "the text has too little in common with the expert's"),
    ],
)
def test_another_stance_is_named(expert: str, candidate: str, reason: str) -> None:
    verdict = message_rule(expert, candidate, ASKED)
    assert (verdict.outcome, verdict.reason) == ("different", reason)
