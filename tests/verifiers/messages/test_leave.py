import pytest

from pivotgym.verifiers.message_rule import message_rule
from pivotgym.verifiers.messages.leave import asked_leave


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("Shall I cancel reservation ABC123?", "Shall I upgrade reservation ABC123?"),
        (
            "Would you like me to return item 1234567 of order #W123?",
            "Would you like me to modify item 1234567 of order #W123?",
        ),
        (
            "To cancel ABC123 for a refund of $50 to credit_card_12, please confirm with yes.",
            "To rebook ABC123 for a refund of $50 to credit_card_12, please confirm with yes.",
        ),
    ],
)
def test_leave_for_another_action_is_another_message(expert: str, candidate: str) -> None:
    assert message_rule(expert, candidate).reward == 0.0
    assert message_rule(expert, expert).reward == 1.0


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        ("Shall I cancel reservation ABC123?", "Would you like me to go ahead and cancel reservation ABC123?"),
        ("Shall I cancel reservation ABC123?", "Do you want me to proceed with cancelling ABC123?"),
        ("Would you like me to book flight HAT123?", "Shall I reserve a seat on flight HAT123?"),
        ("Can I change the address of #W123?", "Would you like me to update the address of #W123?"),
        ("Shall I return item 1234567?", "Do you want me to submit the return of item 1234567?"),
    ],
)
def test_leave_for_the_same_action_in_other_words_is_the_same(expert: str, candidate: str) -> None:
    assert message_rule(expert, candidate).reward == 1.0


def test_leave_that_is_not_asked_is_not_found() -> None:
    assert asked_leave("your reservation abc123 is cancelled.") == set()
