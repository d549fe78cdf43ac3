"""Validating tasks, on a domain of forty lines."""

from dataclasses import replace

import pytest
from toy_counter import Counter, CounterDomain, add

from pivotgym.core.errors import NotFound
from pivotgym.envs.base.contract import Attempt
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import chosen, gold_trajectories, picked, play, validate, validate_all

GOLD = [[add(3)], [add(2)]]


class Validated(CounterDomain):
    """The counter, with a gold run and further ones."""

    solution = GOLD
    known = (Attempt("in one turn", [[add(5)]], 1.0), Attempt("cheat: five only", [[add(3)]], 0.0))

    def tasks(self):
        return [replace(task, gold=self.solution) for task in super().tasks()]

    def attempts(self, task):
        return self.known


def validated(**changes):
    domain = type("Changed", (Validated,), changes)()
    runtime = Runtime(domain)
    return validate(runtime, runtime.task("to_seven"))


def named(found, name):
    return next(run for run in found.runs if run.name == name)


def test_a_task_whose_runs_end_as_they_must_is_ok():
    found = validated()
    assert found.ok
    assert [(run.name, run.outcomes) for run in found.runs] == [
        ("gold", (1.0, 1.0)),
        ("nothing", (0.0, 0.0)),
        ("in one turn", (1.0, 1.0)),
        ("cheat: five only", (0.0, 0.0)),
    ]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"solution": [[add(3)]]}, "gold"),
        ({"known": (Attempt("cheat: seven", [[add(5)]], 0.0),)}, "cheat: seven"),
        ({"known": (Attempt("alternative", [[add(1)]], 1.0),)}, "alternative"),
    ],
)
def test_a_run_that_ends_otherwise_is_told(changes, wrong):
    found = validated(**changes)
    assert [run.name for run in found.runs if not run.ok] == [wrong]


def test_doing_nothing_must_not_pay():
    domain = Validated()
    runtime = Runtime(domain)
    task = replace(runtime.task("to_seven"), metadata={"goal": 2})
    assert not named(validate(runtime, task), "nothing").ok


def test_a_failure_of_ours_is_no_outcome():
    domain = Validated()
    domain.world_type.explode = True
    runtime = Runtime(domain)
    gold = named(validate(runtime, runtime.task("to_seven")), "gold")
    assert gold.outcomes == (None, None)
    assert gold.error.startswith("world_failed: ")
    assert not gold.ok


def test_a_gold_run_must_show_the_same_each_time():
    class Noisy(Counter):
        runs = 0

        def run(self, action):
            type(self).runs += 1
            return super().run(action).model_copy(update={"observations": [f"run {self.runs}"]})

    domain = Validated()
    domain.world_type = Noisy
    runtime = Runtime(domain)
    gold = named(validate(runtime, runtime.task("to_seven")), "gold")
    assert (gold.outcomes, gold.repeats, gold.ok) == ((1.0, 1.0), False, False)


def test_the_report_as_json():
    body = validated().to_json()
    assert (body["task"], body["ok"]) == ("to_seven", True)
    assert body["runs"][0] == {"name": "gold", "due": 1.0, "outcomes": (1.0, 1.0), "repeats": True, "error": ""}


def test_progress_is_told():
    runtime, told = Runtime(Validated()), []
    validate_all(runtime, runtime.tasks(), times=1, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 1)]


@pytest.mark.parametrize(
    ("limit", "found"), [(None, list("abcdef")), (3, list("ace")), (4, list("abde")), (9, list("abcdef"))]
)
def test_a_limit_spreads_over_the_tasks(limit, found):
    assert picked(list("abcdef"), "toy", limit=limit) == found


def test_tasks_are_chosen_by_the_beginning_of_their_id():
    runtime = Runtime(Validated())
    assert [task.id for task in chosen(runtime, ["to_"])] == ["to_seven"]
    assert [task.id for task in chosen(runtime, [])] == ["to_seven"]


def test_an_id_that_no_task_has_is_told_with_one_that_is():
    with pytest.raises(NotFound, match="no id of 'counter' begins with 'x'; they are like to_seven"):
        chosen(Runtime(Validated()), ["x"])


def test_played_turns_are_answered_by_the_task():
    runtime = Runtime(Validated())
    said = play(runtime, runtime.task("to_seven"), GOLD).messages
    assert [message.role for message in said] == [
        "user", "assistant", "tool", "assistant", "user", "assistant", "tool", "assistant",
    ]  # fmt: skip


def test_gold_runs_as_trajectories():
    runtime = Runtime(Validated())
    trajectory = next(gold_trajectories(runtime, runtime.tasks()))
    assert (trajectory.id, trajectory.domain, trajectory.outcome) == ("to_seven", "counter", 1.0)
    assert trajectory.metadata["task"] == "to_seven"
    assert [message.text for message in trajectory.messages if message.role == "tool"] == ["5", "7"]


def test_a_gold_run_that_the_domain_works_out_is_played():
    class Worked(Validated):
        asked = 0

        def tasks(self):
            return CounterDomain.tasks(self)

        def gold(self, task):
            Worked.asked += 1
            return GOLD

    runtime = Runtime(Worked())
    task = runtime.task("to_seven")
    assert task.gold == []
    assert validate(runtime, task).ok
    assert [run.outcome for run in gold_trajectories(runtime, [task])] == [1.0]
    assert Worked.asked == 2
