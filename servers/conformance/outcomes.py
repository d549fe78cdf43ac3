"""Checks of whole tasks, played over HTTP: gold pays all, nothing and cheats pay nothing, tasks do not meet.

Owns: these checks. Does not own: playing every task of a domain without a server (`pivotgym tasks validate`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pivotgym.core.messages import Action
from pivotgym.envs.base.contract import Attempt, Task
from pivotgym.servers.client.sync import Session
from pivotgym.servers.conformance.findings import Broken, Finding, NotMade, check, each
from pivotgym.servers.conformance.subject import DONE, Subject, digest_of, play

OUTCOME = "`World.outcome`"
_GARBAGE = (Action(content="qwz xkj vbn."), DONE)


@check("Each task's gold run pays 1, each time it is played.", f"{OUTCOME}, then `Domain.gold`")
def oracle_maximum(subject: Subject) -> str:
    """Twice, from two sessions."""
    runs = [(task, Attempt("gold", gold, 1.0)) for task, gold in _golden(subject) for _ in range(2)]
    return _as_due(subject, runs, oracle_maximum.look_at)


@check("A task pays nothing for nothing: for silence, for garbage, for `Done.` at once.", OUTCOME)
def task_floor(subject: Subject) -> str:
    """Runs that every task has."""

    def look(task_id: str) -> None:
        for name, turns in (
            ("saying `Done.` at once", []),
            ("garbage", [_GARBAGE]),
            ("an empty message", [[Action()]]),
        ):
            with subject.session(task_id=task_id) as session:
                paid = play(session, turns)
            if paid > 0:
                raise Broken(Finding(f"task {task_id}, {name}", "0", f"{paid:g}", OUTCOME))

    return each(subject.task_ids, look, "task", OUTCOME, _called)


@check("Each run whose outcome the domain knows, cheats above all, pays what is due.", OUTCOME)
def task_cheats(subject: Subject) -> str:
    """`Domain.attempts`."""
    tasks, domain = subject.tasks.values(), subject.domain
    runs = [(task, run) for task in tasks for run in domain.attempts(task)] if domain is not None else []
    if tasks and not runs:
        raise NotMade("`Domain.attempts` names no further runs, cheats for instance, of these tasks")
    return _as_due(subject, runs, OUTCOME)


@check("A session of a task sees nothing of another one, of a fork or of its parent.", "`World.fork` and `World.start`")
def tasks_isolated(subject: Subject) -> str:
    """The gold run in one session; a second, and a fork of the first, stay at the start."""

    def look(one_task: tuple[Task, list[list[Action]]]) -> None:
        task, gold = one_task
        actions = [action for turn in gold for action in turn]
        with (
            subject.session(task_id=task.id) as one,
            subject.session(task_id=task.id) as two,
            one.fork() as fork,
        ):
            before = digest_of(two)
            if not _acted(one, actions, before):
                return
            for name, session in (("a second session", two), ("a fork made before", fork)):
                after = digest_of(session)
                if after != before:
                    got = f"{str(after)[:16]!r} after {str(before)[:16]!r}"
                    where = f"task {task.id}, {name} after the gold run's actions in the first"
                    raise Broken(Finding(where, "an unchanged digest", got, tasks_isolated.look_at))
            one.close()
            fork.step(actions[0])

    return each(_golden(subject), look, "task", tasks_isolated.look_at, lambda one: _called(one[0].id))


def _acted(session: Session, actions: Iterable[Action], before: str | None) -> bool:
    """Whether one of the actions, taken in order, changed the session's state; the rest are not taken."""
    for action in actions:
        result = session.step(action)
        if result.terminated or result.truncated:
            return False
        if digest_of(session) != before:
            return True
    return False


def _as_due(subject: Subject, runs: Sequence[tuple[Task, Attempt]], look_at: str) -> str:
    def look(one: tuple[Task, Attempt]) -> None:
        task, run = one
        with subject.session(task_id=task.id) as session:
            paid = play(session, run.actions)
        if paid != run.outcome:
            where = f"task {task.id}, run {run.name!r}"
            raise Broken(Finding(where, f"{run.outcome:g}", f"{paid:g}", look_at))

    return each(runs, look, "run", look_at, lambda one: f"task {one[0].id}, run {one[1].name!r}")


def _golden(subject: Subject) -> list[tuple[Task, list[list[Action]]]]:
    """The tasks whose gold runs the domain knows, with these."""
    domain = subject.domain
    found = [(task, domain.gold(task)) for task in subject.tasks.values()] if domain is not None else []
    if subject.tasks and not any(any(gold) for _, gold in found):
        raise NotMade("the domain knows no gold run of these tasks (`Task.gold`, `Domain.gold`)")
    return [(task, gold) for task, gold in found if any(gold)]


def _called(task_id: str) -> str:
    return f"task {task_id}"


CHECKS = (oracle_maximum, task_floor, task_cheats, tasks_isolated)
