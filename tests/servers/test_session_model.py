"""Sessions against a model of them: any order of creating, acting, repeating, forking and closing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test
from toy_domain import Store, call

from pivotgym.servers.serve import BackgroundServer

Serving = Callable[..., BackgroundServer]
KEYS = st.sampled_from("abc")
VALUES = st.integers(0, 3) | st.text(max_size=3)


class Sessions(RuleBasedStateMachine):
    """Each session is a dictionary and a number of steps; `told` remembers what a step's key was answered."""

    http: httpx.Client
    sessions = Bundle("sessions")
    closed = Bundle("closed")

    @initialize()
    def begin(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}
        self.steps: dict[str, int] = {}
        self.told: dict[tuple[str, str], tuple[dict[str, Any], int, bytes]] = {}

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.http.post(path, json=body)

    def born(self, answer: httpx.Response, values: dict[str, Any], steps: int) -> str:
        name = str(answer.json()["session_id"])
        assert name not in self.values
        self.values[name], self.steps[name] = dict(values), steps
        return name

    @rule(target=sessions, route=st.sampled_from(["/sessions", "/reset"]))
    def create(self, route: str) -> str:
        return self.born(self.post(route, task_id="goal-0"), {}, 0)

    @rule(session=sessions, key=KEYS, value=VALUES, once=st.none() | KEYS)
    def act(self, session: str, key: str, value: Any, once: str | None) -> None:
        action = call("set", key=key, value=value).to_json()
        answer = self.post(f"/sessions/{session}/step", action=action, idempotency_key=once)
        before = self.told.get((session, once)) if once is not None else None
        if before is not None:
            if before[0] == action:
                assert (answer.status_code, answer.content) == before[1:]
            else:
                assert answer.status_code == 409
            return
        if self.steps[session] >= 8:
            assert answer.status_code == 409
        else:
            assert answer.json()["observation"] == str(value)
            self.values[session][key] = value
            self.steps[session] += 1
        if once is not None:
            self.told[session, once] = (action, answer.status_code, answer.content)

    @rule(session=sessions, key=KEYS)
    def look(self, session: str, key: str) -> None:
        answer = self.post(f"/sessions/{session}/step", action=call("get", key=key).to_json())
        if self.steps[session] >= 8:
            assert answer.status_code == 409
        else:
            assert answer.json()["observation"] == str(self.values[session].get(key))
            self.steps[session] += 1

    @rule(session=sessions)
    def describe(self, session: str) -> None:
        about = self.http.get(f"/sessions/{session}").json()
        ended = "ended" if self.steps[session] >= 8 else "live"
        assert (about["steps"], about["state"], about["busy"]) == (self.steps[session], ended, False)

    @rule(target=sessions, session=sessions)
    def fork(self, session: str) -> str:
        answer = self.post(f"/sessions/{session}/fork")
        return self.born(answer, self.values[session], self.steps[session])

    @rule(session=sessions)
    def reset_in_place(self, session: str) -> None:
        assert self.post("/reset", session_id=session, task_id="goal-1").json()["session_id"] == session
        self.values[session], self.steps[session] = {}, 0

    @rule(
        session=sessions, action=st.sampled_from([{}, {"content": 1}, {"tool_calls": [{}]}, {"role": "user"}, None, 7])
    )
    def act_wrongly(self, session: str, action: Any) -> None:
        answer = self.post(f"/sessions/{session}/step", action=action)
        if answer.status_code == 200:
            self.steps[session] += 1
        else:
            assert answer.status_code in (409, 422)

    @rule(target=closed, session=consumes(sessions))
    def close(self, session: str) -> str:
        assert self.http.delete(f"/sessions/{session}").status_code == 200
        return session

    @rule(session=closed)
    def ask_after_closing(self, session: str) -> None:
        assert self.http.delete(f"/sessions/{session}").status_code == 200
        for answer in (
            self.http.get(f"/sessions/{session}"),
            self.post(f"/sessions/{session}/step", action=call("get", key="a").to_json()),
            self.post(f"/sessions/{session}/fork"),
            self.post("/reset", session_id=session, task_id="goal-1"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
            assert "it was closed by a client" in answer.json()["message"]

    def teardown(self) -> None:
        for session in getattr(self, "values", ()):
            self.http.delete(f"/sessions/{session}")


@pytest.fixture
def http(serving: Serving) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serving().url, trust_env=False, timeout=20) as made:
        yield made


@pytest.mark.parametrize("examples", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_sessions_behave_like_their_model(http: httpx.Client, examples: int) -> None:
    worlds = Store.live
    machine = type("Machine", (Sessions,), {"http": http})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert "pivotgym_sessions_live 0.0" in http.get("/metrics").text
    assert Store.live <= worlds + 2, "the starts of the two tasks are kept"
