"""A user played by a model, against a real server with OpenAI's shapes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import Answer, OpenAIServer, failed, said
from toy_shop import BUY, INSTRUCTION, ShopDomain, say

from pivotgym.core.chat_server import ChatServer
from pivotgym.core.errors import WorldFailed, WrongState
from pivotgym.envs.base.episode import Episode
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.tool_use.users.llm import STOP


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    """Opens the toy task with a user whose model answers as told."""
    running: list[Any] = []

    def start(answer: Answer) -> tuple[Episode, OpenAIServer]:
        server = OpenAIServer(answer).__enter__()
        domain = ShopDomain()
        running.append((domain, server))
        domain.use_user_model(
            ChatServer(base_url=server.url, model="m", retries=0, cache=tmp_path / f"{len(running)}.sqlite")
        )
        runtime = Runtime(domain)
        return runtime.open(runtime.task("lamps")), server

    yield start
    for domain, server in running:
        domain.close()
        server.__exit__()


def replies(*texts: str) -> Answer:
    return lambda body, number: said(texts[min(number, len(texts) - 1)])


def test_the_model_opens_the_conversation_from_the_instruction(opened: Any) -> None:
    episode, server = opened(replies("Hi, two lamps please."))
    assert episode.observation.endswith("Hi, two lamps please.")
    system, hello = server.bodies[0]["messages"]
    assert INSTRUCTION in system["content"]
    assert hello == {"role": "user", "content": "Hi! How can I help you today?"}


def test_the_model_hears_the_agents_words_as_the_users_and_no_calls(opened: Any) -> None:
    episode, server = opened(replies("Two lamps.", "Thanks."))
    episode.step(BUY)
    assert episode.step(say("Here they are.")).observation == "Thanks."
    heard = [(message["role"], message["content"]) for message in server.bodies[-1]["messages"][2:]]
    assert heard == [("assistant", "Two lamps."), ("user", "Here they are.")]


@pytest.mark.parametrize("stop", [STOP, f"Thank you! {STOP}", f"<think>done?</think>{STOP}"])
def test_the_stop_sign_ends_the_episode_with_its_outcome(opened: Any, stop: str) -> None:
    episode, _ = opened(replies("Two lamps.", stop))
    episode.step(BUY)
    result = episode.step(say("Here they are."))
    assert (result.reward, result.terminated, result.observation) == (1.0, True, "")


def test_thinking_is_not_said(opened: Any) -> None:
    episode, _ = opened(replies("<think>hm</think> Two lamps."))
    assert episode.observation.endswith("\nTwo lamps.")


def test_equal_conversations_get_equal_replies(opened: Any) -> None:
    episode, server = opened(lambda body, number: said(f"reply {number}"))
    one, other = (each.step(say("Which?")).observation for each in (episode.fork(), episode))
    assert one == other
    assert len(server.bodies) == 2


def test_a_user_that_cannot_answer_breaks_the_episode_and_pays_nothing(opened: Any) -> None:
    episode, _ = opened(lambda body, number: said("Two lamps.") if number == 0 else failed(500))
    with pytest.raises(WorldFailed, match=r"the user's model 'm' gave no answer: .*status 500"):
        episode.step(say("Which?"))
    with pytest.raises(WrongState):
        episode.step(say("Which?"))


def test_an_empty_reply_is_an_error(opened: Any) -> None:
    with pytest.raises(WorldFailed, match="the user's model answered with an empty text"):
        opened(replies(" "))


def test_a_user_that_ends_before_it_began_is_an_error(opened: Any) -> None:
    with pytest.raises(WorldFailed, match="task 'lamps': the user ended the conversation before it began"):
        opened(replies(STOP))
