"""Verdicts of the whole domain on a real repository."""

import pytest
from swe_agents import call

from pivotgym.core.errors import WorldFailed
from pivotgym.core.messages import Action
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.swe import testing

PATH = "/testbed/pkg/calc.py"


@pytest.fixture(scope="session")
def runtime(swe):
    found = Runtime(swe)
    yield found
    found.close()


def replaced(old: str, new: str) -> Action:
    return call("str_replace_editor", command="str_replace", path=PATH, old_str=old, new_str=new)


def bash(command: str) -> Action:
    return call("bash", command=command)


SEARCH = bash("grep -n 'def ' pkg/calc.py")
VIEW = call("str_replace_editor", command="view", path=PATH, view_range=[1, 2])
FIX = replaced("a - b", "a + b")


@pytest.mark.parametrize(
    ("expert", "candidate", "outcome", "method"),
    [
        (VIEW, bash("sed -n 1,2p pkg/calc.py"), "equivalent", "lines"),
        (VIEW, bash("head -n 2 /testbed/pkg/calc.py"), "equivalent", "lines"),
        (VIEW, bash("cat pkg/calc.py"), "different", "lines"),
        (SEARCH, bash("grep -n def pkg/calc.py"), "equivalent", "lines"),
        (SEARCH, bash("grep -n return pkg/calc.py"), "different", "lines"),
        (FIX, replaced("    return a - b\n", "    return a + b\n"), "equivalent", "files"),
        (FIX, bash("sed -i 's/a - b/a + b/' pkg/calc.py"), "equivalent", "files"),
        (FIX, bash("sed 's/a - b/a + b/' pkg/calc.py"), "different", "files"),
        (FIX, replaced("a - b", "(a + b)"), "equivalent", "syntax_tree"),
        (FIX, replaced("a - b", "b + a"), "equivalent", "tests"),
        (FIX, replaced("a - b", "a * b"), "different", "tests"),
        (FIX, replaced("a * b", "a + b"), "different", "files"),
        (bash("python -m pytest -q"), bash("pytest -v"), "equivalent", "same_operations"),
        (bash("python -m pytest -q"), bash("pytest tests/test_calc.py -k twice"), "different", "test_run"),
    ],
)  # fmt: skip
def test_verdicts(runtime, pivot, expert, candidate, outcome, method):
    verdict = runtime.verify(pivot(expert), candidate)
    assert (verdict.outcome, verdict.method) == (outcome, method), verdict.reason


def test_an_edit_that_no_test_sees_is_not_decided_by_tests(runtime, pivot):
    expert = replaced("2 * a", "3 * a if a > 99 else 2 * a")
    verdict = runtime.verify(pivot(expert), replaced("2 * a", "4 * a if a > 99 else 2 * a"))
    assert (verdict.outcome, verdict.components["undecided"]) == ("different", 1.0)


def test_a_command_of_the_origin_decides_before_tests_that_are_found(runtime, pivot):
    point = pivot(FIX, test_command="python -c 'from pkg.calc import add; assert add(0, 0) == 0'")
    verdict = runtime.verify(point, replaced("a - b", "b + a"))
    assert verdict.components["undecided"] == 1.0


@pytest.mark.slow
def test_tests_that_never_end_at_the_start_are_ones_that_fail(runtime, pivot, monkeypatch):
    monkeypatch.setattr("pivotgym.envs.swe.testing.LIMIT_S", 1.0)
    point = pivot(
        replaced("a - b", "a + b"),
        test_command="python -c 'from pkg.calc import add\nwhile add(1, 1) == 0: pass'",
    )
    assert runtime.verify(point, replaced("a - b", "b + a")).outcome == "equivalent"


@pytest.mark.slow
def test_a_candidate_in_whose_code_the_tests_run_on_and_on_is_ended_by_processor_time(runtime, pivot):
    point = pivot(FIX, test_command="python -m pytest -q tests")
    found = runtime.verify(point, replaced("    return a - b\n", "    while True:\n        pass\n"))
    assert (found.outcome, found.method) == ("different", "tests")
    assert "do not end with the candidate's: processor time" in found.reason


def test_the_experts_own_action_proves_the_pivot(runtime, pivot):
    assert runtime.check(pivot(FIX)).reward == 1.0


def test_an_action_that_cannot_be_read_is_invalid(runtime, pivot):
    assert runtime.verify(pivot(FIX), call("str_replace_editor", command="fly")).outcome == "invalid"


@pytest.mark.slow
def test_a_machine_too_busy_for_the_tests_is_an_error_and_no_verdict(runtime, pivot, monkeypatch):
    waits = "sleep 1; python -c 'from pkg.calc import add; assert add(1, 1) == 2'"
    point = pivot(FIX, test_command=waits)
    assert runtime.verify(point, replaced("a - b", "b + a")).method == "tests"
    monkeypatch.setattr(testing, "LIMIT_S", 0.3)
    with pytest.raises(WorldFailed, match="too busy"):
        runtime.verify(point, replaced("a - b", "a - -b"))
