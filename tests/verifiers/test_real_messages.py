"""The rule on real conversations of an airline's agent, which are never part of the project."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pivotgym.core.messages import Message
from pivotgym.core.readers.chat import read_chat
from pivotgym.verifiers.message_rule import message_rule

OTHERS = 2


class Said(NamedTuple):
    """An agent's message, with the trajectory's task and what came before it."""

    task: object
    text: str
    before: list[Message]


@pytest.fixture(scope="module")
def messages(shared_data: Path) -> list[Said]:
    path = shared_data / "trajectories" / "tool_use" / "airline_gpt4o.jsonl"
    return list(spoken(path))


def spoken(path: Path) -> Iterator[Said]:
    for trajectory in read_chat(path, domain="tool_use"):
        task = trajectory.metadata.get("task_id", trajectory.id)
        for place, message in enumerate(trajectory.messages):
            if message.role == "assistant" and message.text.strip() and not message.tool_calls:
                yield Said(task, message.text, trajectory.messages[:place])


def test_each_message_is_its_own_equal(messages: list[Said]) -> None:
    assert len(messages) > 300
    assert all(message_rule(said.text, said.text, said.before).reward == 1.0 for said in messages)


def test_messages_of_other_tasks_are_told_apart(messages: list[Said]) -> None:
    """Some are the same for good: "please give me your user id and the reservation id" is said in many tasks."""
    rng = random.Random(0)
    pairs = [(said, rng.choice(messages)) for said in messages for _ in range(OTHERS)]
    verdicts = [message_rule(one.text, other.text, one.before) for one, other in pairs if one.task != other.task]
    refused = sum(verdict.outcome == "different" for verdict in verdicts) / len(verdicts)
    assert refused > 0.98


def test_okay_and_silence_are_refused_for_nearly_all(messages: list[Said]) -> None:
    for text in ("Okay.", "", "I see. Is there anything else I can help you with?"):
        rewards = [message_rule(said.text, text, said.before).reward for said in messages]
        assert sum(rewards) / len(rewards) < 0.04, text


def test_the_whole_conversation_is_never_accepted(messages: list[Said]) -> None:
    for said in messages[::5]:
        recital = "\n".join(message.text for message in said.before)
        assert message_rule(said.text, f"{said.text}\n{recital}", said.before).reward == 0.0


def test_a_changed_digit_is_refused(messages: list[Said]) -> None:
    rng = random.Random(0)
    for said in messages:
        places = [
            at
            for at, letter in enumerate(said.text)
            if letter.isdigit() and said.text[at - 1] not in "\n" and said.text[at + 1 : at + 2] != "."
        ]
        if places:
            at = rng.choice(places)
            other = rng.choice([digit for digit in "123456789" if digit != said.text[at]])
            changed = said.text[:at] + other + said.text[at + 1 :]
            assert message_rule(said.text, changed, said.before).reward == 0.0, changed
