"""OpenEnv's own client and its validation against a real server of ours.

Slow because importing openenv takes seconds; it is imported by the tests, so that nobody else waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from toy_domain import call

from pivotgym.servers.serve import BackgroundServer

pytestmark = pytest.mark.slow
Serving = Callable[..., BackgroundServer]
RED, BLUE = (call("set", key="color", value=value).to_json() for value in ("red", "blue"))
PIVOT = {"pivot_id": "toy/a:1"}


def theirs(module: str) -> Any:
    return pytest.importorskip(f"openenv.{module}", reason="openenv-core is not installed")


def client(url: str) -> Any:
    return theirs("core.generic_client").GenericEnvClient(url + "/openenv").sync()


def live(url: str) -> int:
    page = httpx.get(url + "/metrics", trust_env=False).text
    return int(
        float(next(line.split()[1] for line in page.splitlines() if "sessions_live " in line and line[0] != "#"))
    )


@pytest.fixture
def env(server: BackgroundServer) -> Any:
    with client(server.url) as made:
        yield made


def test_injected_state_is_a_reset_to_a_pivot(env: Any) -> None:
    begun = env.reset(injected_state=PIVOT)
    assert (begun.observation["text"], begun.reward, begun.done) == ("paint it red, please (1)", None, False)
    assert [tool["function"]["name"] for tool in begun.observation["info"]["tools"]][:2] == ["set", "get"]


@pytest.mark.parametrize(("action", "reward", "outcome"), [(RED, 1.0, "equivalent"), (BLUE, 0.0, "different")])
def test_a_step_at_a_pivot_gives_the_verdict(env: Any, action: Any, reward: float, outcome: str) -> None:
    env.reset(injected_state=PIVOT)
    done = env.step(action)
    assert (done.reward, done.done, done.observation["info"]["verdict"]["outcome"]) == (reward, True, outcome)


def test_a_typed_actions_metadata_is_not_read(env: Any) -> None:
    env.reset(injected_state=PIVOT)
    assert env.step({**RED, "metadata": {"rollout": 7}}).reward == 1.0


def test_text_is_read_in_its_format(env: Any) -> None:
    env.reset(injected_state=PIVOT)
    text = '<tool_call>{"name": "set", "arguments": {"key": "color", "value": "red"}}</tool_call>'
    assert env.step({"text": text, "format": "hermes"}).reward == 1.0


def test_a_whole_pivot_may_be_injected(env: Any, server: BackgroundServer) -> None:
    pivot = httpx.get(server.url + "/pivots/toy/a:2", trust_env=False).json()
    assert env.reset(injected_state={"pivot": pivot}).observation["text"] == "paint it red, please (2)"


def test_a_trajectorys_turn_may_be_injected(env: Any) -> None:
    begun = env.reset(injected_state={"trajectory_id": "toy/a", "turn": 3})
    assert begun.observation["text"] == "paint it red, please (3)"


def test_a_task_is_played_to_its_outcome(env: Any) -> None:
    env.reset(injected_state={"task_id": "goal-2"})
    assert env.step(call("set", key="goal", value=2).to_json()).done is False
    done = env.step({"content": "done"})
    assert (done.reward, done.done) == (1.0, True)


def test_without_a_state_equal_seeds_draw_the_same_pivot(env: Any) -> None:
    drawn = {seed: [env.reset(seed=seed).observation["text"] for _ in range(2)] for seed in range(8)}
    assert all(first == again for first, again in drawn.values())
    assert len({first for first, _ in drawn.values()}) > 1


def test_the_horizon_episode_draws_a_task(env: Any) -> None:
    begun = env.reset(seed=1, options={"horizon": "episode"})
    assert begun.observation["text"].startswith("make the goal")


def test_state_tells_the_episode_and_its_steps(env: Any) -> None:
    env.reset(injected_state={"task_id": "goal-2"}, episode_id="mine")
    env.step(RED)
    state = theirs("core.env_server.types").State.model_validate(env.state())
    assert (state.episode_id, state.step_count, state.task_id, state.state) == ("mine", 1, "goal-2", "live")


def test_state_before_a_reset_is_openenvs_own(env: Any) -> None:
    state = theirs("core.env_server.types").State
    assert state.model_validate(env.state()) == state()


def test_a_second_reset_takes_the_same_slot(serving: Serving) -> None:
    url = serving(max_sessions=1).url
    with client(url) as env:
        env.reset(injected_state=PIVOT)
        assert env.reset(injected_state={"task_id": "goal-1"}).observation["text"] == "make the goal 1"
        assert live(url) == 1


def test_closing_the_client_closes_the_session(serving: Serving) -> None:
    url = serving(max_sessions=1).url
    for _ in range(3):
        with client(url) as env:
            env.reset(injected_state=PIVOT)
    assert live(url) == 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"injected_state": {"pivot_id": "no/such:0"}}, "no pivot 'no/such:0'.*SESSION_ERROR"),
        ({"injected_state": {}}, "expected exactly one of them, got none.*VALIDATION_ERROR"),
        ({"injected_state": {"pivot_id": "toy/a:1", "task_id": "goal-1"}}, "exactly one.*VALIDATION_ERROR"),
        ({"injected_state": {"seed": 1}}, "injected_state.seed: .*VALIDATION_ERROR"),
        ({"difficulty": "hard"}, "difficulty: .*VALIDATION_ERROR"),
        ({"seed": -1}, "seed: .*VALIDATION_ERROR"),
    ],
    ids=["unknown", "none", "two", "not_a_state", "unknown_option", "bad_seed"],
)
def test_a_reset_that_cannot_be_is_refused(env: Any, asked: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        env.reset(**asked)


def test_an_action_that_is_none_is_refused_and_the_episode_goes_on(env: Any) -> None:
    env.reset(injected_state=PIVOT)
    with pytest.raises(RuntimeError, match=r"action.*VALIDATION_ERROR"):
        env.step({"move": "left"})
    assert env.step(RED).reward == 1.0


@pytest.mark.parametrize("tool", ["break", "crash"])
def test_a_failure_of_the_server_is_an_error_and_no_reward(env: Any, tool: str) -> None:
    env.reset(injected_state=PIVOT)
    with pytest.raises(RuntimeError, match="EXECUTION_ERROR") as failed:
        env.step(call(tool).to_json())
    assert "secret-of-the-inside" not in str(failed.value)


def test_a_step_after_the_end_is_refused(env: Any) -> None:
    env.reset(injected_state=PIVOT)
    env.step(RED)
    with pytest.raises(RuntimeError, match=r"the episode ended after 1 steps.*SESSION_ERROR"):
        env.step(RED)


def test_the_token_goes_as_the_addresss_password(serving: Serving, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("bearer-secret")
    url = serving(token_file=token).url
    with client(url.replace("://", "://openenv:bearer-secret@")) as env:
        assert env.reset(injected_state=PIVOT).done is False
    with pytest.raises(ConnectionError, match="401"):
        client(url.replace("://", "://openenv:another@")).connect()


def test_openenvs_validation_passes(server: BackgroundServer) -> None:
    report = theirs("cli._validation").validate_running_environment(server.url + "/openenv")
    assert report["passed"], report["criteria"]
    assert (report["mode"], report["summary"]["failed_criteria"]) == ("production", [])
