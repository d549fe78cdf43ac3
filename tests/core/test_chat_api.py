from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastapi.responses import PlainTextResponse, Response
from hypothesis import given
from hypothesis import strategies as st
from openai_server import Answer, OpenAIServer, called, dropped, failed, said, wrote

from pivotgym.core import Message, Tool, ToolCall
from pivotgym.core.chat_api import AsyncChatClient, ChatClient, Completion
from pivotgym.core.chat_wire import Attempts, ChatOptions, Wait, read_completion, to_openai
from pivotgym.core.errors import (
    ConfigError,
    Full,
    InfrastructureError,
    InputError,
    NotFound,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unreachable,
)

USER = [{"role": "user", "content": "Hello"}]
KEY = "sk-very-secret"


def ask(answer: Answer, retries: int = 0, **options: Any) -> tuple[Completion, OpenAIServer]:
    with OpenAIServer(answer) as server, ChatClient(server.url, "m", retries=retries, **options) as client:
        return client.chat(USER), server


def then_good(*bad: Any) -> Answer:
    return lambda body, number: bad[number] if number < len(bad) else said("good")


def attempts(retries: int = 2, deadline_s: float = 100.0) -> Attempts:
    return Attempts("/x", b"{}", ChatOptions("http://h/v1", "m", KEY, 30.0, retries, deadline_s), begun=0.0)


def test_message_and_usage_come_back() -> None:
    completion, _ = ask(lambda *_: said("Hi"))

    assert (completion.choices[0].message.text, completion.choices[0].finish_reason) == ("Hi", "stop")
    assert (completion.prompt_tokens, completion.completion_tokens) == (7, 3)


def test_tool_calls_are_read() -> None:
    completion, _ = ask(lambda *_: called("ls", '{"a": 1}'))

    assert completion.choices[0].message.tool_calls == [ToolCall(name="ls", arguments={"a": 1}, id="c1")]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thinking_is_read_under_either_name(name: str) -> None:
    completion, _ = ask(lambda *_: said("Hi", **{name: "hm"}))

    assert completion.choices[0].message.reasoning == "hm"


def test_request_holds_model_tools_and_fields_but_no_unset_ones() -> None:
    with OpenAIServer(lambda *_: said("Hi")) as server, ChatClient(server.url, "m") as client:
        client.chat(USER, tools=[Tool(name="ls")], temperature=0, stop=None)

    (body,) = server.bodies
    assert {"model": "m", "temperature": 0, "messages": USER}.items() <= body.items()
    assert body["tools"][0]["function"]["name"] == "ls"
    assert "stop" not in body


def test_text_is_continued() -> None:
    with OpenAIServer(lambda *_: wrote(" world")) as server, ChatClient(server.url, "m") as client:
        completion = client.complete("Hello", max_tokens=3)

    assert completion.choices[0].message.text == " world"
    assert {"path": "/completions", "prompt": "Hello", "max_tokens": 3}.items() <= server.bodies[0].items()


def test_async_client_gives_the_same() -> None:
    async def main(url: str) -> tuple[Completion, Completion]:
        async with AsyncChatClient(url, "m") as client:
            return await client.chat(USER), await client.complete("x")

    with OpenAIServer(then_good(failed(500))) as server:
        first, second = asyncio.run(main(server.url))
    assert first == second == read_completion(said("good"))


@pytest.mark.parametrize(
    "bad",
    [failed(429), failed(500), failed(503), dropped(), PlainTextResponse("<html>"), Response(b'{"choices": []}')],
    ids=["429", "500", "503", "dropped", "html", "no choices"],
)
def test_what_may_pass_is_tried_again(bad: Response) -> None:
    completion, server = ask(then_good(bad), retries=1)

    assert completion.choices[0].message.text == "good"
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (failed(401, f"bad key {KEY}"), Unauthorized, r"status 401: bad key \[api key\]"),
        (failed(403), Unauthorized, "status 403"),
        (failed(404, "no model m"), NotFound, "status 404: no model m .*know the model 'm'"),
        (failed(400, "maximum context length is 8"), TooLarge, "status 400: maximum context length is 8"),
        (failed(413), TooLarge, "status 413"),
        (failed(400, "n must be 1"), InputError, "status 400: n must be 1"),
        (failed(422), InputError, "status 422"),
    ],
)
def test_what_cannot_pass_is_raised_at_once(
    bad: Response, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_KEY", KEY)
    with pytest.raises(error, match=message) as caught:
        ask(then_good(bad), retries=3, api_key_env="CHAT_KEY")

    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (failed(429, "slow down"), Full, "status 429: slow down"),
        (failed(500, "oops"), InfrastructureError, "status 500: oops"),
        (dropped(), Unreachable, "no answer in 1 try; the last failed with RemoteProtocolError"),
        (PlainTextResponse("<html>"), InfrastructureError, "something unusable: expected an object with a list"),
    ],
)
def test_without_tries_left_it_is_an_infrastructure_error(bad: Response, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ask(lambda *_: bad)


async def ask_async(url: str, **options: Any) -> Completion:
    async with AsyncChatClient(url, "m", **options) as client:
        return await client.chat(USER)


def ask_sync(url: str, **options: Any) -> Completion:
    with ChatClient(url, "m", **options) as client:
        return client.chat(USER)


@pytest.mark.parametrize("ask_it", [ask_sync, lambda *a, **k: asyncio.run(ask_async(*a, **k))], ids=["sync", "async"])
def test_slow_server_is_timed_out(ask_it: Callable[..., Completion]) -> None:
    go_on = threading.Event()

    def late(*_: Any) -> dict[str, Any]:
        go_on.wait(20)
        return said("late")

    with OpenAIServer(late) as server:
        with pytest.raises(TimedOut, match=r"no answer in 2 tries; .*raise timeout_s"):
            ask_it(server.url, timeout_s=0.1, retries=1)
        go_on.set()


def test_server_that_is_not_there_is_unreachable() -> None:
    with (
        ChatClient("http://127.0.0.1:1/v1", "m", retries=0) as client,
        pytest.raises(Unreachable, match="is the server up"),
    ):
        client.chat(USER)


def test_waits_grow_and_jitter() -> None:
    trying = attempts(retries=5)
    for number in range(1, 6):
        wait = trying.answered(503, {}, b"", 0.0)
        assert 0.125 * 2**number <= wait <= 0.25 * 2**number


@pytest.mark.parametrize("after", ["7", "7.0"])
def test_retry_after_is_honoured(after: str) -> None:
    assert attempts().answered(429, {"retry-after": after}, b"", 0.0) == 7.0


def test_retry_after_may_be_a_date() -> None:
    with pytest.raises(Full) as caught:
        attempts().answered(429, {"retry-after": "Fri, 01 Jan 2999 00:00:00 GMT"}, b"", 0.0)
    assert caught.value.retry_after_s > 1e9


def test_no_try_is_begun_after_the_deadline() -> None:
    with pytest.raises(Full):
        attempts(deadline_s=5).answered(429, {"retry-after": "7"}, b"", 0.0)


def test_time_out_of_a_try_ends_at_the_deadline() -> None:
    assert (attempts(deadline_s=10).timeout_s(4.0), attempts().timeout_s(0.0)) == (6.0, 30.0)


def test_key_is_sent_from_a_file_and_never_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    caplog.set_level(logging.DEBUG)
    _, server = ask(lambda *_: said("Hi"), api_key_file=tmp_path / "key")

    assert KEY not in repr(ChatOptions("http://h/v1", "m", KEY))
    assert server.bodies[0]["authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "server:1"}, "base_url: expected an http or https address, got 'server:1'"),
        ({"base_url": "http://[::"}, "base_url: expected an http or https address"),
        ({"base_url": "http://me:pass@h/v1"}, "base_url: expected an address without user and password in it"),
        ({"retries": -1}, "retries, timeout_s, deadline_s: expected"),
        ({"timeout_s": 0}, "retries, timeout_s, deadline_s: expected"),
        ({"api_key_env": "NO_SUCH_KEY"}, "the environment variable 'NO_SUCH_KEY' is not set or empty"),
        ({"api_key_env": "ODD_KEY"}, "holds something that is no key"),
        ({"api_key_file": "/no/such/file"}, "'/no/such/file' cannot be read: FileNotFoundError"),
        ({"api_key_env": "A", "api_key_file": "b"}, "expected at most one of them, got both"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_KEY", "two\nlines")
    with pytest.raises(ConfigError, match=message) as caught:
        ChatClient(**{"base_url": "http://h/v1", "model": "m", **options})

    assert "pass@" not in str(caught.value)


def test_calls_get_ids_and_results_name_them() -> None:
    call = ToolCall(name="ls")
    sent = to_openai(
        [
            Message(role="assistant", tool_calls=[call, call]),
            Message(role="tool", content="a"),
            Message(role="tool", content="b"),
            Message(role="assistant", tool_calls=[ToolCall(name="ls", id="own")]),
            Message(role="tool", content="c"),
        ]
    )

    assert [made["id"] for made in sent[0]["tool_calls"]] == ["call_0", "call_1"]
    assert [made.get("tool_call_id") for made in sent[1:]] == ["call_0", "call_1", None, "own"]


def test_only_standard_fields_are_sent() -> None:
    odd = Message.model_validate({"role": "developer", "content": "x", "reasoning": "y", "mood": "z"})

    assert to_openai([odd]) == [{"role": "system", "content": "x"}]


JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(JSON)
def test_any_json_is_a_completion_or_a_value_error(body: Any) -> None:
    for shaped in (body, {"choices": body}, {"choices": [body]}, {"choices": [{"message": body}]}):
        with suppress(ValueError):
            assert read_completion(shaped).choices


@given(status=st.integers(200, 599), content=st.binary(max_size=40))
def test_any_unusable_answer_is_a_wait_or_an_error_of_the_caller(status: int, content: bytes) -> None:
    with suppress(InputError):
        assert isinstance(attempts().answered(status, {}, content, 0.0), Wait)
