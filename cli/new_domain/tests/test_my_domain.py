"""What is particular to this domain; `pivotgym check .` has what holds for every domain."""

from my_domain.domain import MyDomain, called
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin, Pivot
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import validate_all

TASKS = {task.id: task for task in MyDomain().tasks()}


def verdict(task: str, candidate: Action) -> float:
    """What a candidate is worth at a task's start, where the expert does the gold run's first action."""
    found = TASKS[task]
    pivot = Pivot(
        id=f"{task}:0",
        domain="my_domain",
        messages=found.messages,
        tools=found.tools,
        reference=found.gold[0][0],
        origin=Origin(kind="my_domain", task=task),
    )
    return Runtime(MyDomain()).verify(pivot, candidate).reward


def test_gold_pays_and_nothing_and_cheats_do_not() -> None:
    assert [one for one in validate_all(Runtime(MyDomain()), list(TASKS.values())) if not one.ok] == []


def test_what_does_the_same_is_equivalent_and_the_rest_is_not() -> None:
    assert verdict("swap", called("remove", count=6, item="screws")) == 1.0
    assert verdict("swap", called("remove", item="screws", count=5)) == 0.0
    assert verdict("swap", called("add", item="screws", count=6)) == 0.0


def test_a_mistake_is_a_failed_call() -> None:
    world = MyDomain().world()
    world.start(Origin(kind="my_domain", task="swap"), 0)
    effects = world.run(called("remove", item="screws", count=7))
    assert (effects.failed, effects.observations) == ([True], ["error: there are 6 of screws"])
