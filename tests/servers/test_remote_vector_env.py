from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics
from toy_domain import Store, StoreDomain, call, make_pivot

from pivotgym.core.errors import ConfigError, InputError, NotFound, UnknownOption, WorldFailed, WrongState
from pivotgym.envs.base.pivot_env import PivotEnv
from pivotgym.servers.client.remote_env import RemoteEnv
from pivotgym.servers.client.remote_vector_env import EnvsFailed, RemoteVectorEnv
from pivotgym.servers.serve import BackgroundServer

RED = json.dumps(call("set", key="color", value="red").to_json())
BREAK = json.dumps(call("break").to_json())
DONE = json.dumps({"role": "assistant", "content": "done"})
Making = Callable[..., RemoteVectorEnv]
MODES = list(AutoresetMode)


@pytest.fixture
def making(server: BackgroundServer) -> Iterator[Making]:
    """Makes vector environments, which are closed after the test."""
    made: list[RemoteVectorEnv] = []

    def make(num_envs: int = 3, **arguments: Any) -> RemoteVectorEnv:
        made.append(RemoteVectorEnv(server.url, num_envs, **arguments))
        return made[-1]

    yield make
    for envs in made:
        envs.close()


def same(first: Any, second: Any) -> bool:
    """Equality of results that hold arrays."""
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return first.dtype == second.dtype and all(map(same, first.tolist(), second.tolist()))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, tuple | list) and isinstance(second, tuple | list):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


@pytest.mark.parametrize("horizon", ["pivot", "episode"])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_equals_gymnasiums_vector_of_single_environments(
    server: BackgroundServer, making: Making, horizon: Any, mode: AutoresetMode
) -> None:
    ours = making(horizon=horizon, autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: RemoteEnv(server.url, horizon=horizon)] * 3, autoreset_mode=mode)
    actions = [(RED, DONE, "no message"), (DONE, DONE, RED), (RED, RED, RED), (DONE, RED, DONE)]

    assert same(ours.reset(seed=5), theirs.reset(seed=5))
    for row in actions:
        assert same(ours.step(row), theirs.step(row))
    theirs.close()


@pytest.mark.parametrize("mode", MODES)
def test_declares_its_mode_and_its_spaces(making: Making, mode: AutoresetMode) -> None:
    envs = making(autoreset_mode=mode.value)

    observations, _ = envs.reset(seed=1)

    assert envs.metadata["autoreset_mode"] is mode
    assert RemoteVectorEnv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert observations in envs.observation_space
    assert (RED, RED, RED) in envs.action_space
    assert envs.single_observation_space == envs.single_action_space


def test_results_have_one_value_for_each_environment(making: Making) -> None:
    envs = making()
    envs.reset(options={"pivot_id": "toy/a:0"})

    _, rewards, ended, cut, _ = envs.step([RED, DONE, RED])

    assert [(array.shape, array.dtype) for array in (rewards, ended, cut)] == [
        ((3,), float),
        ((3,), bool),
        ((3,), bool),
    ]
    assert (rewards.tolist(), ended.all(), cut.any()) == ([1.0, 0.0, 1.0], True, False)


def test_each_environment_may_have_a_start_of_its_own(making: Making) -> None:
    observations, _ = making().reset(options={"pivot_id": ["toy/a:2", "toy/a:0", "toy/a:1"]})
    assert [text[-2] for text in observations] == ["2", "0", "1"]

    observations, _ = making(2).reset(options={"pivot": [make_pivot(7), make_pivot(8).to_json()]})
    assert [text[-2] for text in observations] == ["7", "8"]


def test_sessions_act_at_the_same_time(making: Making) -> None:
    # As many as the server has threads; each waits until all of them have come.
    barrier, run = threading.Barrier(3), Store._call

    def meet(self: Store, made: Any) -> str:
        barrier.wait(20)
        return run(self, made)

    envs = making(horizon="episode")
    envs.reset(options={"task_id": "goal-1"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "_call", meet)
        envs.step([json.dumps(call("get", key="x").to_json())] * 3)

    assert barrier.n_waiting == 0
    assert not barrier.broken


def test_mask_resets_only_those(making: Making) -> None:
    envs = making(autoreset_mode="Disabled")
    envs.reset(options={"pivot_id": "toy/a:0"})
    envs.step([DONE] * 3)

    observations, infos = envs.reset(options={"pivot_id": "toy/a:1", "reset_mask": np.array([False, True, False])})

    assert observations == ("", "paint it red, please (1)", "")
    assert infos["_messages"].tolist() == [False, True, False]


def test_ended_environment_that_nothing_resets_is_named(making: Making) -> None:
    envs = making(autoreset_mode="Disabled")
    envs.reset(options={"pivot_id": "toy/a:0"})
    envs.step([DONE] * 3)
    envs.reset(options={"reset_mask": np.array([True, True, False])})

    with pytest.raises(WrongState, match=r"the environments \[2\] have ended or failed.*'Disabled'.*reset_mask"):
        envs.step([DONE] * 3)


@pytest.mark.parametrize("mode", MODES)
def test_failure_of_one_names_it_and_leaves_the_others_usable(making: Making, mode: AutoresetMode) -> None:
    envs = making(horizon="episode", autoreset_mode=mode)
    envs.reset(options={"task_id": "goal-1"})
    look = json.dumps(call("get", key="x").to_json())

    with pytest.raises(EnvsFailed, match="step: 1 of 3 environments failed; environment 1 with world_failed") as caught:
        envs.step([look, BREAK, look])

    observations, rewards, *_ = caught.value.results
    assert isinstance(caught.value.errors[1], WorldFailed)
    assert observations == ("None", "", "None")
    assert np.isnan(rewards).tolist() == [False, True, False]
    if mode is not AutoresetMode.NEXT_STEP:
        with pytest.raises(WrongState, match=r"the environments \[1\] have ended or failed"):
            envs.step([look] * 3)
        envs.reset(options={"task_id": "goal-1", "reset_mask": np.array([False, True, False])})
    observations, rewards, ended, *_ = envs.step([look] * 3)
    assert (observations[0], observations[2], ended.any(), np.isnan(rewards).any()) == ("None", "None", False, False)


def test_session_that_the_server_forgot_fails_alone(making: Making, http: httpx.Client) -> None:
    envs = making()
    envs.reset(options={"pivot_id": "toy/a:0"})
    http.delete(f"/sessions/{envs.session_ids[1]}")

    with pytest.raises(EnvsFailed, match="environment 1 with not_found") as caught:
        envs.step([RED] * 3)

    assert caught.value.results[1][[0, 2]].tolist() == [1.0, 1.0]
    assert not np.isnan(envs.step([RED] * 3)[1]).any()


def test_failure_at_a_reset_names_it_too(serving: Callable[..., BackgroundServer]) -> None:
    envs = RemoteVectorEnv(serving(max_sessions=2).url, 3, retries=0)
    with pytest.raises(EnvsFailed, match=r"reset: 1 of 3 environments failed; environment \d with full") as caught:
        envs.reset(options={"pivot_id": "toy/a:0"})
    envs.close()

    assert sorted(map(len, caught.value.results[0]))[0] == 0
    assert len(set(caught.value.results[0])) == 2


def test_unreachable_server_fails_all() -> None:
    envs = RemoteVectorEnv("http://127.0.0.1:1", 2, retries=0)
    with pytest.raises(EnvsFailed, match="reset: 2 of 2 environments failed; environment 0 with unreachable") as caught:
        envs.reset(options={"pivot_id": "toy/a:0"})
    envs.close()

    assert caught.value.details == {"indices": [0, 1]}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pivot_id": ["toy/a:0", "x", "x"]}, NotFound, "environment 1: "),
        ({"speed": 1}, UnknownOption, r"expected one of .*, got \['speed'\]"),
        ({"pivot_id": "a", "task_id": "b"}, UnknownOption, "expected at most one of"),
        ({"pivot_id": ["a"]}, UnknownOption, r"options\['pivot_id'\]: expected 3 values, got 1"),
        ({"pivot": {"id": 3}}, InputError, r"options\['pivot'\]: expected a pivot, but"),
        ({"reset_mask": [1, 0, 0]}, UnknownOption, r"options\['reset_mask'\]: expected 3 booleans"),
        ({"reset_mask": np.zeros(3, dtype=bool)}, UnknownOption, "at least one of them true"),
    ],
)
def test_wrong_options_are_named(making: Making, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        making().reset(options=options)


@pytest.mark.parametrize("actions", [[DONE], [DONE, DONE, 3], []])
def test_actions_must_be_one_text_each(making: Making, actions: Any) -> None:
    envs = making()
    envs.reset()
    with pytest.raises(InputError, match="actions: expected 3 texts"):
        envs.step(actions)


def test_step_before_reset_is_refused(making: Making) -> None:
    with pytest.raises(WrongState, match="step: no episode has begun"):
        making().step([DONE] * 3)


def test_seeds_may_be_given_one_by_one(making: Making) -> None:
    envs = making()
    assert envs.reset(seed=[4, 5, 6])[0] == envs.reset(seed=4)[0]
    with pytest.raises(InputError, match="seed: expected 3 numbers, got 1"):
        envs.reset(seed=[1])


@pytest.mark.parametrize(
    "arguments", [{"num_envs": 0}, {"horizon": "forever"}, {"render_mode": "human"}, {"autoreset_mode": "never"}]
)
def test_wrong_construction_is_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(arguments))}: expected"):
        RemoteVectorEnv(**{"base_url": "http://127.0.0.1:1", "num_envs": 1, **arguments})


def test_closing_makes_room_for_others_and_ends_the_thread(serving: Callable[..., BackgroundServer]) -> None:
    server = serving(max_sessions=3)
    for _ in range(2):
        envs = RemoteVectorEnv(server.url, 3, retries=0)
        envs.reset(options={"pivot_id": "toy/a:0"})
        envs.close()
        envs.close()

    assert not [thread for thread in threading.enumerate() if thread.name == "pivotgym-vector-env"]


def test_works_inside_a_running_event_loop(making: Making) -> None:
    async def main() -> int:
        return len(making().reset(options={"pivot_id": "toy/a:0"})[0])

    assert asyncio.run(main()) == 3


def test_gymnasiums_vector_wrappers_work(making: Making) -> None:
    envs = DictInfoToList(RecordEpisodeStatistics(making()))
    envs.reset(options={"pivot_id": "toy/a:0"})

    *_, infos = envs.step([RED, DONE, RED])

    assert [info["episode"]["r"] for info in infos] == [1.0, 0.0, 1.0]
    assert infos[1]["verdict"]["outcome"] == "different"


@pytest.mark.parametrize("kind", [SyncVectorEnv, lambda fns: AsyncVectorEnv(fns, shared_memory=False)])
def test_local_environments_work_in_gymnasiums_vectors(kind: Any) -> None:
    envs = kind([lambda: PivotEnv(StoreDomain(), [make_pivot(number) for number in range(3)])] * 2)
    envs.reset(seed=0)
    assert envs.step((RED, DONE))[1].tolist() == [1.0, 0.0]
    envs.close()
