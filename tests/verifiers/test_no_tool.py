import pytest

from pivotgym.verifiers.message_rule import message_rule
from pivotgym.verifiers.no_tool import no_tool_rule, says_no_tool

EXPERT = "I'm sorry, but none of the available tools can be used for this request."


@pytest.mark.parametrize(
    "text",
    [
        EXPERT,
        "The functions I have access to don't cover that, so I can't call any of them for this question.",
        "That isn't something my tools can do.",
        "There's no function here that fits, so I'll not call one.",
        "This request is outside of what these functions support.",
        "My tools aren\u2019t suited to this. Please ask someone else.",
        "I don't have a tool for that.",
        "I won't call a function, as none applies.",
        "Thanks for asking. None of my tools can do that. Please ask someone else.",
    ],
)
def test_texts_that_say_that_no_tool_helps_are_as_good_as_the_experts(text: str) -> None:
    verdict = no_tool_rule(EXPERT, text)
    assert verdict is not None
    assert (verdict.reward, verdict.method, verdict.executed) == (1.0, "no_tool", False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Okay.",
        "10 inches are 0.254 metres.",
        "Could you give me more details?",
        "I am not sure. Let me use the tool.",
        "I have booked it, no tool was needed.",
        "I will call the function, don't worry.",
        "Your call is not important to us.",
        "No action is needed.",
    ],
)
def test_other_texts_do_not_say_so(text: str) -> None:
    assert not says_no_tool(text)
    assert no_tool_rule(EXPERT, text) is None


@pytest.mark.parametrize(
    "expert",
    [
        "Your order #W123 cannot be changed with this tool.",
        "No tool fits. Do you want a person instead?",
        "Your booking is not refundable.",
    ],
)
def test_where_the_expert_says_more_another_rule_decides(expert: str) -> None:
    assert no_tool_rule(expert, "I have no tool for this.") is None


@pytest.mark.parametrize(
    "text",
    [
        "No tool is needed; your refund of $500 is complete.",
        "Which city? The weather function cannot work without a city.",
        "No tool helps with that. Oslo is cold. Rome is warm. Paris is wet.",
    ],
)
def test_a_candidate_that_says_more_is_not_as_good(text: str) -> None:
    assert no_tool_rule(EXPERT, text) is None
    assert message_rule(EXPERT, text).reward == 0.0
