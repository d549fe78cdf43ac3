"""Whole episodes through the agent: one sequence of ids in which the policy's own are marked."""

import asyncio

import pytest
from tiny import save_tiny_policy
from toy_counter import ADD, READ, CounterDomain
from transformers import AutoTokenizer

from pivotgym.core import Action, Message, ToolCall
from pivotgym.core.formats import format_names, get_format
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.openrlhf.episode import answer_text
from pivotgym.trainer.openrlhf.rollouts import draw_seed
from pivotgym.trainer.openrlhf.rows import Row
from pivotgym.trainer.openrlhf.settings import AgentSettings

WON = ["[add(n=3)]<|im_end|>", "five<|im_end|>", "[add(n=2)]<|im_end|>", "seven<|im_end|>"]
CALL = Action(tool_calls=(ToolCall(name="add", arguments={"n": 3}),))
START = [Message(role="system", content="Count."), Message(role="user", content="Make it five.")]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return AutoTokenizer.from_pretrained(save_tiny_policy(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def server():
    with BackgroundServer(CounterDomain()) as running:
        yield running.url


def settings(server, **fields):
    known = {"max_new_tokens": 40, "max_len": 900, "request_retries": 0, **fields}
    return AgentSettings(server=server, format="smollm", horizon="episode", **known)


def play(known, tokenizer, *texts):
    """One group of two episodes with the same actions."""
    pytest.importorskip("openrlhf.utils.agent", reason="make openrlhf-cpu installs openrlhf")
    from test_openrlhf_agent import Engine, Params

    from pivotgym.trainer.openrlhf.agent import EpisodeExecutor

    executor, shared = EpisodeExecutor(known), Params()
    engines = [Engine(tokenizer, list(texts)) for _ in range(2)]
    label = Row(kind="task", id="to_seven", place=4).model_dump_json()

    async def draw():
        calls = (executor.execute("to_seven", label, shared, 900, tokenizer, engine) for engine in engines)
        return await asyncio.gather(*calls)

    return asyncio.run(draw()), engines[0]


def test_an_episode_runs_to_the_tasks_outcome(server, tokenizer):
    outputs, _ = play(settings(server), tokenizer, *WON)

    assert [output["extra_logs"]["env_reward"] for output in outputs] == [1.0, 1.0]
    assert outputs[0]["truncated"] is False


def test_the_policys_own_ids_are_marked_and_stay_as_sampled(server, tokenizer):
    [output, _], engine = play(settings(server), tokenizer, *WON)

    ids = output["observation_tokens"]
    assert [tokenizer.decode(ids[start:end]) for start, end in output["action_ranges"]] == WON
    assert len(output["rollout_log_probs"]) == len(ids)
    marked = {place for start, end in output["action_ranges"] for place in range(start, end)}
    assert all((value == -0.5) == (place in marked) for place, value in enumerate(output["rollout_log_probs"]))
    for (asked, _), (start, _) in zip(engine.asked, output["action_ranges"], strict=True):
        assert asked == ids[:start]


def test_the_sequence_is_the_conversation_as_the_format_writes_it(server, tokenizer):
    [output, _], _ = play(settings(server), tokenizer, *WON)

    spoken = [
        Message(role="user", content="Make it five."),
        Message(role="assistant", content="[add(n=3)]"),
        Message(role="tool", content="5"),
        Message(role="assistant", content="five"),
        Message(role="user", content="Now seven."),
        Message(role="assistant", content="[add(n=2)]"),
        Message(role="tool", content="7"),
    ]
    expected = get_format("smollm").render(spoken, [ADD, READ]) + "seven<|im_end|>"
    assert tokenizer.decode(output["observation_tokens"]) == expected


def test_every_turn_keeps_to_its_limit_and_has_draws_of_its_own(server, tokenizer):
    _, engine = play(settings(server), tokenizer, *WON)

    assert {params.max_tokens for _, params in engine.asked} == {40}
    assert [params.seed for _, params in engine.asked] == [draw_seed(0, 4, 0, turn) for turn in range(4)]


@pytest.mark.parametrize("fields", [{"max_turns": 2}, {"max_len": 330}])
def test_an_episode_without_room_earns_nothing(server, tokenizer, fields):
    [output, _], engine = play(settings(server, **fields), tokenizer, *WON)

    assert 0 < len(engine.asked) < 4
    assert output["truncated"] is True
    assert output["extra_logs"]["env_reward"] == 0.0
    assert len(output["observation_tokens"]) <= fields.get("max_len", 900)


def test_an_environment_that_breaks_masks_the_episode(server, tokenizer):
    known = settings("http://127.0.0.1:9", least_samples=9)

    outputs, _ = play(known, tokenizer, *WON)

    assert all(output["action_ranges"] == [] for output in outputs)
    assert all(output["extra_logs"]["env_failed"] == 1.0 for output in outputs)


@pytest.mark.parametrize("name", format_names())
@pytest.mark.parametrize("stopped", [True, False])
@pytest.mark.parametrize(
    "heard",
    [
        [Message(role="tool", content="5")],
        [Message(role="tool", content="5"), Message(role="tool", content="@@action@@")],
        [Message(role="user", content="Now seven.")],
    ],
)
def test_what_the_environment_says_joins_the_action_as_the_format_would_write_it(name, stopped, heard):
    fmt = get_format(name)
    said = Message.model_validate({"role": "assistant", "tool_calls": [call.model_dump() for call in CALL.tool_calls]})

    rest = answer_text(fmt, [*START, said, *heard], [ADD], stopped=stopped)

    action = fmt.render_action(CALL)
    if not stopped:
        action = action.removesuffix(next(end for end in fmt.stop if action.endswith(end)))
    assert fmt.render(START, [ADD]) + action + rest == fmt.render([*START, said, *heard], [ADD])
