from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv
from toy_domain import StoreDomain, call, make_pivot

from pivotgym.core.errors import ConfigError, NotFound, UnknownOption, WrongState
from pivotgym.servers.client.remote_env import RemoteEnv
from pivotgym.servers.serve import BackgroundServer

RED = json.dumps(call("set", key="color", value="red").to_json())
DONE = json.dumps({"role": "assistant", "content": "done"})


@pytest.fixture
def env(server: BackgroundServer) -> Iterator[RemoteEnv]:
    made = RemoteEnv(server.url)
    yield made
    made.close()


@pytest.mark.parametrize("horizon", ["pivot", "episode"])
def test_passes_gymnasiums_checker_without_a_warning(server: BackgroundServer, horizon: Any) -> None:
    env = RemoteEnv(server.url, horizon=horizon)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # what others left, collected now
        check_env(env, skip_render_check=True)
    env.close()


def test_pivot_horizon_gives_the_verifiers_reward(env: RemoteEnv) -> None:
    observation, info = env.reset(options={"pivot_id": "toy/a:2"})
    assert observation == info["messages"][-1]["content"] == "paint it red, please (2)"
    assert env.step(RED)[1:4] == (1.0, True, False)


def test_whole_pivot_may_be_given(env: RemoteEnv) -> None:
    for pivot in (make_pivot(33), make_pivot(33).to_json()):
        assert env.reset(options={"pivot": pivot})[0] == "paint it red, please (33)"


def test_task_runs_to_its_outcome(env: RemoteEnv) -> None:
    env.reset(options={"task_id": "goal-1"})
    env.step(json.dumps(call("set", key="goal", value=1).to_json()))
    assert env.step(DONE)[1:4] == (1.0, True, False)


def test_seed_draws_the_same_pivot(env: RemoteEnv) -> None:
    drawn = [env.reset(seed=seed)[0] for seed in (1, 1, 2, 3, 4, 5)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_runs_in_a_vector_of_environments(server: BackgroundServer) -> None:
    envs = SyncVectorEnv([lambda: RemoteEnv(server.url)] * 3)
    envs.reset(seed=0, options={"pivot_id": "toy/a:0"})
    assert list(envs.step([RED, DONE, RED])[1]) == [1.0, 0.0, 1.0]
    envs.close()


def test_text_that_is_no_message_is_an_invalid_action(env: RemoteEnv) -> None:
    env.reset(options={"pivot_id": "toy/a:2"})
    *_, info = env.step("hello")
    assert info["verdict"]["outcome"] == "invalid"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pivot": None, "speed": 1}, r"options: expected one of .*, got \['speed'\]"),
        ({"task_id": "a", "pivot_id": "b"}, r"options: expected at most one of .*, got \['pivot_id', 'task_id'\]"),
    ],
)
def test_wrong_options_are_named(env: RemoteEnv, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownOption, match=message):
        env.reset(options=options)


def test_nothing_to_draw_from_says_what_to_do() -> None:
    with BackgroundServer(StoreDomain()) as server:
        env = RemoteEnv(server.url)
        with pytest.raises(NotFound, match="nothing to draw from: the server knows no pivots"):
            env.reset()
        env.close()


def test_step_before_reset_is_refused(env: RemoteEnv) -> None:
    with pytest.raises(WrongState, match="step: no episode has begun"):
        env.step(DONE)


def test_step_after_the_end_is_refused(env: RemoteEnv) -> None:
    env.reset(options={"pivot_id": "toy/a:2"})
    env.step(DONE)
    with pytest.raises(WrongState):
        env.step(DONE)


@pytest.mark.parametrize("arguments", [{"horizon": "forever"}, {"render_mode": "human"}])
def test_wrong_construction_is_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(arguments))}: expected"):
        RemoteEnv("http://127.0.0.1:1", **arguments)
