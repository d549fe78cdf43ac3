from __future__ import annotations

import sys
import threading
from collections import Counter
from typing import Any

import pytest
from even_domain import make_pivots
from fastapi import Response
from openai_server import Answer, OpenAIServer, called, dropped, failed, said, wrote

from pivotgym.core import Action, Malformed, Message, Pivot, Sampling, Tool, ToolCall
from pivotgym.core.errors import ConfigError, InputError, NotFound, PolicyFailed, TooLarge, Unauthorized
from pivotgym.core.formats import get_format
from pivotgym.core.jsonl import read_records
from pivotgym.trainer.engine import Query, SampledAction
from pivotgym.trainer.evaluation import evaluate
from pivotgym.trainer.openai_engine import OpenAIEngine
from pivotgym.trainer.profiling import profile
from pivotgym.trainer.scoring import FailureGuard
from pivotgym.trainer.settings import EngineSettings, EvalConfig, ProfileConfig

CONFIG = ProfileConfig(k=4, max_new_tokens=12)
SAMPLING = Sampling(max_new_tokens=12, top_p=0.9, seed=3)
TOOLS = [Tool(name="ls")]


def engine_at(url: str, fmt: str | None = None, **settings: Any) -> OpenAIEngine:
    settings = {"retries": 0, "native_tools": fmt is None, **settings}
    made = EngineSettings(kind="openai", base_url=url, model="m", **settings)
    return OpenAIEngine(made, get_format(fmt) if fmt else None)


def several(body: dict[str, Any], number: int) -> dict[str, Any]:
    """As many texts as asked for, all different."""
    return said(*(f"{number}-{index}" for index in range(body.get("n", 1))))


def only_one(body: dict[str, Any], number: int) -> dict[str, Any]:
    return said(str(number))


def refuses_several(body: dict[str, Any], number: int) -> Any:
    return failed(400, "n must be 1") if body.get("n", 1) > 1 else said(str(number))


def asked(body: dict[str, Any]) -> str:
    return str(body["messages"][0]["content"])


def query(temperatures: tuple[float, ...] = (1.0,), key: str = "k") -> Query:
    return Query(key, [Message(role="user", content="list")], TOOLS, temperatures)


def sample(
    answer: Answer, *queries: Query, fmt: str | None = None, **settings: Any
) -> tuple[list[list[SampledAction]], OpenAIServer]:
    with OpenAIServer(answer) as server:
        return engine_at(server.url, fmt, **settings).sample(queries or [query()], SAMPLING), server


def one(answer: Answer, fmt: str | None = None, **settings: Any) -> SampledAction:
    return sample(answer, fmt=fmt, **settings)[0][0][0]


def test_native_call_becomes_an_action_without_its_id() -> None:
    got = one(lambda *_: called("ls", '{"a": 1}'))

    assert got.action == Action(tool_calls=(ToolCall(name="ls", arguments={"a": 1}),))
    assert (got.truncated, got.sampled_tokens) == (False, 3)


def test_native_request_holds_state_tools_and_sampling() -> None:
    _, server = sample(lambda *_: said("x"))

    (body,) = server.bodies
    assert body["path"] == "/chat/completions"
    assert {"temperature": 1.0, "top_p": 0.9, "max_tokens": 12, "model": "m"}.items() <= body.items()
    assert (body["messages"], body["tools"][0]["function"]["name"]) == ([{"role": "user", "content": "list"}], "ls")


@pytest.mark.parametrize("name", ["qwen", "llama-json"])
def test_text_request_holds_the_formats_prompt_and_stops(name: str) -> None:
    fmt = get_format(name)
    act = Action(tool_calls=(ToolCall(name="ls", arguments={"a": 1}),))

    drawn, server = sample(lambda *_: wrote(fmt.render_action(act)), fmt=name)

    (body,) = server.bodies
    assert drawn[0][0].action == act
    assert body["path"] == "/completions"
    assert fmt.bos + body["prompt"] == fmt.render(query().messages, TOOLS)
    assert body["stop"] == list(fmt.stop)


def test_extra_fields_are_sent_and_null_leaves_one_out() -> None:
    extra = {"min_p": 0.1, "seed": None}
    _, server = sample(lambda *_: said("x"), extra_body=extra, limit_field="max_completion_tokens")

    (body,) = server.bodies
    assert (body["min_p"], body["max_completion_tokens"]) == (0.1, 12)
    assert not {"seed", "max_tokens"} & body.keys()


@pytest.mark.parametrize(("answer", "requests"), [(several, 2), (only_one, 8), (refuses_several, 2 + 8)])
def test_each_temperature_gets_its_samples_whatever_the_server_gives_at_once(answer: Answer, requests: int) -> None:
    temperatures = (1.0, 0.5, 1.0, 0.5, 1.0, 1.0, 1.0, 1.0)

    (drawn,), server = sample(answer, query(temperatures), concurrency=1)

    assert tuple(action.temperature for action in drawn) == temperatures
    assert len({action.text for action in drawn}) == len(drawn)
    assert len(server.bodies) == requests


def test_every_request_has_a_seed_of_its_own_and_the_same_in_the_next_run() -> None:
    queries = [query((1.0,) * 3, key=key) for key in "ab"]
    runs = [sample(only_one, *queries)[1].bodies for _ in range(2)]

    seeds = [sorted(body["seed"] for body in run if "n" not in body) for run in runs]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == len(seeds[0])


def test_no_more_requests_at_once_than_allowed() -> None:
    _, server = sample(only_one, *(query((1.0,) * 4, key=str(number)) for number in range(6)), concurrency=3)

    assert 1 < server.most_at_once <= 3


def test_action_cut_at_the_limit_is_truncated() -> None:
    assert one(lambda *_: said("half a sen", finish_reason="length")).truncated


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (said(""), "got no text and no call"),
        (said("<think>for ever"), "thinking that never ends"),
        (said(None, reasoning_content="hm"), "got no text and no call"),
    ],
)
def test_answer_without_an_action_is_malformed(answer: dict[str, Any], reason: str) -> None:
    action = one(lambda *_: answer).action

    assert isinstance(action, Malformed)
    assert reason in action.reason


def test_malformed_arguments_are_kept_as_the_policys_text() -> None:
    action = one(lambda *_: called("ls", '{"a": ')).action

    assert isinstance(action, Action)
    assert action.tool_calls[0].malformed


@pytest.mark.parametrize(
    "message", [{"content": "<think>hm</think>Hello"}, {"content": "Hello", "reasoning_content": "hm"}]
)
def test_thinking_is_read_apart(message: dict[str, Any]) -> None:
    got = one(lambda *_: {"choices": [{"message": message, "finish_reason": "stop"}]})

    assert got.action == Action(content="Hello", reasoning="hm")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (failed(429), "full"),
        (failed(500), "infrastructure"),
        (dropped(), "unreachable"),
        ({"choices": []}, "infrastructure"),
        ({"choices": [{"message": {"tool_calls": [{"type": "function", "function": {}}]}}]}, "infrastructure"),
    ],
    ids=["429", "500", "dropped", "no choices", "call without a name"],
)
def test_failure_of_the_server_stands_in_the_actions_place(answer: Any, code: str) -> None:
    action = one(lambda *_: answer).action

    assert isinstance(action, PolicyFailed)
    assert action.details == {"code": code}
    assert action.message.startswith("state 'k': ")


def test_slow_server_stands_in_the_actions_place() -> None:
    go_on = threading.Event()

    def late(*_: Any) -> dict[str, Any]:
        go_on.wait(20)
        return said("late")

    with OpenAIServer(late) as server:
        ((got,),) = engine_at(server.url, timeout_s=0.1).sample([query()], SAMPLING)
        go_on.set()

    assert isinstance(got.action, PolicyFailed)
    assert got.action.details == {"code": "timeout"}


def test_action_that_the_server_kept_back_is_masked() -> None:
    assert isinstance(one(lambda *_: said("", finish_reason="content_filter")).action, PolicyFailed)


@pytest.mark.parametrize(("status", "error"), [(401, Unauthorized), (404, NotFound), (400, InputError)])
@pytest.mark.parametrize("count", [1, 3])
def test_what_the_server_refuses_for_good_ends_the_run(status: int, error: type[Exception], count: int) -> None:
    with pytest.raises(error, match=f"answered with status {status}"):
        sample(lambda *_: failed(status), query((1.0,) * count))


def test_tokens_of_a_state_are_counted_by_the_server() -> None:
    with OpenAIServer(lambda *_: said("x")) as server:
        assert engine_at(server.url).prompt_tokens(query().messages, TOOLS) == 7
    assert server.bodies[0]["max_tokens"] == 1


def test_state_longer_than_the_context_is_longer_than_any_limit() -> None:
    with OpenAIServer(lambda *_: failed(400, "exceeds the context length")) as server:
        assert engine_at(server.url).prompt_tokens(query().messages, TOOLS) == sys.maxsize


def test_server_that_does_not_count_says_so() -> None:
    with OpenAIServer(lambda *_: wrote("x")) as server, pytest.raises(PolicyFailed, match=r"usage\.prompt_tokens"):
        engine_at(server.url, "qwen").prompt_tokens(query().messages, TOOLS)


def test_policy_and_format_are_named_by_what_makes_them_differ() -> None:
    plain, extra, text = (
        engine_at("http://h"),
        engine_at("http://h", extra_body={"a": 1}),
        engine_at("http://h", "qwen"),
    )

    assert (plain.policy_id, plain.format_id) == ("m", "native/1")
    assert extra.policy_id.startswith("m+")
    assert text.format_id == "qwen/2"


def test_format_and_native_tools_must_agree() -> None:
    settings = EngineSettings(kind="openai", base_url="http://h", model="m")
    with pytest.raises(ConfigError, match="expected a text format with native_tools false"):
        OpenAIEngine(settings, get_format("qwen"))
    with pytest.raises(ConfigError, match="expected base_url and model for kind 'openai'"):
        OpenAIEngine(EngineSettings())


def rewards_in(path: Any) -> dict[str, tuple[float | None, ...]]:
    return {pivot.id: pivot.profile.rewards for pivot in read_records(path, Pivot)}


def test_profile_through_a_server_has_k_rewards_each(scorer, tmp_path) -> None:
    with OpenAIServer(lambda body, _: said(*"abcd")) as server:
        report = profile(make_pivots(6), engine_at(server.url), scorer, tmp_path / "p.jsonl", CONFIG)

    assert rewards_in(tmp_path / "p.jsonl") == {pivot.id: (0.0, 1.0, 0.0, 1.0) for pivot in make_pivots(6)}
    assert (report.profiled, report.failed_samples, report.sampled_tokens) == (6, 0, 6 * 4 * 3)
    assert report.all_equal == 0


def test_failed_samples_are_masked_and_no_reward_of_zero(scorer, tmp_path) -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        return failed(400) if body.get("n") else failed(500) if number % 2 else said("b")

    with OpenAIServer(answer) as server:
        engine, guard = engine_at(server.url), FailureGuard(max_share=1.0)
        report = profile(make_pivots(4), engine, scorer, tmp_path / "p.jsonl", CONFIG, guard=guard)

    rewards = [reward for row in rewards_in(tmp_path / "p.jsonl").values() for reward in row]
    assert set(rewards) == {1.0, None}
    assert report.failed_samples == rewards.count(None) + 4 * report.unscored


def test_candidate_without_any_sample_is_left_out_and_made_by_the_next_run(scorer, tmp_path) -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        return failed(500) if down and asked(body) == "question 1" else several(body, number)

    with OpenAIServer(answer) as server:
        down = True
        first = profile(make_pivots(3), engine_at(server.url), scorer, tmp_path / "p.jsonl", CONFIG)
        down = False
        second = profile(make_pivots(3), engine_at(server.url), scorer, tmp_path / "p.jsonl", CONFIG)

    assert (first.profiled, first.unscored, first.failed_samples) == (2, 1, 4)
    assert (second.profiled, second.resumed) == (1, 2)


def test_state_longer_than_the_context_is_left_out_and_counted(scorer, tmp_path) -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        return failed(400, "maximum context length") if asked(body) == "question 1" else several(body, number)

    with OpenAIServer(answer) as server:
        report = profile(make_pivots(3), engine_at(server.url), scorer, tmp_path / "p.jsonl", CONFIG)
        with pytest.raises(TooLarge, match=r"state 'run-0:1': .*extract with a lower max_prompt_tokens"):
            evaluate(make_pivots(3), engine_at(server.url), scorer, tmp_path / "e.jsonl", EvalConfig(), arm="a")

    assert (report.profiled, report.too_long, report.failed_samples) == (2, 1, 0)


def test_server_that_is_down_stops_the_run(scorer, tmp_path) -> None:
    with (
        OpenAIServer(lambda *_: failed(503)) as server,
        pytest.raises(PolicyFailed, match="more than the allowed share"),
    ):
        profile(
            make_pivots(12), engine_at(server.url), scorer, tmp_path / "p.jsonl", CONFIG, guard=FailureGuard(least=8)
        )

    assert rewards_in(tmp_path / "p.jsonl") == {}


def test_run_stopped_in_the_middle_goes_on_and_samples_nothing_twice_that_it_wrote(scorer, tmp_path) -> None:
    out = tmp_path / "p.jsonl"

    def stop(done: int, total: int) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    with OpenAIServer(several) as first, pytest.raises(KeyboardInterrupt):
        profile(make_pivots(12), engine_at(first.url, concurrency=2), scorer, out, CONFIG, on_progress=stop)
    written = set(rewards_in(out))
    with OpenAIServer(several) as second:
        report = profile(make_pivots(12), engine_at(second.url, concurrency=2), scorer, out, CONFIG)

    texts = {pivot.id: pivot.messages[0].text for pivot in make_pivots(12)}
    again = Counter(asked(body) for body in second.bodies)
    assert len(written) >= 3
    assert report.resumed == len(written)
    assert again == Counter(text for pivot, text in texts.items() if pivot not in written)
    assert sorted(rewards_in(out)) == sorted(texts)


def test_evaluation_through_a_server_has_a_row_per_temperature(scorer, tmp_path) -> None:
    config = EvalConfig(samples=3, low_samples=2)
    with OpenAIServer(lambda body, _: said(*"bbb" if body["temperature"] == 1 else "aa")) as server:
        rows = evaluate(make_pivots(3), engine_at(server.url), scorer, tmp_path / "e.jsonl", config, arm="base")

    assert Counter((row.arm, tuple(row.rewards)) for row in rows) == {
        ("base", (1.0, 1.0, 1.0)): 3,
        ("base@low", (0.0, 0.0)): 3,
    }


def test_action_with_a_lone_surrogate_is_invalid_and_fails_nothing_else(scorer, tmp_path) -> None:
    odd, good = '{"message": {"content": "b\\ud800"}}', '{"message": {"content": "b"}}'
    with OpenAIServer(lambda *_: Response(f'{{"choices": [{odd}, {good}, {odd}, {good}]}}')) as server:
        profile(make_pivots(1), engine_at(server.url), scorer, tmp_path / "p.jsonl", CONFIG)

    assert list(rewards_in(tmp_path / "p.jsonl").values()) == [(0.0, 1.0, 0.0, 1.0)]
