"""A policy server over an engine that says what a test tells it to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from pivotgym.core.errors import PolicyFailed, TooLarge
from pivotgym.core.formats import Format, get_format
from pivotgym.core.policy_server import JobResult, OnResult, SampledText, SampleJob
from pivotgym.servers.policy.app import create_policy_server
from pivotgym.servers.policy.settings import PolicySettings
from pivotgym.servers.running import OnThread, uvicorn_server


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


def serve(engine: Scripted, **settings: Any) -> tuple[httpx.Client, Callable[[], None]]:
    """A client of a new server, and what stops it."""
    read = PolicySettings.load({"port": 0, "model": "m", "refresh_s": 0.05, **settings})
    server = OnThread(lambda: uvicorn_server(create_policy_server(engine, read), read), read)
    http = httpx.Client(base_url=server.url, trust_env=False, timeout=20)

    def stop() -> None:
        http.close()
        server.stop()

    return http, stop


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
