"""The policy server's wire and queue, over an engine that says what a test tells it to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from pivotgym.core.chat_api import ChatClient
from pivotgym.core.errors import ConfigError, PolicyFailed, TooLarge
from pivotgym.core.formats import Format, get_format
from pivotgym.core.messages import Message, Tool
from pivotgym.core.policy_server import JobResult, OnResult, SampledText, SampleJob
from pivotgym.servers.policy.app import create_policy_server
from pivotgym.servers.policy.settings import PolicySettings
from pivotgym.servers.running import OnThread, uvicorn_server

CALL = '<tool_call>\n{"name": "look", "arguments": {"at": "é"}}\n</tool_call>'


class Scripted:
    """An engine whose samples are given; its tokens are characters.

    Attributes:
        says: Text of every sample.
        finish_reason: Of every sample.
        batches: The jobs, as they were handed over.
        may_work: Cleared, the engine stops at its next batch until it is set.
        error: Raised instead of sampling.
    """

    def __init__(self) -> None:
        self.may_work = threading.Event()
        self.begin_again()

    def begin_again(self) -> None:
        self.says, self.finish_reason = "Hello.", "stop"
        self.batches: list[list[SampleJob]] = []
        self.may_work.set()
        self.error: Exception | None = None
        self.versions = ["v1"]
        self.context_length = 1000

    @property
    def fmt(self) -> Format:
        return get_format("hermes")

    @property
    def version(self) -> str:
        return self.versions[0]

    def refresh(self) -> bool:
        if len(self.versions) == 1:
            return False
        del self.versions[0]
        if self.version == "broken":
            del self.versions[0]
            raise PolicyFailed("the newer weights are broken")
        return True

    def sample(self, jobs: Sequence[SampleJob], on_result: OnResult) -> None:
        self.batches.append(list(jobs))
        self.may_work.wait(20)
        if self.error is not None:
            raise self.error
        for index, job in enumerate(jobs):
            prompt = tuple(map(ord, job.prompt)) if isinstance(job.prompt, str) else job.prompt
            if len(prompt) >= self.context_length:
                on_result(index, TooLarge("prompt: the model's context length is 1000 tokens"))
                continue
            ids = tuple(map(ord, self.says))
            texts = tuple(self.says) if job.token_texts else ()
            sample = SampledText(self.says, ids, (-0.5,) * len(ids), self.finish_reason, texts)
            on_result(index, JobResult(prompt, (sample,) * job.count, self.version))


Serving = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Scripted, httpx.Client]]:
    """One engine and one server for tests that need none of their own."""
    engine = Scripted()
    http, stop = serve(engine)
    yield engine, http
    stop()


def serve(engine: Scripted, **settings: Any) -> tuple[httpx.Client, Callable[[], None]]:
    """A client of a new server, and what stops it."""
    read = PolicySettings.load({"port": 0, "model": "m", "refresh_s": 0.05, **settings})
    server = OnThread(lambda: uvicorn_server(create_policy_server(engine, read), read), read)
    return httpx.Client(base_url=server.url, trust_env=False, timeout=20), server.stop


@pytest.fixture
def engine(shared: tuple[Scripted, httpx.Client]) -> Iterator[Scripted]:
    engine, _ = shared
    engine.begin_again()
    yield engine
    engine.may_work.set()


@pytest.fixture
def http(shared: tuple[Scripted, httpx.Client], engine: Scripted) -> httpx.Client:
    return shared[1]


@pytest.fixture
def serving(engine: Scripted) -> Iterator[Serving]:
    """Starts servers over the engine, with settings of the test's own."""
    stops: list[Callable[[], None]] = []

    def start(**settings: Any) -> httpx.Client:
        http, stop = serve(engine, **settings)
        stops.append(stop)
        return http

    yield start
    engine.may_work.set()
    for stop in stops:
        stop()


def complete(http: httpx.Client, **fields: Any) -> httpx.Response:
    return http.post("/v1/completions", json={"model": "m", "prompt": "Say", **fields})


def chat(http: httpx.Client, **fields: Any) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return http.post("/v1/chat/completions", json=body)


def eventually(condition: Callable[[], bool], within_s: float = 20.0) -> bool:
    ends = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.01)
    return True


def figure(http: httpx.Client, name: str) -> float:
    line = next(line for line in http.get("/metrics").text.splitlines() if line.startswith(f"{name} "))
    return float(line.rpartition(" ")[2])


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


def test_requests_that_wait_are_worked_at_together(serving: Serving, engine: Scripted) -> None:
    http = serving()
    engine.may_work.clear()
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(complete, http)
        assert eventually(lambda: len(engine.batches) == 1)
        rest = [threads.submit(complete, http, prompt=f"p{number}", n=2) for number in range(6)]
        assert eventually(lambda: figure(http, "pivotgym_policy_waiting") == 6)
        engine.may_work.set()
        assert all(done.result().status_code == 200 for done in [first, *rest])

    assert [len(batch) for batch in engine.batches] == [1, 6]
    assert figure(http, "pivotgym_policy_tokens_total") == 13 * 6


def test_requests_that_differ_are_worked_at_apart(http: httpx.Client, engine: Scripted) -> None:
    engine.may_work.clear()
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(complete, http)]
        assert eventually(lambda: len(engine.batches) == 1)
        for number, limit in enumerate((5, 9, 5, 9)):
            asked.append(threads.submit(complete, http, max_tokens=limit))
            assert eventually(lambda number=number: figure(http, "pivotgym_policy_waiting") == number + 1)
        engine.may_work.set()
        assert all(done.result().status_code == 200 for done in asked)

    assert [[job.max_tokens for job in batch] for batch in engine.batches] == [[16], [5, 5], [9, 9]]


def test_batch_is_bounded_by_its_samples(serving: Serving, engine: Scripted) -> None:
    http = serving(batch_samples=4)
    engine.may_work.clear()
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(complete, http)]
        assert eventually(lambda: len(engine.batches) == 1)
        asked += [threads.submit(complete, http, n=2) for _ in range(3)]
        assert eventually(lambda: figure(http, "pivotgym_policy_waiting") == 3)
        engine.may_work.set()
        assert all(done.result().status_code == 200 for done in asked)

    assert [sum(job.count for job in batch) for batch in engine.batches] == [1, 4, 2]


def test_full_queue_refuses_with_a_time_to_come_again(serving: Serving, engine: Scripted) -> None:
    http = serving(max_waiting=1)
    engine.may_work.clear()
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(complete, http)]
        assert eventually(lambda: len(engine.batches) == 1)
        asked.append(threads.submit(complete, http))
        assert eventually(lambda: figure(http, "pivotgym_policy_waiting") == 1)
        refused = complete(http)
        engine.may_work.set()
        assert all(done.result().status_code == 200 for done in asked)

    assert (refused.status_code, refused.json()["code"]) == (503, "full")
    assert int(refused.headers["retry-after"]) >= 1


def test_request_whose_client_left_is_not_worked_at(http: httpx.Client, engine: Scripted) -> None:
    engine.may_work.clear()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(complete, http)
        assert eventually(lambda: len(engine.batches) == 1)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{http.base_url}/v1/completions", json={"prompt": "gone"}, timeout=0.2, trust_env=False)
        assert eventually(lambda: 'code="client_gone"' in http.get("/metrics").text)
        engine.may_work.set()
        assert first.result().status_code == 200
    complete(http, prompt="last")

    assert [job.prompt for batch in engine.batches for job in batch] == ["Say", "last"]


def test_late_answer_is_a_time_out(serving: Serving, engine: Scripted) -> None:
    http = serving(timeout_s=0.1)
    engine.may_work.clear()
    answer = complete(http)

    assert (answer.status_code, answer.json()["code"]) == (504, "timeout")
    assert "no answer within 0.1 s" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PolicyFailed("out of memory"), "out of memory"),
        (KeyError("secret-of-the-inside"), "the engine failed unexpectedly"),
    ],
)
def test_engine_that_fails_is_our_fault_and_goes_on(
    http: httpx.Client, engine: Scripted, error: Exception, message: str
) -> None:
    engine.error = error
    answer = complete(http)
    engine.error = None

    assert (answer.status_code, answer.json()["code"]) == (503, "policy_failed")
    assert answer.json()["message"] == message
    assert complete(http).status_code == 200


def test_newer_weights_are_taken_between_requests(http: httpx.Client, engine: Scripted) -> None:
    assert complete(http).json()["system_fingerprint"] == "v1"
    engine.versions.append("v2")
    assert eventually(lambda: complete(http).json()["system_fingerprint"] == "v2")


def test_newer_weights_that_are_broken_are_counted(http: httpx.Client, engine: Scripted) -> None:
    engine.versions += ["broken", "v3"]
    assert eventually(lambda: 'pivotgym_policy_refreshes_total{ok="false"} 1.0' in http.get("/metrics").text)
    assert complete(http).status_code == 200


def test_token_is_wanted_where_there_is_one(serving: Serving, tmp_path: Any) -> None:
    (tmp_path / "token").write_text("t0ken")
    http = serving(token_file=tmp_path / "token")

    assert complete(http).status_code == 401
    assert http.get("/v1/models").status_code == 401
    assert http.get("/ready").status_code == 200
    http.headers["authorization"] = "Bearer t0ken"
    assert complete(http).status_code == 200


def test_other_bind_than_loopback_needs_a_token(engine: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIVOTGYM_TOKEN_FILE", raising=False)

    with pytest.raises(ConfigError, match="no bearer token is set"):
        create_policy_server(engine, PolicySettings(host="0.0.0.0"))
