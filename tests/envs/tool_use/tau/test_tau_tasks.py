import json
from collections import Counter
from pathlib import Path

import pytest

from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.readers.chat import read_chat
from pivotgym.core.trajectory import steps_of
from pivotgym.envs.base.contract import Task
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.tool_use import domain
from pivotgym.envs.tool_use.facts_told import told
from pivotgym.envs.tool_use.tau.tasks import read

CANCEL = {"name": "cancel_reservation", "kwargs": {"reservation_id": "AAA111"}}
ROW = {
    "id": "run-1",
    "env": "tau-bench/airline",
    "task_id": 7,
    "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
    "instruction": "You are Ann. Cancel your trip.",
    "gold_actions": [CANCEL],
    "outputs": [90],
}


def tasks_of(folder: Path, *rows: dict) -> list[Task]:
    (folder / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read(folder / "runs.jsonl"))


def play(runtime: Runtime, task: Task, *actions: Action | str) -> float:
    """What an episode pays; the last message is said again until the user has nothing more to say."""
    episode = runtime.open(task)
    for action in actions:
        if episode.done:
            break
        result = episode.step(action if isinstance(action, Action) else Action(content=action))
    while not (result.terminated or result.truncated):
        result = episode.step(Action(content=str(actions[-1])))
    assert result.terminated
    return result.reward


@pytest.fixture
def runtime(start) -> Runtime:
    return Runtime(domain())


def test_a_row_becomes_a_task(tmp_path: Path) -> None:
    (task,) = tasks_of(tmp_path, ROW)
    assert (task.id, task.origin.get("toolkit")) == ("tau-bench/airline/7", "airline")
    assert [message.text for message in task.messages] == ["Be kind.", "Hi"]
    assert task.metadata == {"instruction": ROW["instruction"], "outputs": ["90"], "gold_writes": True}
    assert len(task.tools) == 14


def test_handing_over_to_a_person_ends_the_episode(tmp_path: Path, runtime: Runtime) -> None:
    (task,) = tasks_of(tmp_path, ROW)
    episode = runtime.open(task)
    transfer = ToolCall(name="transfer_to_human_agents", arguments={"summary": "They asked for it."})
    result = episode.step(Action(tool_calls=(transfer,)))
    assert (result.terminated, result.reward) == (True, 0.0)


def test_a_hand_over_that_fails_ends_nothing(tmp_path: Path, runtime: Runtime) -> None:
    (task,) = tasks_of(tmp_path, ROW)
    result = runtime.open(task).step(Action(tool_calls=(ToolCall(name="transfer_to_human_agents", arguments={}),)))
    assert not result.terminated


def test_no_call_follows_a_hand_over_in_the_same_action(tmp_path: Path, runtime: Runtime) -> None:
    (task,) = tasks_of(tmp_path, ROW)
    transfer = ToolCall(name="transfer_to_human_agents", arguments={"summary": "They asked for it."})
    cancel = ToolCall(name="cancel_reservation", arguments={"reservation_id": "AAA111"})
    done = []
    for calls in ((cancel,), (transfer, cancel), (cancel, transfer)):
        world = runtime.domain.world()
        world.start(task.origin, 0)
        done.append(world.run(Action(tool_calls=calls)))
    assert done[1].observations[1] == "Error: the conversation was handed over, no call can follow"
    assert (done[1].failed, done[1].detail["changed"]) == ([False, True], [True, False])
    assert len({effects.state for effects in done}) == 3


def test_runs_of_one_task_are_one_task(tmp_path: Path) -> None:
    assert len(tasks_of(tmp_path, ROW, ROW | {"id": "run-2"}, ROW | {"id": "run-3", "task_id": 8})) == 2


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    tasks_of(tmp_path, ROW)
    (tmp_path / "more.jsonl").write_text(json.dumps(ROW | {"task_id": 8}))
    assert [task.id for task in read(tmp_path)] == ["tau-bench/airline/8", "tau-bench/airline/7"]


def test_tools_are_those_of_the_file_beside(tmp_path: Path) -> None:
    (tmp_path / "airline_tools.json").write_text('[{"type": "function", "function": {"name": "get_user_details"}}]')
    (task,) = tasks_of(tmp_path, ROW)
    assert [tool.name for tool in task.tools] == ["get_user_details"]


def test_rows_that_ask_for_nothing_are_no_tasks(tmp_path: Path) -> None:
    plain = {key: value for key, value in ROW.items() if key != "instruction"}
    assert tasks_of(tmp_path, plain, ROW | {"env": "other"}, ROW | {"messages": []}) == []


def test_a_scripted_replay_is_a_task(tmp_path: Path) -> None:
    calls = [CANCEL["name"], "get_user_details"]
    said = [
        {"role": "assistant", "tool_calls": [{"name": name, "arguments": CANCEL["kwargs"], "id": name}]}
        for name in calls
    ]
    rows = {key: ROW[key] for key in ("id", "env")} | {"synthetic": True, "messages": ROW["messages"] + said}
    (task,) = tasks_of(tmp_path, rows)
    assert (task.id, task.metadata["instruction"]) == ("run-1", "Hi")
    assert [[action.tool_calls[0].name for action in turn] for turn in task.gold] == [["cancel_reservation"]]


@pytest.mark.parametrize("bad", ["cancel", {"name": "cancel"}, {"kwargs": {}}, {"name": "a", "kwargs": "b"}])
def test_gold_actions_must_be_calls(tmp_path: Path, bad: object) -> None:
    with pytest.raises(
        InputError, match=r"trajectory 'run-1': gold_actions: expected objects with `name` and `kwargs`"
    ):
        tasks_of(tmp_path, ROW | {"gold_actions": [bad]})


def test_the_gold_state_and_the_facts_pay(tmp_path: Path, runtime: Runtime) -> None:
    (task,) = tasks_of(tmp_path, ROW)
    gold = task.gold[0][0]
    assert play(runtime, task, gold, "Your $90 come back.") == 1.0
    assert play(runtime, task, gold, "Done.") == 0.0
    assert play(runtime, task, "Your $90 come back.") == 0.0


def test_another_way_to_the_same_state_pays(tmp_path: Path, runtime: Runtime) -> None:
    (task,) = tasks_of(tmp_path, ROW | {"outputs": []})
    look = Action(tool_calls=(ToolCall(name="get_reservation_details", arguments=CANCEL["kwargs"]),))
    assert play(runtime, task, look, task.gold[0][0], "Done.") == 1.0
    assert play(runtime, task, task.gold[0][0], task.gold[0][0], "Done.") == 0.0


def test_what_a_fork_said_is_its_own(tmp_path: Path, runtime: Runtime) -> None:
    (task,) = tasks_of(tmp_path, ROW)
    world = runtime.states.get(task.origin, [])
    fork = world.fork()
    fork.run(Action(content="$90"))
    for one in (world, fork):
        one.run(task.gold[0][0])
    assert (world.outcome(task), fork.outcome(task)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("outputs", "messages", "expected"),
    [
        ([], [], True),
        (["1628"], ["That makes $1,628.00."], True),
        (["Blue"], ["It is blue"], True),
        (["10", "20"], ["10 now", "20 later"], True),
        (["10", "20"], ["10 now"], False),
        (["32"], ["132, 320 or 5.32"], False),
        (["54.04"], ["$54.04!"], True),
    ],
)
def test_facts_are_found_in_messages(outputs: list[str], messages: list[str], expected: bool) -> None:
    assert told(outputs, messages) is expected


def test_every_gold_pays_and_doing_nothing_pays_where_nothing_is_to_be_done(real: Path) -> None:
    runtime = Runtime(domain(), max_states=8)
    counts = Counter()
    for task in read(real):
        gold = play(runtime, task, *task.gold[0], "Bye.")
        counts[task.origin.get("toolkit"), task.metadata["gold_writes"], gold, play(runtime, task, "Bye.")] += 1
    assert counts == {
        ("airline", True, 1.0, 0.0): 6,
        ("airline", False, 1.0, 1.0): 15,
        ("retail", True, 1.0, 0.0): 60,
    }


def test_recorded_outcomes_come_out_again(real: Path) -> None:
    """But for one failed run, whose task asks for a fact (`outputs`) that the file does not carry."""
    runtime = Runtime(domain(), max_states=8)
    tasks = {task.id: task for task in read(real)}
    differ = []
    for name in ("airline_gpt4o", "airline_gpt4o_failed_sample", "retail_gold_replay"):
        for run in read_chat(real / f"{name}.jsonl"):
            task = tasks.get(run.metadata["task"])
            if task and runtime.states.get(run.origin, list(steps_of(run.messages))).outcome(task) != run.outcome:
                differ.append((run.id, run.outcome))
    assert differ == [("tau-airline-44-3", 0.0)]
