"""Each check of a domain finds the fault it is there for; a sound domain has none."""

from __future__ import annotations

import itertools
import os
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

import pytest
from sound_domain import Shelf, ShelfDomain, make_pivot, put

from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action, Message, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Pivot, Step, Verdict
from pivotgym.envs.base.contract import Attempt, Domain, Task, World
from pivotgym.servers.conformance.findings import Result
from pivotgym.servers.conformance.suite import CHECKS, chosen, report
from pivotgym.verifiers.tool_calls import ToolCallComparator

Checking = Callable[..., dict[str, Result]]


def test_a_sound_domain_passes_every_check(checking: Checking) -> None:
    found = checking()
    assert [(name, result.findings) for name, result in found.items() if result.status != "passed"] == []
    assert list(found) == [check.name for check in CHECKS]


class Salted(Shelf):
    def start(self, origin: Origin, seed: int) -> None:
        super().start(origin, seed)
        self.rows[uuid.uuid4().hex] = 0


class NeverTheSame(Shelf):
    def digest(self) -> str:
        return uuid.uuid4().hex


class Shared(Shelf):
    all_rows: ClassVar[dict[str, int]] = {}

    def start(self, origin: Origin, seed: int) -> None:
        self.rows = Shared.all_rows

    def fork(self) -> Self:
        copy = type(self)()
        copy.rows = self.rows
        return copy


class Shallow(Shelf):
    def fork(self) -> Self:
        copy = type(self)()
        copy.rows = self.rows
        return copy


class Scratching(Shelf):
    scratch: ClassVar[list[ToolCall]] = []

    def call(self, call: ToolCall) -> str:
        Scratching.scratch[:] = [call]
        time.sleep(0.02)
        return super().call(Scratching.scratch[0])


class Generous(Shelf):
    def outcome(self, task: Task) -> float:
        return 1.0


class Stingy(Shelf):
    def outcome(self, task: Task) -> float:
        return 0.0


class Fooled(Shelf):
    def outcome(self, task: Task) -> float:
        return float(task.metadata["book"] in self.rows)


class Crashing(Shelf):
    def call(self, call: ToolCall) -> str:
        if call.name not in ("put", "take", "look"):
            raise KeyError(call.name)
        return super().call(call)


class Lenient:
    """Asks `pays` before the sound comparator is asked."""

    name = "lenient"

    def __init__(self, pays: Callable[[Pivot, Action], bool | None]) -> None:
        self.pays, self.sound = pays, ToolCallComparator()

    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        paid = self.pays(pivot, action)
        if paid is None:
            return self.sound.screen(pivot, action)
        outcome = "equivalent" if paid else "different"
        return Verdict(reward=float(paid), outcome=outcome, method="lenient", executed=False, reason="as it pleases")

    def compare(self, pivot: Pivot, expert: Effects, candidate: Effects) -> Verdict:
        return self.sound.compare(pivot, expert, candidate)

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        return self.sound.by_rule(pivot, action)


def with_world(kind: type[Shelf]) -> Domain:
    """The sound domain over a faulty world."""
    made = ShelfDomain()
    made.kind = kind
    return made


def with_verdicts(pays: Callable[[Pivot, Action], bool | None]) -> Domain:
    """The sound domain with a faulty comparator."""
    made = ShelfDomain()
    made.comparator = Lenient(pays)
    return made


class Misrecorded(ShelfDomain):
    def pivots(self) -> Iterable[Pivot]:
        yield make_pivot(0, prefix=[Step(action=put("emma"), observations=("ulysses in row 0",))])


class CheatUnknown(ShelfDomain):
    def attempts(self, task: Task) -> Iterable[Attempt]:
        yield Attempt("the book itself", [[put(task.metadata["book"])]], 0.0)


class Talkative:
    """A user who says something else each time."""

    words = itertools.count()

    def reply(self, messages: list[Message]) -> str:
        return f"word {next(self.words)}"


class OtherEachTime(ShelfDomain):
    def tasks(self) -> Iterable[Task]:
        yield Task("t", Origin(kind="shelf"), [], [], metadata={"book": "emma"}, max_steps=3)

    def pivots(self) -> Iterable[Pivot]:
        return ()

    def user(self, task: Task) -> Any:
        return Talkative()


turns = itertools.count()

FAULTS: dict[str, tuple[str, Callable[[], Domain], str]] = {
    "a prefix that shows something else": ("replayable", Misrecorded, "pivot_refused"),
    "a start that differs each time": ("same_seed", lambda: with_world(Salted), "`World.digest`"),
    "a digest that differs each time": ("reset_twice", lambda: with_world(NeverTheSame), "`World.digest`"),
    "values shared by all worlds": ("isolated", lambda: with_world(Shared), "`World.fork`"),
    "a fork that shares its values": ("fork_independent", lambda: with_world(Shallow), "`World.fork`"),
    "an expert that is refused": (
        "expert_accepted",
        lambda: with_verdicts(lambda pivot, action: False if action.tool_calls else None),
        "reward 1 for the expert's action, got 0",
    ),
    "verdicts by turns": (
        "verdicts_deterministic",
        lambda: with_verdicts(lambda pivot, action: next(turns) % 3 == 0 or None),
        "one verdict in 4 tries",
    ),
    "an empty message that pays": (
        "noop_refused",
        lambda: with_verdicts(lambda pivot, action: not action.tool_calls or None),
        "an empty message: expected reward 0, got 1",
    ),
    "an action that breaks the world": ("noop_refused", lambda: LooseTools(), "`Effects.invalid`"),
    "the expert's words for its deeds": (
        "cheats_refused",
        lambda: with_verdicts(lambda pivot, action: "put" in action.content or None),
        "the expert's calls told in a message: expected reward 0, got 1",
    ),
    "any call that pays": (
        "constant_answer_fails",
        lambda: with_verdicts(lambda pivot, action: bool(action.tool_calls) or None),
        "it accepted at all of them",
    ),
    "a place of work that worlds share": (
        "side_by_side",
        lambda: with_world(Scratching),
        "expected what it gets alone",
    ),
    "gold that is worth nothing": ("oracle_maximum", lambda: with_world(Stingy), "run 'gold': expected 1, got 0"),
    "a task that pays for silence": ("task_floor", lambda: with_world(Generous), "saying `Done.` at once"),
    "a cheat that pays": ("task_cheats", lambda: with_world(Fooled), "run 'all books': expected 0, got 1"),
    "tasks that share their values": ("tasks_isolated", lambda: with_world(Shallow), "an unchanged digest"),
    "an observation that differs each time": ("gymnasium_locally", OtherEachTime, "check_env"),
    "an observation that differs on the server": ("gymnasium_remotely", OtherEachTime, "check_env"),
}


class LooseTools(ShelfDomain):
    """Offers tools that nobody checks calls against, in a world that breaks at others."""

    kind = Crashing
    comparator = Lenient(lambda pivot, action: None)

    def __init__(self) -> None:
        self.comparator.sound = NoScreen()


class NoScreen(ToolCallComparator):
    def screen(self, pivot: Pivot, action: Action) -> Verdict | None:
        return None


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(checking: Checking, fault: str) -> None:
    Shared.all_rows.clear()
    name, make, said = FAULTS[fault]
    result = checking(make(), name)[name]
    assert result.status == "failed"
    assert any(said in str(finding) for finding in result.findings)


def leaking(kept: list[Any], keep: Callable[[], Any]) -> Domain:
    """The sound domain over a world that keeps something for ever with every copy."""

    class Leaking(Shelf):
        def fork(self) -> Self:
            kept.append(keep())
            return super().fork()

    return with_world(Leaking)


def test_memory_that_stays_is_found(checking: Checking) -> None:
    leak = leaking([], lambda: bytearray(os.urandom(400_000)))
    found = checking(leak, "nothing_leaks", sessions=80, pids=[os.getpid()])["nothing_leaks"]
    assert any(finding.where.startswith("kib") for finding in found.findings)


def test_handles_that_stay_are_found(checking: Checking) -> None:
    files: list[int] = []
    leak = leaking(files, lambda: os.open(os.devnull, os.O_RDONLY))
    try:
        found = checking(leak, "nothing_leaks", sessions=80, pids=[os.getpid()])["nothing_leaks"]
    finally:
        for handle in files:
            os.close(handle)
    assert any(finding.where.startswith("handles") for finding in found.findings)


def test_leaks_are_looked_for_by_metrics_where_there_is_no_process(checking: Checking) -> None:
    note = checking(None, "nothing_leaks")["nothing_leaks"].note
    assert note == "12 sessions by /metrics alone: the server's processes are not at hand"


def test_what_cannot_be_looked_at_is_skipped_with_the_reason(checking: Checking) -> None:
    found = checking(OtherEachTime(), "replayable", "oracle_maximum", "constant_answer_fails")
    assert {name: (one.status, one.note) for name, one in found.items()} == {
        "replayable": ("skipped", "there is no pivot to look at"),
        "oracle_maximum": ("skipped", "the domain knows no gold run of these tasks (`Task.gold`, `Domain.gold`)"),
        "constant_answer_fails": ("skipped", "it needs three pivots whose experts call different things"),
    }


class Nothing(Domain):
    name = "nothing"
    comparator = ToolCallComparator()

    def world(self) -> World:
        return Shelf()


def test_a_domain_with_nothing_to_look_at_is_refused(checking: Checking) -> None:
    with pytest.raises(InputError, match="nothing to check: the domain has no pivots and no tasks"):
        checking(Nothing())


def test_a_check_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match=r"check: expected one of \['batch_agrees'.*got 'beauty'"):
        chosen(["beauty"])


def test_report_counts(checking: Checking) -> None:
    found = report(list(checking(with_world(Stingy), "oracle_maximum", "task_floor").values()), "shelf")
    assert (found["ok"], found["passed"], found["failed"], found["skipped"]) == (False, 1, 1, 0)
    assert found["checks"][0]["findings"][0]["where"] == "task put/emma, run 'gold'"
