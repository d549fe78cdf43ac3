"""Several calls: judged by what they do, not by how many there are or in which order."""

from typing import Any

import pytest

from pivotgym.core.trajectory import Effects, Verdict
from pivotgym.verifiers.call_effects import by_effects

Call = tuple[str, str, bool]
PAY, SHIP = ("pay", "paid 120.50", True), ("ship", "shipped to Ann Lee", True)
LOOK, OTHER = ("look", '{"id": "W123", "total": 120.5}', False), ("peek", '{"id": "W999", "total": 7}', False)
THINK = ("think", "", False)


def done(*calls: Call, state: str = "s", failed: bool = False) -> Effects:
    return Effects(
        observations=[result for _, result, _ in calls],
        state=state,
        before="s",
        failed=[failed] * len(calls),
        detail={
            "calls": [{"name": name, "arguments": {}} for name, _, _ in calls],
            "changed": [changed for _, _, changed in calls],
            "tells": [name != "think" for name, _, _ in calls],
        },
    )


def thought(text: str) -> Effects:
    effects = done(THINK)
    effects.detail["calls"][0]["arguments"] = {"thought": text}
    return effects


def verdict(expert: Effects, candidate: Effects) -> Verdict:
    return by_effects(expert, candidate, {})


def test_the_order_does_not_matter_where_the_state_is_the_same() -> None:
    assert verdict(done(PAY, SHIP, state="t"), done(SHIP, PAY, state="t")).reward == 1.0


def test_the_order_matters_where_the_state_is_another_one() -> None:
    found = verdict(done(PAY, SHIP, state="t"), done(SHIP, PAY, state="u"))
    assert (found.reward, found.components["partial"]) == (0.0, 0.0)


def test_the_same_writes_in_another_order_are_equal_whatever_each_told_on_the_way() -> None:
    expert = done(("bags", '{"bags": 2, "name": "Ann"}', True), ("name", '{"bags": 2, "name": "Lee"}', True), state="t")
    turned = done(("name", '{"bags": 1, "name": "Lee"}', True), ("bags", '{"bags": 2, "name": "Lee"}', True), state="t")
    other = done(("name", '{"bags": 1, "name": "Lee"}', True), ("all", '{"bags": 2, "name": "Lee"}', True), state="t")
    assert verdict(expert, turned).reward == 1.0
    assert verdict(expert, other).reward == 0.0


def test_a_call_of_a_tool_that_can_tell_nothing_does_not_count() -> None:
    assert verdict(thought("a"), thought("b")).reward == 1.0
    assert verdict(done(THINK, LOOK), done(LOOK)).reward == 1.0
    assert verdict(done(LOOK), done(LOOK, THINK)).reward == 1.0
    assert verdict(done(THINK, PAY, state="t"), done(OTHER, PAY, state="t")).reward == 1.0


def test_a_silent_call_is_neither_a_read_nor_a_message_nor_a_failed_call() -> None:
    think = done(THINK)
    assert verdict(think, done(LOOK)).reward == 0.0
    assert verdict(done(LOOK), think).reward == 0.0
    assert verdict(think, done()).reward == 0.0
    assert verdict(think, done(THINK, failed=True)).reward == 0.0


def test_a_look_around_before_a_write_is_free() -> None:
    assert verdict(done(PAY, state="t"), done(LOOK, PAY, state="t")).reward == 1.0


def test_a_look_around_instead_of_the_write_is_not() -> None:
    assert verdict(done(PAY, state="t"), done(LOOK)).reason == "the expert's action changes the state"


def test_a_failed_call_beside_the_write_is_not_free() -> None:
    candidate = done(PAY, ("pay", "Error: paid already", False), state="t")
    candidate.failed[1] = True
    assert verdict(done(PAY, state="t"), candidate).reward == 0.0


def test_where_the_expert_reads_a_surplus_read_is_refused() -> None:
    assert verdict(done(LOOK), done(LOOK, OTHER)).reward == 0.0
    assert verdict(done(LOOK, PAY, state="t"), done(LOOK, OTHER, PAY, state="t")).reward == 0.0


def test_a_repeated_read_is_free() -> None:
    assert verdict(done(LOOK), done(LOOK, LOOK)).reward == 1.0


def test_a_missing_read_is_different() -> None:
    assert verdict(done(LOOK, OTHER), done(LOOK)).reward == 0.0


def test_a_write_that_tells_something_else_is_different() -> None:
    assert verdict(done(PAY, state="t"), done(("settle", "paid 99.50", True), state="t")).reward == 0.0


@pytest.mark.parametrize(
    ("expert", "candidate", "partial"),
    [
        (done(LOOK, OTHER), done(LOOK, OTHER), 1.0),
        (done(LOOK, OTHER), done(LOOK), 2 / 3),
        (done(LOOK), done(LOOK, OTHER), 2 / 3),
        (done(PAY, SHIP, state="t"), done(PAY, state="u"), 2 / 3),
        (done(LOOK), done(OTHER), 0.0),
        (done(LOOK), done(), 0.0),
        (done(PAY, state="t"), done(LOOK, PAY, state="t"), 1.0),
    ],
)
def test_partial_credit_is_the_share_of_effects_in_common(expert: Effects, candidate: Effects, partial: float) -> None:
    found = verdict(expert, candidate)
    assert found.components["partial"] == pytest.approx(partial)
    assert found.reward == float(partial == 1.0)


def test_what_differed_is_shown() -> None:
    evidence: dict[str, Any] = verdict(done(LOOK), done(OTHER)).evidence
    assert evidence["results"] == {"expert": [LOOK[1]], "candidate": [OTHER[1]]}
    assert verdict(done(PAY, state="t"), done(LOOK)).evidence["state"]["candidate_changed"] is False
