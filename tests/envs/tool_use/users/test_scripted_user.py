"""What a user by script says, and how an episode with one goes."""

import pytest
from toy_shop import BUY, INSTRUCTION, ShopDomain, say

from pivotgym.core.messages import Action, Message, ToolCall
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.tool_use.users.scripted import NO_TRANSFER, NOT_KNOWN, YES, ScriptedUser, first_person


@pytest.fixture
def user() -> ScriptedUser:
    return ScriptedUser(INSTRUCTION, [BUY])


def answer(user: ScriptedUser, heard: str, *earlier: str) -> str | None:
    spoken = [Message(role="user", content=text) for text in earlier or ("Hi, I'd like to buy something.",)]
    return user.reply([*spoken, Message(role="assistant", content=heard)])


def test_it_opens_with_the_request_in_the_first_person(user: ScriptedUser) -> None:
    opening = user.reply([Message(role="system", content="Be kind.")])
    assert opening is not None
    assert opening.startswith("I am Ann Lee and my user id is ann_lee_12. I want to buy two blue lamps.")


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("What is your user ID?", "ann_lee_12"),
        ("Could you please provide your zip code?", "90210"),
        ("How would you like to pay?", "visa_77"),
        ("Which item do you want?", "The item is blue lamp."),
    ],
)
def test_it_answers_what_it_knows(user: ScriptedUser, question: str, told: str) -> None:
    assert told in str(answer(user, question))


def test_what_belongs_to_another_is_not_told_as_the_users_own() -> None:
    book = ToolCall(name="book", arguments={"user_id": "a_1", "passengers": [{"last_name": "Smith"}]})
    user = ScriptedUser("You want to fly.", [Action(tool_calls=(book,))])
    assert answer(user, "What is your user ID, and your name?") == "The user id is a_1."
    assert answer(user, "What is the last name of the passengers?") == "The last name of the passengers is Smith."


def test_what_the_recorded_opening_said_is_not_said_again() -> None:
    opening = "My name is Lei. You are shy. For #W12, exchange the shirt."
    assert answer(ScriptedUser(opening), "Thanks, it is exchanged.", opening) is None


def test_it_says_so_when_it_does_not_know(user: ScriptedUser) -> None:
    opening = str(user.reply([]))
    assert answer(user, "What is your shoe size?", opening) == NOT_KNOWN


def test_it_confirms(user: ScriptedUser) -> None:
    assert answer(user, "That would be 80 USD. Shall I go ahead?") == YES


def test_it_wants_no_transfer_that_the_gold_actions_have_not(user: ScriptedUser) -> None:
    assert answer(user, "Would you like me to transfer you to a human agent?") == NO_TRANSFER


def test_a_transfer_ends_the_conversation(user: ScriptedUser) -> None:
    assert answer(user, "I'm transferring you to a human agent.") is None


def test_it_says_what_it_has_not_said_yet_and_then_stops(user: ScriptedUser) -> None:
    rest = str(answer(user, "You are welcome."))
    assert "two blue lamps" in rest
    assert answer(user, "It is done.", rest) is None


def test_it_does_not_repeat_itself_for_ever(user: ScriptedUser) -> None:
    assert answer(user, "Shall I go ahead?", YES, YES) is None


def test_an_instruction_is_told_by_the_user() -> None:
    told = "You want three. If the agent asks you, you don't know. Your dog is with you, yourself."
    assert first_person(told) == "I want three. If the agent asks me, I don't know. My dog is with me, myself."


def test_an_episode_is_opened_by_the_user_and_ends_with_the_user() -> None:
    episode = Runtime(ShopDomain()).open(Runtime(ShopDomain()).task("lamps"))
    assert "I am Ann Lee" in episode.observation
    assert episode.step(say("Two blue lamps. Shall I go ahead?")).observation == YES
    episode.step(BUY)
    result = episode.step(say("It is done. Is there anything else I can help you with?"))
    assert (result.reward, result.terminated, result.observation) == (1.0, True, "")


def test_an_episode_in_which_nothing_is_bought_pays_nothing() -> None:
    episode = Runtime(ShopDomain()).open(Runtime(ShopDomain()).task("lamps"))
    result = episode.step(say("It is done."))
    assert (result.reward, result.terminated) == (0.0, True)


def test_a_fork_hears_the_same_user() -> None:
    episode = Runtime(ShopDomain()).open(Runtime(ShopDomain()).task("lamps"))
    fork = episode.fork()
    one, other = (each.step(say("What is your user ID?")) for each in (episode, fork))
    assert one.observation == other.observation
    assert one.info == other.info


def test_an_episode_with_a_user_is_cut_at_its_limit() -> None:
    episode = Runtime(ShopDomain()).open(Runtime(ShopDomain()).task("lamps"))
    results = [episode.step(BUY) for _ in range(8)]
    assert [result.truncated for result in results] == [False] * 7 + [True]
