"""Speech acts are told by form."""

import pytest

from pivotgym.verifiers.messages.acts import acts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The lamp costs 80 USD.", {"statement"}),
        ("Your booking is confirmed.", {"statement"}),
        ("Unfortunately, the parcel is late.", {"statement"}),
        ("What is your order number?", {"question"}),
        ("Please provide your user ID.", {"question"}),
        ("To look it up, I'll need your email address.", {"question"}),
        ("Let me know which colour you prefer.", {"question"}),
        ("Please confirm which card you want to use.", {"question"}),
        ("Do you want me to proceed?", {"confirmation"}),
        ("How would you like to pay?", {"question"}),
        ("Here is what I found: two lamps. Shall I go on?", {"statement", "confirmation"}),
        ("Shall I cancel it?", {"confirmation"}),
        ("Please confirm (yes/no).", {"confirmation"}),
        ("Is that correct?", {"confirmation"}),
        ("Let me know if you would like to go ahead.", {"confirmation"}),
        ("I'm sorry, but I can't change the colour.", {"refusal"}),
        ("Basic tickets cannot be refunded.", {"refusal"}),
        ("None of the available tools fit.", {"refusal"}),
        ("I'm transferring you to a human agent.", {"transfer"}),
        ("Would you like me to transfer you to an agent?", {"confirmation", "transfer"}),
        ("You're welcome! Have a nice day.", set()),
        ("Is there anything else I can help you with?", set()),
        ("I apologize for the inconvenience.", set()),
        ("I can help you with changing your order.", set()),
        ("I can help with adding bags, but not with removing them.", {"statement"}),
        ("It costs 80 USD. Shall I order it?", {"statement", "confirmation"}),
    ],
)
def test_an_act_is_told_by_its_form(text: str, expected: set[str]) -> None:
    assert acts(text) == expected
