"""The policy server's wire, over an engine that says what a test tells it to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from scripted_policy import Scripted, chat, complete, serve

from pivotgym.core.chat_api import ChatClient
from pivotgym.core.errors import ConfigError
from pivotgym.core.messages import Message, Tool
from pivotgym.core.policy_server import SampleJob
from pivotgym.servers.policy.app import create_policy_server
from pivotgym.servers.policy.settings import PolicySettings

CALL = '<tool_call>\n{"name": "look", "arguments": {"at": "é"}}\n</tool_call>'


def test_completion_has_openais_shape(http: httpx.Client) -> None:
    said = complete(http, n=2).json()

    assert said["object"] == "text_completion"
    assert (said["model"], said["system_fingerprint"]) == ("m", "v1")
    assert [choice["text"] for choice in said["choices"]] == ["Hello.", "Hello."]
    assert [choice["index"] for choice in said["choices"]] == [0, 1]
    assert said["usage"] == {"prompt_tokens": 3, "completion_tokens": 12, "total_tokens": 15}
    assert said["choices"][0]["token_ids"] is None


def test_completion_gives_token_ids_and_logprobs(http: httpx.Client) -> None:
    (choice,) = complete(http, return_token_ids=True, logprobs=0).json()["choices"]

    assert choice["prompt_token_ids"] == list(map(ord, "Say"))
    assert choice["token_ids"] == list(map(ord, "Hello."))
    assert choice["logprobs"]["tokens"] == list("Hello.")
    assert choice["logprobs"]["token_logprobs"] == [-0.5] * 6
    assert choice["logprobs"]["text_offset"] == [0, 1, 2, 3, 4, 5]


def test_chat_gives_token_ids_and_logprobs(http: httpx.Client, engine: Scripted) -> None:
    said = chat(http, return_token_ids=True, logprobs=True, top_logprobs=0).json()

    rendered = engine.batches[0][0].prompt
    assert said["prompt_token_ids"] == list(map(ord, str(rendered)))
    assert said["choices"][0]["token_ids"] == list(map(ord, "Hello."))
    assert said["choices"][0]["logprobs"]["content"][0] == {
        "token": "H",
        "logprob": -0.5,
        "bytes": [72],
        "top_logprobs": [],
    }


def test_chat_renders_messages_and_tools_in_the_models_format(http: httpx.Client, engine: Scripted) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    chat(http, tools=[tool])

    expected = engine.fmt.render([Message(role="user", content="Hi")], [Tool.model_validate(tool)])
    assert engine.batches[0][0].prompt == expected
    assert engine.batches[0][0].stop == engine.fmt.stop


def test_tool_choice_none_leaves_the_tools_out(http: httpx.Client, engine: Scripted) -> None:
    chat(http, tools=[{"type": "function", "function": {"name": "look"}}], tool_choice="none")

    assert "look" not in str(engine.batches[0][0].prompt)


def test_calls_are_read_from_the_text(http: httpx.Client, engine: Scripted) -> None:
    engine.says = f"<think>so</think>Looking.{CALL}{CALL}"
    (choice,) = chat(http).json()["choices"]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Looking."
    assert choice["message"]["reasoning"] == "so"
    one, other = choice["message"]["tool_calls"]
    assert one["function"] == {"name": "look", "arguments": '{"at": "é"}'}
    assert one["id"] != other["id"]


def test_text_that_is_no_action_is_content(http: httpx.Client, engine: Scripted) -> None:
    engine.says = "<tool_call>{oh no"
    (choice,) = chat(http).json()["choices"]

    assert choice["message"] == {"role": "assistant", "content": "<tool_call>{oh no"}
    assert choice["finish_reason"] == "stop"


def test_call_that_was_cut_says_so(http: httpx.Client, engine: Scripted) -> None:
    engine.says, engine.finish_reason = CALL, "length"

    assert chat(http).json()["choices"][0]["finish_reason"] == "length"


def test_sampling_parameters_come_through(http: httpx.Client, engine: Scripted) -> None:
    complete(http, n=3, temperature=0.3, top_p=0.9, seed=7, max_tokens=5, stop="x", stop_token_ids=[4])
    complete(http, prompt=[1, 2], stop=["a", ""], add_special_tokens=False)
    chat(http, max_completion_tokens=9)

    first, second, third = (batch[0] for batch in engine.batches)
    assert first == SampleJob("Say", 3, 5, 0.3, 0.9, 7, ("x",), (4,), True, False)
    assert second == SampleJob((1, 2), 1, 16, 1.0, 1.0, None, ("a",), (), False, False)
    assert (third.max_tokens, third.special_tokens) == (9, False)


@pytest.mark.parametrize(
    "fields",
    [
        {"stream": False, "frequency_penalty": 0, "presence_penalty": 0.0, "top_k": -1, "user": "me"},
        {"stream": None, "logit_bias": {}, "best_of": 1, "seed": None, "stop": None, "max_tokens": None},
        {"echo": False, "min_p": 0, "repetition_penalty": 1.0, "skip_special_tokens": False, "n": None},
    ],
)
def test_fields_that_ask_for_nothing_are_taken(http: httpx.Client, fields: dict[str, Any]) -> None:
    assert complete(http, **fields).status_code == 200


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stream": True}, "stream: expected False, this server does no other; got 'True'"),
        ({"best_of": 4}, "best_of: expected 1"),
        ({"top_k": 40}, "top_k: expected -1 or 0"),
        ({"logit_bias": {"1": 5}}, "logit_bias: expected {}"),
        ({"prompt_logprobs": 1}, "prompt_logprobs: expected null"),
        ({"logprobs": 5}, "logprobs"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"n": 0}, "n:"),
        ({"n": 500}, "n: expected at most 128, got 500"),
        ({"max_tokens": 5000}, "max_tokens: expected at most 2048, got 5000"),
        ({"prompt": ["one", "two"]}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"colour": "red"}, "colour"),
        ({"colour": None}, "colour"),
    ],
)
def test_other_fields_are_refused_by_name(http: httpx.Client, fields: dict[str, Any], message: str) -> None:
    answer = complete(http, **fields)

    assert answer.status_code == 422
    assert message in answer.json()["error"]["message"]
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["code"] == "invalid_input"


def test_pictures_are_refused(http: httpx.Client) -> None:
    parts = [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    answer = chat(http, messages=[{"role": "user", "content": parts}])

    assert "messages.0: expected text, got a part of type 'image_url'" in answer.json()["error"]["message"]


def test_unknown_model_is_not_found(http: httpx.Client) -> None:
    answer = complete(http, model="gpt")

    assert answer.status_code == 404
    assert "model: this server has 'm', got 'gpt'" in answer.json()["error"]["message"]


def test_prompt_over_the_context_is_too_large(http: httpx.Client) -> None:
    answer = complete(http, prompt="x" * 2000)

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"prompt": "\\ud800"}'])
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_broken_body_is_refused(http: httpx.Client, path: str, body: bytes) -> None:
    answer = http.post(path, content=body)

    assert answer.status_code == 422
    assert answer.json()["error"]["message"]


def test_models_are_listed(http: httpx.Client) -> None:
    (card,) = http.get("/v1/models").json()["data"]

    assert (card["id"], card["max_model_len"], card["version"], card["format"]) == ("m", 1000, "v1", "hermes/1")


def test_health_and_readiness(http: httpx.Client) -> None:
    assert http.get("/health").json() == {"status": "ok"}
    assert http.get("/ready").json() == {"ready": True}


def test_our_own_client_reads_the_answers(http: httpx.Client, engine: Scripted) -> None:
    engine.says = CALL
    with ChatClient(f"{http.base_url}/v1", "m") as client:
        answer = client.chat([{"role": "user", "content": "Hi"}], tools=[Tool(name="look")], n=2)
        text = client.complete("Say").choices[0].message.text

    assert [choice.finish_reason for choice in answer.choices] == ["tool_calls", "tool_calls"]
    assert answer.choices[0].message.tool_calls[0].name == "look"
    assert text == CALL


def test_token_is_wanted_where_there_is_one(engine: Scripted, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    http, stop = serve(engine, token_file=tmp_path / "token")
    try:
        assert complete(http).status_code == 401
        assert http.get("/v1/models").status_code == 401
        assert http.get("/ready").status_code == 200
        http.headers["authorization"] = "Bearer t0ken"
        assert complete(http).status_code == 200
    finally:
        stop()


def test_other_bind_than_loopback_needs_a_token(engine: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIVOTGYM_TOKEN_FILE", raising=False)

    with pytest.raises(ConfigError, match="no bearer token is set"):
        create_policy_server(engine, PolicySettings(host="0.0.0.0"))
