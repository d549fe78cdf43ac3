"""Whole tasks in the terminal, from the first action to the outcome."""

import pytest

from pivotgym.core.formats.terminus import Answer, Keystrokes, write_terminus
from pivotgym.core.messages import Action, ToolCall
from pivotgym.envs.base.runtime import Runtime


@pytest.fixture(scope="module")
def runtime(terminals):
    made = Runtime(terminals)
    yield made
    made.close()


@pytest.fixture
def episode(runtime):
    return runtime.open(runtime.tasks()[0])


def bash(command: str) -> Action:
    return Action(tool_calls=(ToolCall(name="bash", arguments={"command": command}),))


def played(runtime, task, actions):
    episode, result = runtime.open(task), None
    for action in actions:
        result = episode.step(action)
    return result


def test_the_experts_actions_solve_a_task(runtime):
    task = runtime.tasks()[0]
    result = played(runtime, task, [*task.gold[0], Action(content="Done.")])
    assert (result.reward, result.terminated) == (1.0, True)


def test_doing_nothing_does_not(runtime):
    result = played(runtime, runtime.tasks()[0], [Action(content="Done.")])
    assert (result.reward, result.terminated) == (0.0, True)


def test_a_session_goes_on_from_action_to_action(episode):
    episode.step(bash("cd /tmp && export COLOUR=red"))
    assert episode.step(bash("pwd; echo $COLOUR")).observation == "/tmp\nred\n"


def test_broken_json_gives_the_reason_as_the_next_observation(episode):
    result = episode.step(Action(content='{"analysis": "x", "plan": "y", "commands": [{"keys": "ls"}]}'))
    assert "the field 'keystrokes' is missing" in result.observation
    assert not result.terminated


def test_keys_are_answered_by_the_screen(episode):
    result = episode.step(Action(content=write_terminus(Answer((Keystrokes("echo $((6*7))\n", 5),)))))
    assert "42" in result.observation
    assert not result.terminated


def test_a_claim_ends_the_episode(episode):
    result = episode.step(Action(content=write_terminus(Answer((), complete=True))))
    assert (result.terminated, result.reward) == (True, 0.0)


def test_a_forked_episode_goes_its_own_way(episode):
    episode.step(bash("cd /tmp && touch here"))
    fork = episode.fork()
    episode.step(bash("rm here"))
    assert fork.step(bash("ls")).observation.strip() == "here"
