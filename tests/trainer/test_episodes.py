"""A policy plays whole tasks of a small domain behind a real server; a scripted engine says what it is told to."""

from dataclasses import dataclass, field

import pytest

from pivotgym.core.errors import DigestMismatch, NotFound, PolicyFailed, TooLarge, WorldFailed
from pivotgym.core.messages import Action, Malformed, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Origin
from pivotgym.envs.base.contract import Domain, Task, World
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.engine import SampledAction
from pivotgym.trainer.episodes import play
from pivotgym.trainer.settings import EvalConfig

ADD = Tool(name="add", description="Add one.", parameters={"type": "object", "properties": {}})
COUNT = Action(tool_calls=(ToolCall(name="add", arguments={}, id="c"),))
END = Action(content="Done.")


class Counter(World):
    """A number; its task pays where it was raised once."""

    def start(self, origin, seed):
        self.number = 0

    def run(self, action):
        self.number += len(action.tool_calls)
        return Effects(observations=tuple(str(self.number) for _ in action.tool_calls))

    def fork(self):
        copy = type(self)()
        copy.number = self.number
        return copy

    def digest(self):
        return str(self.number)

    def outcome(self, task):
        if task.id == "broken":
            raise WorldFailed("the counter fell off")
        return float(self.number == 1)


class CounterDomain(Domain):
    name = "counter"
    comparator = None

    def world(self):
        return Counter()

    def tasks(self):
        for name in ("a", "b", "broken"):
            asked = [Message(role="user", content=f"{name}: count to one")]
            yield Task(id=name, origin=Origin(kind="counter"), messages=asked, tools=[ADD], max_steps=4)


@dataclass
class Scripted:
    """An engine that says the same in each run: `said[n]` at step n."""

    said: list
    policy_id: str = "p"
    format_id: str = "f"
    in_flight: int = 1
    asked: list = field(default_factory=list)

    def prompt_tokens(self, messages, tools):
        return len(messages)

    def sample(self, queries, sampling, *, on_done=None):
        self.asked += [query.key for query in queries]
        return [
            [SampledAction(self.said[int(query.key.rpartition(":")[2])], "", query.temperatures[0], tokens=5)]
            for query in queries
        ]


@pytest.fixture(scope="module")
def client():
    with BackgroundServer(CounterDomain()) as server, Client(server.url, retries=0) as client:
        yield client


@pytest.fixture
def played(client, tmp_path):
    def run(said, task_ids=("a", "b"), *, policy="p", arm="base", longest=100, **config):
        engine = Scripted(said, policy)
        settings = EvalConfig(**config)
        rows = play(task_ids, engine, client, tmp_path / "e.jsonl", settings, arm=arm, max_prompt_tokens=longest)
        return rows, engine

    return run


def test_a_run_pays_what_its_task_pays(played):
    rows, _ = played([COUNT, END])
    assert [(row.task_id, row.outcome, row.end, row.steps, row.tokens) for row in rows] == [
        ("a", 1.0, "ended", 2, 10),
        ("b", 1.0, "ended", 2, 10),
    ]
    assert [message.role for message in rows[0].messages] == ["user", "assistant", "tool", "assistant"]


def test_a_run_that_does_nothing_pays_nothing(played):
    rows, _ = played([END])
    assert [row.outcome for row in rows] == [0.0, 0.0]


def test_a_run_is_cut_at_the_limit_of_steps(played):
    (row,), _ = played([COUNT, COUNT, END], ["a"], max_steps=2)
    assert (row.end, row.outcome, row.steps) == ("cut", 0.0, 2)


def test_a_run_is_cut_at_its_tasks_own_limit(played):
    (row,), _ = played([COUNT] * 9, ["a"])
    assert (row.end, row.steps) == ("cut", 4)


def test_a_state_longer_than_the_context_ends_a_run(played):
    (row,), _ = played([COUNT] * 9, ["a"], longest=2)
    assert (row.end, row.outcome, row.steps) == ("too long", 0.0, 1)


def test_a_state_that_the_engine_finds_too_long_ends_a_run(played):
    (row,), _ = played([COUNT, TooLarge("the prompt has 9 tokens")], ["a"])
    assert (row.end, row.steps) == ("too long", 1)


def test_what_cannot_be_read_is_a_step_and_counted(played):
    cut = COUNT.model_copy(update={"truncated": True})
    (row,), _ = played([Malformed(text="\ud800", reason="no JSON"), cut, COUNT, END], ["a"])
    assert (row.invalid, row.steps, row.outcome) == (2, 4, 1.0)


def test_runs_that_are_there_are_not_made_again(played):
    first, _ = played([COUNT, END], ["a"])
    rows, engine = played([COUNT, END])
    assert rows[0] == first[0]
    assert engine.asked == ["b:0", "b:1"]


def test_a_failure_of_the_environment_is_no_outcome(played):
    rows, _ = played([COUNT, END], ["broken", "a"])
    assert [row.task_id for row in rows] == ["a"]


def test_a_failure_of_the_engine_is_no_outcome(played):
    rows, _ = played([PolicyFailed("no answer")])
    assert rows == []


def test_rows_of_another_policy_are_refused(played):
    played([END])
    with pytest.raises(DigestMismatch, match="the run of 'a' in arm 'base' was made by another policy"):
        played([END], policy="q")


def test_another_arm_has_rows_of_its_own(played):
    played([END])
    rows, _ = played([COUNT, END], policy="q", arm="grpo")
    assert [row.outcome for row in rows] == [1.0, 1.0]


def test_an_unknown_task_is_bad_input(played):
    with pytest.raises(NotFound, match="nothing"):
        played([END], ["nothing"])
