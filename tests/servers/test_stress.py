"""Many clients at once, some of which leave in the middle of a call: nothing is mixed up, and nothing stays behind."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from toy_domain import Store, call

from pivotgym.servers.serve import BackgroundServer

Serving = Callable[..., BackgroundServer]
CLIENTS = 12


def eventually(condition: Callable[[], bool], within_s: float = 20.0) -> bool:
    ends = time.monotonic() + within_s
    while not condition() and time.monotonic() < ends:
        time.sleep(0.05)
    return condition()


def metrics(http: httpx.Client) -> str:
    return http.get("/metrics").text


def total(page: str, name: str) -> float:
    """A figure, summed over its labels."""
    return sum(map(float, re.findall(rf"^pivotgym_{name}(?:{{[^}}]*}})? (.*)$", page, re.MULTILINE)))


class Hammer:
    """One client: acts at random, and checks that its sessions hold what it put there."""

    def __init__(self, url: str, number: int) -> None:
        self.url, self.number = url, number
        self.random = random.Random(number)
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=20)
        self.mine: dict[str, str] = {}
        self.drawn = 0

    def key(self) -> str:
        self.drawn += 1
        return f"{self.number}.{self.drawn}"

    def run(self, rounds: int) -> None:
        acts = [self.create, self.create_twice, self.write, self.write, self.read, self.fork, self.delete, self.leave]
        acts += [self.bad]
        with self.http:
            for _ in range(rounds):
                self.random.choice(acts)()
            for session in self.mine:
                assert self.http.delete(f"/sessions/{session}").status_code == 200

    def post(self, path: str, **body: Any) -> httpx.Response:
        answer = self.http.post(path, json=body)
        assert answer.status_code in (200, 404, 409, 422, 503), answer.text
        return answer

    def session(self) -> str | None:
        return self.random.choice(list(self.mine)) if self.mine else None

    def create(self) -> None:
        answer = self.post("/sessions", task_id=f"goal-{self.number % 3}")
        if answer.status_code == 200:
            self.mine[answer.json()["session_id"]] = "None"

    def create_twice(self) -> None:
        key = self.key()
        answers = [self.post("/sessions", task_id="goal-0", idempotency_key=key) for _ in range(2)]
        made = {answer.json()["session_id"] for answer in answers if answer.status_code == 200}
        assert len(made) <= 1
        self.mine.update(dict.fromkeys(made, "None"))

    def write(self) -> None:
        if (session := self.session()) is None:
            return
        value = self.key()
        body = {"action": call("set", key="own", value=value).to_json(), "idempotency_key": value}
        answers = [self.post(f"/sessions/{session}/step", **body) for _ in range(2)]
        assert answers[0].content == answers[1].content
        if answers[0].status_code == 200:
            self.mine[session] = value

    def read(self) -> None:
        if (session := self.session()) is None:
            return
        answer = self.post(f"/sessions/{session}/step", action=call("get", key="own").to_json())
        if answer.status_code == 200:
            assert answer.json()["observation"] == self.mine[session]

    def fork(self) -> None:
        if (session := self.session()) is None:
            return
        answer = self.post(f"/sessions/{session}/fork", idempotency_key=self.key())
        if answer.status_code == 200:
            self.mine[answer.json()["session_id"]] = self.mine[session]

    def delete(self) -> None:
        if (session := self.session()) is not None:
            assert self.http.delete(f"/sessions/{session}").status_code == 200
            del self.mine[session]
            assert self.post(f"/sessions/{session}/step", action={"content": "hi"}).status_code == 404

    def bad(self) -> None:
        assert self.post("/sessions", task_id="goal-0", surprise=1).status_code == 422
        assert self.post("/verify", pivot_id="nowhere", action={}).status_code == 404

    def leave(self) -> None:
        """Ask for something, and leave at once or a little later."""
        slow = call("sleep", seconds=0.02).to_json()
        path, body = self.random.choice(
            [
                ("/sessions", {"task_id": "goal-0"}),
                ("/sessions", {"task_id": "goal-0", "idempotency_key": self.key()}),
                ("/verify", {"pivot_id": "toy/a:0", "action": slow}),
                ("/verify/batch", {"items": [{"pivot_id": "toy/a:1", "actions": [slow] * 5}]}),
                (f"/sessions/{self.session()}/fork", {}),
            ]
        )
        content = json.dumps(body).encode()
        if self.random.random() < 0.3:
            content = content[: len(content) // 2]
        host, port = self.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as wire:
            wire.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(json.dumps(body))}\r\n\r\n".encode())
            wire.sendall(content)
            time.sleep(self.random.choice([0, 0.005, 0.02]))


@pytest.mark.parametrize("rounds", [25, pytest.param(400, marks=pytest.mark.slow)])
def test_many_clients_leave_nothing_behind(serving: Serving, rounds: int) -> None:
    worlds, threads = Store.live, threading.active_count()
    server = serving(threads=4, max_sessions=60, idle_timeout_s=3.0)
    with ThreadPoolExecutor(CLIENTS) as clients:
        for done in [clients.submit(Hammer(server.url, number).run, rounds) for number in range(CLIENTS)]:
            done.result()
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert eventually(lambda: total(metrics(http), "sessions_live") == 0), "a session that nobody closed is reaped"
        assert eventually(lambda: total(metrics(http), "pool_unfinished") == 0)
        page = metrics(http)
        assert total(page, "requests_total") == total(page, "request_seconds_count") > CLIENTS * rounds / 2
        assert Store.live - worlds == total(page, "states_cached")
    server.stop()
    assert eventually(lambda: Store.live == worlds)
    assert eventually(lambda: threading.active_count() <= threads)
