import pytest
from toy_counter import add, pivot
from toy_stored import StoredDomain

from pivotgym.core.errors import PivotRefused, VerifierFailed
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Effects, Verdict
from pivotgym.envs.base import trials
from pivotgym.envs.base.runtime import Runtime


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "REPEAT_AFTER_S", 0.0)


def put(n: int) -> Action:
    return Action(tool_calls=(ToolCall(name="set", arguments={"n": n}),))


def test_the_same_by_coincidence_is_not_the_same_in_a_perturbed_copy() -> None:
    verdict = Runtime(StoredDomain()).verify(pivot(), put(5))  # 2 + 3, but not 102 + 3
    assert (verdict.outcome, verdict.evidence["perturbed_copy"]) == ("different", 1)
    assert verdict.reason.startswith("equal here, but not in a perturbed copy")


class Sure(StoredDomain):
    """Never doubts."""

    def doubts(self, expert: Effects, verdict: Verdict) -> bool:
        return False


class Lost(StoredDomain):
    """Cannot say whether it doubts."""

    def doubts(self, expert: Effects, verdict: Verdict) -> bool:
        raise KeyError(verdict.method)


def test_perturbed_copies_are_asked_only_where_the_domain_doubts() -> None:
    assert Runtime(Sure()).verify(pivot(), put(5)).outcome == "equivalent"


def test_a_domain_that_breaks_while_it_doubts_is_an_error_and_no_verdict() -> None:
    with pytest.raises(VerifierFailed, match="doubting pivot"):
        Runtime(Lost()).verify(pivot(), put(5))


def test_the_same_everywhere_is_equivalent() -> None:
    assert Runtime(StoredDomain()).verify(pivot(), Action(content="add 3")).outcome == "equivalent"


def test_a_text_that_acts_is_run() -> None:
    runtime = Runtime(StoredDomain())
    assert runtime.runs(pivot(reference=Action(content="add 3")), Action(content="add 3"))
    assert not runtime.runs(pivot(reference=Action(content="hello")), Action(content="hi"))


def test_a_copy_in_which_only_the_expert_fails_tells_nothing() -> None:
    class Fragile(StoredDomain):
        def __init__(self) -> None:
            super().__init__()
            run = self.world_type.run

            def fails_above_hundred(world, action):
                effects = run(world, action)
                return effects.model_copy(update={"failed": [world.value > 100]})

            self.world_type.run = fails_above_hundred

    assert Runtime(Fragile()).verify(pivot(), put(5)).outcome == "equivalent"


def test_what_two_runs_of_the_expert_disagree_on_does_not_count() -> None:
    domain = StoredDomain(ticking=True)
    domain.repeats = True  # type: ignore[misc]
    assert Runtime(domain).verify(pivot(), add(3)).outcome == "equivalent"


def test_without_repeats_it_counts() -> None:
    assert Runtime(StoredDomain(ticking=True)).verify(pivot(), add(3)).outcome == "different"


def test_an_expert_that_differs_in_what_settles_passes_the_check() -> None:
    domain = StoredDomain(ticking=True)
    domain.repeats = True  # type: ignore[misc]
    assert Runtime(domain).check(pivot()).reward == 1.0


def test_an_expert_that_cannot_be_run_is_refused() -> None:
    domain = StoredDomain()
    run = domain.world_type.run
    domain.world_type.run = lambda world, action: run(world, action).model_copy(update={"invalid": "no such thing"})
    with pytest.raises(PivotRefused, match="the expert's own action cannot be run: no such thing"):
        Runtime(domain).prepare(pivot())


def test_one_that_guessed_what_varies_is_different() -> None:
    domain = StoredDomain(ticking=True)
    domain.repeats = True  # type: ignore[misc]
    domain.varies = lambda expert, candidate, again: False  # type: ignore[method-assign]
    verdict = Runtime(domain).verify(pivot(), add(3))
    assert verdict.outcome == "different"
    assert verdict.reason.startswith("the expert's action gives something else each time, this one always the same")


class Asking(StoredDomain):
    """Asks for the value behind the effects, and keeps what its comparator was given."""

    def __init__(self) -> None:
        super().__init__()
        self.world_type.examine = lambda world, asked: (
            self.examined.append(world.value) or {"told": [*asked, world.value]}
        )
        self.examined: list[int] = []
        self.seen: list[object] = []
        compare = self.comparator.compare
        self.comparator.compare = lambda pivot, expert, candidate: (  # type: ignore[method-assign]
            self.seen.append((expert.detail.get("told"), candidate.detail.get("told")))
            or compare(pivot, expert, candidate)
        )

    def asks(self, expert, candidate) -> tuple[str, ...]:
        return ("value",)


def test_what_a_domain_asks_is_examined_after_each_action() -> None:
    domain = Asking()
    Runtime(domain).verify(pivot(), put(9))
    assert domain.seen[0] == (["value", 5], ["value", 9])


def test_the_experts_answer_is_examined_once() -> None:
    domain = Asking()
    runtime, point = Runtime(domain), pivot()
    for _ in range(2):
        runtime.verify(point, put(9))
    assert domain.examined == [5, 9, 9]
