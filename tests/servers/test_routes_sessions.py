from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from toy_domain import call, make_pivot

from pivotgym.core.errors import NotFound, TimedOut, WorldFailed, WrongState
from pivotgym.core.messages import Action
from pivotgym.servers.client import Client

DONE = Action(content="done")


def test_pivot_session_ends_after_one_action_with_the_verifiers_reward(client: Client) -> None:
    with client.session(pivot_id="toy/a:0") as session:
        result = session.step(call("set", key="color", value="red"))
    assert (result.reward, result.terminated, result.truncated) == (1.0, True, False)


def test_session_shows_the_state(client: Client) -> None:
    with client.session(pivot=make_pivot(9)) as session:
        assert session.observation == "paint it red, please (9)"
        assert session.info["messages"] == [{"role": "user", "content": "paint it red, please (9)"}]


def test_trajectory_and_turn_name_a_pivot(client: Client) -> None:
    with client.session(trajectory_id="toy/a", turn=2) as session:
        assert session.describe()["pivot_id"] == "toy/a:2"


def test_task_session_runs_to_the_tasks_outcome(client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        assert session.step(call("set", key="goal", value=1)).observation == "1"
        assert session.step(DONE)[1:4] == (1.0, True, False)


def test_step_after_the_end_is_409(client: Client) -> None:
    with client.session(pivot_id="toy/a:0") as session:
        session.step(DONE)
        with pytest.raises(WrongState):
            session.step(DONE)


def test_fork_is_independent(client: Client) -> None:
    with client.session(task_id="goal-1") as session, session.fork() as copy:
        copy.step(call("set", key="goal", value=1))
        assert copy.step(DONE).reward == 1.0
        assert session.step(DONE).reward == 0.0


def test_description_counts_steps_and_knows_the_end(client: Client) -> None:
    with client.session(task_id="goal-0", seed=5) as session:
        session.step(call("get", key="goal"))
        before = session.describe()
        session.step(DONE)
        after = session.describe()
    assert (before["steps"], before["state"], before["seed"]) == (1, "live", 5)
    assert (after["steps"], after["state"]) == (2, "ended")


def test_digest_follows_the_world(client: Client) -> None:
    with client.session(task_id="goal-0") as session, client.session(task_id="goal-0") as twin:
        session.step(call("set", key="x", value=1))
        assert session.describe()["digest"] != twin.describe()["digest"]
        twin.step(call("set", key="x", value=1))
        assert session.describe()["digest"] == twin.describe()["digest"]


def test_closing_twice_does_nothing(http: httpx.Client, client: Client) -> None:
    session = client.session(pivot_id="toy/a:0")
    answers = [http.delete(f"/sessions/{session.id}") for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"session_id": session.id, "closed": True}] * 2


def test_closed_session_says_that_it_was_closed(client: Client) -> None:
    session = client.session(pivot_id="toy/a:0")
    session.close()
    with pytest.raises(NotFound, match=r"no live session .*: it was closed by a client"):
        session.step(DONE)


def test_session_nobody_made_is_404(http: httpx.Client) -> None:
    for answer in (http.get("/sessions/zz"), http.delete("/sessions/zz"), http.post("/sessions/zz/fork", json={})):
        assert answer.status_code == 404
        assert answer.json()["message"].startswith("session_id: no live session 'zz': this server never had it")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "pivot_id, pivot, trajectory_id, task_id: expected exactly one of them, got none"),
        (
            {"pivot_id": "toy/a:0", "task_id": "goal-0"},
            "pivot_id, pivot, trajectory_id, task_id: expected exactly one of them, got pivot_id and task_id",
        ),
        ({"trajectory_id": "toy/a"}, "turn: expected together with trajectory_id and only then"),
        ({"pivot_id": "toy/a:0", "turn": 0}, "turn: expected together with trajectory_id and only then"),
        ({"pivot_id": "toy/a:0", "options": {"speed": 2}}, "body: options.speed: Extra inputs are not permitted"),
        ({"pivot_id": "toy/a:0", "sed": 2}, "body: sed: Extra inputs are not permitted"),
        ({"pivot_id": "toy/a:0", "seed": -1}, "body: seed: Input should be greater than or equal to 0"),
    ],
)
def test_wrong_request_names_the_field(http: httpx.Client, body: dict[str, Any], message: str) -> None:
    answer = http.post("/sessions", json=body)
    assert answer.status_code == 422
    assert answer.json()["message"] == message


def test_unknown_task_is_404(client: Client) -> None:
    with pytest.raises(NotFound, match="goal-9"):
        client.session(task_id="goal-9")


def test_step_that_outlives_its_timeout_is_504_and_the_session_stays_usable(client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        with pytest.raises(TimedOut, match="still being carried out") as caught:
            session.step(call("sleep", seconds=0.3), timeout_s=0.1)
        assert caught.value.session_id == session.id
        assert session.step(call("set", key="goal", value=1), timeout_s=5).observation == "1"
        assert session.describe()["steps"] == 2


def test_busy_session_says_so(client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        with pytest.raises(TimedOut):
            session.step(call("sleep", seconds=0.3), timeout_s=0.1)
        assert session.describe()["busy"] is True


def test_step_that_never_got_its_turn_is_not_carried_out(client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        with pytest.raises(TimedOut):
            session.step(call("sleep", seconds=0.5), timeout_s=0.1)
        with pytest.raises(TimedOut, match="this one was not begun"):
            session.step(call("set", key="goal", value=1), timeout_s=0.1)
        assert session.step(DONE, timeout_s=5).reward == 0.0


def test_session_whose_world_broke_answers_the_same_error_from_then_on(client: Client) -> None:
    with client.session(task_id="goal-1") as session:
        for action in (call("break"), call("get", key="goal")):
            with pytest.raises(WorldFailed, match="the store caught fire"):
                session.step(action)
        assert session.describe()["state"] == "failed"


def test_slow_session_does_not_hold_up_others(client: Client) -> None:
    with (
        client.session(task_id="goal-1") as slow,
        client.session(task_id="goal-1") as quick,
        ThreadPoolExecutor(1) as threads,
    ):
        waiting = threads.submit(slow.step, call("sleep", seconds=0.5))
        assert quick.step(call("get", key="goal")).observation == "None"
        assert not waiting.done()


def test_concurrent_steps_of_one_session_are_taken_one_after_the_other(client: Client) -> None:
    with client.session(task_id="goal-1") as session, ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda n: session.step(call("set", key=str(n), value=n)), range(6)))
        assert session.describe()["steps"] == 6
