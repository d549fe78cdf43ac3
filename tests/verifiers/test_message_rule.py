import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.message_rule import facts, message_rule

EXPERT = "Your order #W1234 for 'Blue Lamp' costs $1,250.00 and arrives on 2024-05-01."


@pytest.mark.parametrize(
    "text",
    [
        EXPERT,
        "'blue lamp', order W1234: 1250 dollars, delivery 2024-05-01.",
        f"Of course! {EXPERT} Anything else?",
    ],
)
def test_the_same_facts_are_accepted(text: str) -> None:
    assert message_rule(EXPERT, text).reward == 1.0


@pytest.mark.parametrize("text", ["", "Okay.", EXPERT.replace("1,250", "1,350"), EXPERT.replace("05-01", "05-02")])
def test_missing_facts_are_different(text: str) -> None:
    verdict = message_rule(EXPERT, text)
    assert (verdict.outcome, verdict.executed) == ("different", False)
    assert "the text lacks what the expert's says: " in verdict.reason


def test_without_facts_a_text_must_still_say_something() -> None:
    declined = "I'm sorry, but none of the tools can be used for this."
    assert message_rule(declined, "The functions I have don't cover that.").reward == 1.0
    assert message_rule(declined, "Okay.").reason == "the text says less than the expert's"


def test_the_verdict_names_the_share_of_facts() -> None:
    assert message_rule("7 and 8", "only 7 here").components == {"facts": 0.5}


def test_numbers_have_one_spelling() -> None:
    assert facts("1,250.00") == facts("1250") == {"1250"}


@given(st.text())
def test_a_text_equals_itself(text: str) -> None:
    assert message_rule(text, text).reward == 1.0


@given(st.text(), st.text())
def test_any_texts_get_a_verdict(expert: str, candidate: str) -> None:
    assert message_rule(expert, candidate) == message_rule(expert, candidate)
