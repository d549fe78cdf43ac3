"""What the rule accepts as the same message, and what it does not. All texts are made up here."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.messages import Message
from pivotgym.verifiers.message_rule import message_rule, ruling

SAID = [
    Message(role="system", content="You serve the customers of a shop. Returns take 5 to 7 days. Be kind, be short."),
    Message(role="user", content="Hi, I'm Ann Lee. Where is my order #W1234? And cancel #W99, which was $80."),
    Message(role="assistant", content=None, tool_calls=[{"name": "get_order", "arguments": {"id": "W1234"}}]),
    Message(
        role="tool",
        content='{"id": "W1234", "item": "Blue Lamp", "price": 1250.0, "arrives": "2024-05-16", "to": "Oslo",'
        ' "bags": 2, "card": "visa_77", "gift": 300, "slots": ["08:15", "15:30"], "carrier": "Acme Post"}',
    ),
]
SAME = [
    ("Your order #W1234 arrives on 2024-05-16.", "Order W1234 will be there on May 16th, 2024."),
    ("It costs $1,250.00.", "The price is 1250 dollars."),
    ("The total is $1,250.", "In total that comes to USD 1,250.00."),
    ("The slot is at 15:30.", "You have the slot at 3:30 PM."),
    ("The 'Blue Lamp' goes to Oslo.", "I have it down that your blue lamp is sent to Oslo."),
    ("The parcel for Ann Lee was handed to Acme Post.", "Acme Post has got the parcel of Ann Lee."),
    ("You have 2 bags.", "There are two bags on it."),
    ("Shall I cancel order W99?", "Do you want me to cancel W99?"),
    ("Would you like to proceed?", "May I go ahead?"),
    ("Please confirm (yes/no): refund $80 to visa_77.", "I would refund 80 USD to visa_77. Is that correct?"),
    ("Could you please provide your user ID?", "What is your user ID?"),
    ("To cancel it, I need the order number. Could you share it?", "Sure! Please tell me your order number."),
    ("Which colour would you like?", "Happy to help. What colour do you want?"),
    (
        "I'm sorry, but I can't change the address.",
        "Unfortunately it isn't possible: I am unable to change an address.",
    ),
    ("Basic tickets cannot be changed.", "I can't modify a basic ticket."),
    ("I'm sorry, none of the tools can do this.", "The functions I have don't cover that."),
    ("I'm transferring you to a human agent.", "You will be connected with a human representative now."),
    ("Would you like me to transfer you to an agent?", "Shall I transfer you to a human agent?"),
    ("The chairs were sent yesterday.", "Yesterday the chairs were sent."),
    ("You're welcome! Have a great day.", "Thank you, and take care!"),
    ("- Price: $80\n- Card: visa_77", "The price is $80, paid with visa_77."),
    ("Order W1234 is not refundable.", "You can't get a refund for order W1234: it isn't refundable."),
    ("The way is from OSL to LGW.", "You go from OSL to LGW."),
    ("It is for Ann Lee at Gatwick Airport (LGW).", "LGW it is, for Ann Lee."),
    ("Gift card: $300, credit card: $950.", "We take $300 from the gift card and $950 from the credit card."),
    ("Order W1234 is on its way.", "Your order W1234, paid with visa_77, is on its way. Anything else I can do?"),
]
DIFFERENT = [
    ("Your order #W1234 arrives on 2024-05-16.", "Okay.", "the text lacks"),
    (
        "Your order #W1234 arrives on 2024-05-16.",
        "Your order arrives on 2024-05-16.",
        "the text lacks what the expert's says: W1234",
    ),
    ("Your order #W1234 arrives on 2024-05-16.", "Order W1234 arrives on May 17th, 2024.", "the text lacks"),
    ("It costs $1,250.00.", "It costs $1,260.00.", "the text lacks"),
    ("It costs $80.", "It costs €80.", "the text lacks"),
    ("The slot is at 15:30.", "The slot is at 3:30 AM.", "the text lacks"),
    ("The parcel is for Ann Lee.", "The parcel is for Ann Lind.", "the text lacks what the expert's says: Ann Lee"),
    ("It goes to Oslo.", "It goes to Bergen.", "the text lacks what the expert's says: Oslo"),
    ("Order W1234 is refundable.", "Order W1234 is not refundable.", "the text contradicts"),
    ("Order W1234 cannot be refunded.", "Order W1234 can be refunded.", "the text contradicts"),
    ("Order W99 was cancelled.", "Order W99 was booked.", "the text contradicts the expert's: it says 'book' where"),
    ("I refunded $80 to visa_77.", "I charged $80 to visa_77.", "the text contradicts"),
    ("You have three bags.", "You have two bags.", "the text contradicts the expert's: it says 2 bag"),
    (
        "$300 to the gift card, $950 to the credit card.",
        "$950 to the gift card, $300 to the credit card.",
        "the text contradicts",
    ),
    ("Price: $80\nGift: $300", "Price: $300\nGift: $80", "the text contradicts the expert's: 'price' is '$300'"),
    ("From OSL to LGW.", "From LGW to OSL.", "the text contradicts the expert's: it says 'lgw to osl'"),
    ("It costs $80.", "It costs $80, or $70 with a coupon.", "the text says what was found nowhere before: $70"),
    (
        "Order W1234 is late.",
        "Order W1234 is late, so I sent W5678.",
        "the text says what was found nowhere before: W5678",
    ),
    ("It is late.", "It is late, Kari Nordmann has it.", "the text says what was found nowhere before: Kari Nordmann"),
    ("It is W1234.", "W1234, W99, $80, 1250, 2024-05-16, 2, visa_77, 300", "the text recites 7 facts besides the 1"),
    ("Shall I cancel order W99?", "Order W99 is cancelled.", "the expert's text asks to confirm, this one does not"),
    ("Order W99 is cancelled.", "Shall I cancel order W99?", "the text asks to confirm, the expert's does not"),
    ("What is your user ID?", "Your user ID is known.", "the expert's text asks, this one does not"),
    ("What is your user ID?", "What is your zip code?", "the text asks for something else"),
    ("What is your user ID?", "What are your user ID and your order number?", "the text asks for something else"),
    (
        "The chairs were sent.",
        "The chairs were sent. Which colour is your car?",
        "the text asks, the expert's does not",
    ),
    ("Shall I cancel it?", "Shall I upgrade it?", "the text asks leave for something else"),
    ("I can't change the address.", "I will look into it.", "the expert's text declines, this one does not"),
    ("Order W1234 is late.", "I can't tell you about order W1234.", "the text contradicts|the text declines"),
    ("I can't change the address.", "I can't sell you an umbrella.", "the text declines something else"),
    ("I'm transferring you to a human agent.", "I'm looking into it now.", "the expert's text hands over to a person"),
    ("The lamp is late.", "The lamp is late. I'm transferring you to an agent.", "the text hands over to a person"),
    ("The chairs were sent.", "Okay.", "the expert's text states something"),
    ("The chairs were sent yesterday.", "I am done with it now.", "the text has too little in common"),
    ("The chairs were sent.", "You're welcome! Have a great day.", "the expert's text states something"),
    ("You're welcome! Have a great day.", "The chairs were sent.", "the expert's text is mere courtesy"),
    ("The chairs were sent.", "", "the text is empty"),
]


@pytest.mark.parametrize(("expert", "candidate"), SAME)
def test_a_paraphrase_is_accepted(expert: str, candidate: str) -> None:
    verdict = message_rule(expert, candidate, SAID)
    assert (verdict.reward, verdict.reason) == (1.0, "the text has the facts and the speech acts of the expert's")


@pytest.mark.parametrize(("expert", "candidate", "reason"), DIFFERENT)
def test_another_message_is_refused_with_its_reason(expert: str, candidate: str, reason: str) -> None:
    verdict = message_rule(expert, candidate, SAID)
    assert (verdict.outcome, verdict.executed) == ("different", False)
    assert verdict.reason.startswith(tuple(reason.split("|")))


@pytest.mark.parametrize("expert", sorted({pair[0] for pair in SAME} | {row[0] for row in DIFFERENT}))
def test_reciting_the_conversation_is_refused(expert: str) -> None:
    recital = "\n".join(message.text for message in SAID)
    assert message_rule(expert, f"{expert} {recital}", SAID).reward == 0.0


def test_copying_long_passages_is_refused_even_without_facts() -> None:
    policy = " ".join(
        f"we then shall never let any {word} go by without care" for word in ("cat", "dog", "bird", "fish")
    )
    said = [Message(role="system", content=policy), *SAID]
    verdict = message_rule("The chairs were sent.", f"The chairs were sent. {policy}", said)
    assert verdict.reason.startswith("the text repeats ")


def test_a_text_far_longer_than_the_experts_is_refused_unread() -> None:
    assert (
        message_rule("It is late.", "It is late. " * 1000).reason
        == "the text is more than ten times as long as the expert's"
    )


@pytest.mark.parametrize(
    "part", ["a-", "(", "1.1.", "- a b: 1\n", "'a ", "transfer ", "Ab ", "if you ", "please confirm "]
)
def test_long_and_strange_texts_get_a_verdict(part: str) -> None:
    text = part * (6000 // len(part))
    assert message_rule(text, text + "x", SAID).outcome in ("equivalent", "different")


def test_the_verdict_names_facts_act_and_invention() -> None:
    verdict = message_rule("W1234 and W99.", "Is it W1234 or W5?", SAID)
    assert verdict.components == {"facts": 0.5, "speech_act": 0.0, "invented": 0.5}
    assert verdict.evidence == {"facts": ["W99"]}


def test_without_a_conversation_nothing_counts_as_invented() -> None:
    assert message_rule("It costs $80.", "It costs $80, not more than $90.").reward == 1.0


@pytest.mark.parametrize(
    ("candidate", "certain"), [("It is W99.", True), ("You ask for W1234?", False), ("It is W1234!", False)]
)
def test_only_facts_and_contradictions_are_certain(candidate: str, certain: bool) -> None:
    assert ruling("It is W1234.", candidate, SAID).certain is certain


WORDS = st.sampled_from(["the", "order", "lamp", "is", "late", "now", "sent", "soon", "with", "our", "post"])
FACTS = st.lists(
    st.sampled_from(["W77", "$80", "2024-05-16", "15:30", "visa_77", "ABCDEF", "1,250", "'Blue Lamp'"]),
    min_size=1,
    unique=True,
)


@st.composite
def statements(draw) -> list[str]:
    found = draw(FACTS)
    return [token for fact in found for token in (draw(WORDS), draw(WORDS), fact)]


@given(st.text())
def test_a_text_equals_itself(text: str) -> None:
    assert message_rule(text, text, SAID).reward == 1.0


@given(statements(), st.data())
def test_leaving_out_any_fact_costs_everything(tokens: list[str], data: st.DataObject) -> None:
    at = data.draw(st.sampled_from(range(2, len(tokens), 3)))
    assert message_rule(" ".join(tokens), " ".join(tokens[:at] + tokens[at + 1 :])).reward == 0.0


@given(statements(), st.data())
def test_changing_any_digit_costs_everything(tokens: list[str], data: st.DataObject) -> None:
    text = " ".join(tokens)
    places = [at for at, letter in enumerate(text) if letter.isdigit()]
    if places:
        at = data.draw(st.sampled_from(places))
        other = data.draw(st.sampled_from([digit for digit in "123456789" if digit != text[at]]))
        assert message_rule(text, text[:at] + other + text[at + 1 :]).reward == 0.0


@given(statements())
def test_okay_is_worth_nothing_where_facts_are_due(tokens: list[str]) -> None:
    assert message_rule(" ".join(tokens), "Okay.").reward == 0.0


@given(statements(), st.permutations(range(3)))
def test_courtesy_around_a_text_changes_nothing(tokens: list[str], order: list[int]) -> None:
    text = f"{' '.join(tokens)}."
    around = ["Sure.", text, "Is there anything else I can help you with?"]
    assert message_rule(text, " ".join(around[at] for at in order)).reward == 1.0


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_texts_get_the_same_verdict_twice(expert: str, candidate: str) -> None:
    assert message_rule(expert, candidate, SAID) == message_rule(expert, candidate, SAID)


def test_what_was_read_of_long_conversations_is_not_kept() -> None:
    said = [Message(role="user", content=f"{' '.join(f'W{at}{more}' for more in range(3000))}") for at in range(10)]
    tracemalloc.start()
    try:
        message_rule("It is W1.", "It is W1, as X9.", said)
        assert tracemalloc.get_traced_memory()[0] < 3_000_000
    finally:
        tracemalloc.stop()
