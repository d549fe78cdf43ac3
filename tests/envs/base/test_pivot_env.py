import json
import warnings

import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv
from toy_counter import CounterDomain, add, pivot

from pivotgym.core.errors import ConfigError, InputError, NotFound, UnknownOption, WrongState
from pivotgym.envs.base.pivot_env import PivotEnv

PIVOTS = [pivot((n, str(2 + n))).model_copy(update={"id": f"t{n}:1"}) for n in range(4)]
RIGHT = json.dumps(add(3).to_json())


@pytest.fixture
def env() -> PivotEnv:
    return PivotEnv(CounterDomain(), PIVOTS)


@pytest.mark.parametrize("horizon", ["pivot", "episode"])
def test_it_passes_gymnasiums_checker_without_warnings(horizon) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # what others left, collected now
        check_env(PivotEnv(CounterDomain(), PIVOTS, horizon=horizon), skip_render_check=True)


def test_tasks_pass_gymnasiums_checker_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # what others left, collected now
        check_env(PivotEnv(CounterDomain(), horizon="episode"), skip_render_check=True)


def test_one_action_ends_at_a_pivot(env: PivotEnv) -> None:
    env.reset(options={"pivot_id": "t2:1"})
    observation, reward, terminated, truncated, _ = env.step(RIGHT)
    assert (observation, reward, terminated, truncated) == ("", 1.0, True, False)


def test_the_seed_draws_the_pivot(env: PivotEnv) -> None:
    drawn = [env.reset(seed=7)[0] for _ in range(3)]
    assert len(set(drawn)) == 1
    assert len({env.reset(seed=seed)[0] for seed in range(30)}) == 4


def test_a_pivot_can_be_given_whole(env: PivotEnv) -> None:
    assert env.reset(options={"pivot": pivot((9, "11"))})[0] == "11"
    assert env.reset(options={"pivot": pivot((9, "11")).to_json()})[0] == "11"


def test_a_task_is_an_episode(env: PivotEnv) -> None:
    observation, info = env.reset(options={"task_id": "to_seven"})
    assert (observation, info["horizon"]) == ("Make it five.", "episode")


def test_text_that_is_no_message_is_invalid(env: PivotEnv) -> None:
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step("hello")
    assert (reward, terminated, info["verdict"]["outcome"]) == (0.0, True, "invalid")


def test_unknown_options_are_named(env: PivotEnv) -> None:
    with pytest.raises(UnknownOption, match=r"expected one of .*'task_id'\], got \['level'\]"):
        env.reset(options={"level": 3})


def test_several_starts_are_refused(env: PivotEnv) -> None:
    with pytest.raises(UnknownOption, match=r"at most one of .*, got \['pivot_id', 'task_id'\]"):
        env.reset(options={"task_id": "to_seven", "pivot_id": "t0:1"})


def test_an_unknown_pivot_is_not_found(env: PivotEnv) -> None:
    with pytest.raises(NotFound, match="has 4 pivots, none is 'x'"):
        env.reset(options={"pivot_id": "x"})


def test_a_bad_pivot_is_refused(env: PivotEnv) -> None:
    with pytest.raises(InputError, match=r"options\['pivot'\]: expected a pivot, but id: Field required"):
        env.reset(options={"pivot": {"domain": "counter"}})


def test_step_before_reset_is_refused(env: PivotEnv) -> None:
    with pytest.raises(WrongState, match="no episode has begun"):
        env.step(RIGHT)


def test_nothing_to_draw_from_is_said() -> None:
    with pytest.raises(NotFound, match="was given no pivots"):
        PivotEnv(CounterDomain()).reset()


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="horizon: expected 'pivot' or 'episode', got 'day'"):
        PivotEnv(CounterDomain(), horizon="day")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="render_mode: expected None, got 'human'"):
        PivotEnv(CounterDomain(), render_mode="human")  # type: ignore[arg-type]


def test_close_can_be_called_twice(env: PivotEnv) -> None:
    env.reset(seed=0)
    env.close()
    env.close()

    with pytest.raises(WrongState, match="no episode"):
        env.step(RIGHT)


def test_it_runs_in_a_vector_environment() -> None:
    envs = SyncVectorEnv([lambda: PivotEnv(CounterDomain(), PIVOTS) for _ in range(3)])
    observations, _ = envs.reset(seed=1)
    _, rewards, terminated, _, _ = envs.step((RIGHT, RIGHT, "no"))
    assert len(observations) == 3
    assert (list(rewards), list(terminated)) == ([1.0, 1.0, 0.0], [True, True, True])
    envs.close()


def test_a_domain_is_found_by_its_path() -> None:
    assert PivotEnv("toy_counter:CounterDomain", PIVOTS).runtime.domain.name == "counter"
