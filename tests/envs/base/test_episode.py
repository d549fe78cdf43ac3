import pytest
from toy_counter import CounterDomain, add, pivot, say
from toy_stored import StoredDomain

from pivotgym.core.errors import WrongState
from pivotgym.core.messages import Action, Malformed, ToolCall
from pivotgym.envs.base.runtime import Runtime


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(CounterDomain())


@pytest.fixture
def task(runtime: Runtime):
    return runtime.open(runtime.task("to_seven"))


def test_a_pivot_episode_shows_the_unanswered_messages(runtime: Runtime) -> None:
    episode = runtime.open(pivot((1, "3")))
    assert episode.observation == "3"
    assert [message["role"] for message in episode.info["messages"]] == ["user", "assistant", "tool"]


def test_a_pivot_episode_terminates_with_the_verifiers_reward(runtime: Runtime) -> None:
    result = runtime.open(pivot()).step(add(3))
    assert (result.reward, result.terminated, result.truncated) == (1.0, True, False)
    assert result.info["verdict"]["outcome"] == "equivalent"


def test_a_step_after_the_end_is_refused(runtime: Runtime) -> None:
    episode = runtime.open(pivot())
    episode.step(add(3))
    with pytest.raises(WrongState, match="the episode ended after 1 steps"):
        episode.step(add(3))


def test_a_step_after_close_is_refused(task) -> None:
    task.close()
    task.close()
    with pytest.raises(WrongState, match="the episode was closed"):
        task.step(add(3))
    with pytest.raises(WrongState, match="fork: the episode was closed"):
        task.fork()


def test_a_task_runs_calls_and_shows_results(task) -> None:
    result = task.step(add(3))
    assert (result.observation, result.reward, result.terminated) == ("5", 0.0, False)


def test_a_message_without_calls_brings_the_next_user_turn(task) -> None:
    task.step(add(3))
    assert task.step(say()).observation == "Now seven."


def test_the_last_turns_end_pays_the_outcome(task) -> None:
    for action in (add(3), say(), add(2)):
        task.step(action)
    result = task.step(say())
    assert (result.reward, result.terminated) == (1.0, True)


def test_a_task_not_done_pays_nothing(task) -> None:
    task.step(say())
    assert task.step(say())[1:3] == (0.0, True)


def test_a_task_is_truncated_at_its_limit(task) -> None:
    results = [task.step(add(1)) for _ in range(6)]
    assert [result.truncated for result in results] == [False] * 5 + [True]


def test_a_malformed_action_is_answered_and_counts(task) -> None:
    result = task.step(Malformed(text="{", reason="no JSON"))
    assert result.observation == "Error: the last message could not be read: no JSON"
    assert (task.steps, result.terminated) == (1, False)


def test_a_tool_that_was_not_offered_is_not_run(task) -> None:
    result = task.step(Action(tool_calls=(ToolCall(name="reset"),)))
    assert result.observation == "Error during execution: no tool is called 'reset'; the tools are ['add', 'read']"


def test_a_fork_goes_its_own_way(task) -> None:
    task.step(add(3))
    fork = task.fork()
    fork.step(add(1))
    assert task.digest() != fork.digest()
    assert len(task.messages) + 2 == len(fork.messages)


def test_a_task_can_go_on_from_a_pivot(runtime: Runtime) -> None:
    episode = runtime.open(pivot((3, "5")), horizon="episode")
    for action in (say(), add(2)):
        episode.step(action)
    assert episode.step(say()).reward == 1.0


def test_equal_runs_give_equal_info(runtime: Runtime) -> None:
    runs = [runtime.open(pivot((1, "3"))) for _ in range(2)]
    assert runs[0].info == runs[1].info
    assert runs[0].step(add(4)) == runs[1].step(add(4))


def test_digests_tell_states_apart(runtime: Runtime) -> None:
    assert runtime.open(pivot((1, "3"))).digest() != runtime.open(pivot((2, "4"))).digest()
    assert runtime.open(pivot(kind="none")).digest() == pivot(kind="none").digest


def test_a_text_that_acts_is_run_and_answered() -> None:
    runtime = Runtime(StoredDomain())
    episode = runtime.open(runtime.task("to_seven"))
    assert episode.step(Action(content="add 3")).observation == "5"
