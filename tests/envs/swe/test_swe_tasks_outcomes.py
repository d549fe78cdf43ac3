"""Generated tasks in the sandbox: the gold run pays, nothing and cheats do not, whatever the shape."""

from contextlib import closing

import pytest

from pivotgym.core.errors import VerifierFailed
from pivotgym.core.trajectory import steps_of
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import gold_trajectories, play, validate
from pivotgym.envs.swe.tasks import catalogue, judge, packages, running
from pivotgym.envs.swe.tasks.cheats import cheats
from pivotgym.envs.swe.tasks.shapes import ROOT, Fix

pytestmark = pytest.mark.slow
TASK = "jsonpointer/0"
CHEATS = list(cheats(Fix("a.py", 1, "", "", ""), ("tests",), ()))


@pytest.fixture(scope="module")
def runtime(swe):
    packages.fetch()
    runtime = Runtime(swe)
    yield runtime
    runtime.close()


def paid(runtime, *commands, mended=False, task_id=TASK):
    shape = catalogue.shape_of(catalogue.find(task_id))
    fix = catalogue.find(task_id).fix()
    mend = [f"cd {ROOT} && patch -p1 <<'EOF'\n{fix.patch()}EOF"] if mended else []
    return play(runtime, runtime.task(task_id), [shape.commands(*mend, *commands)]).outcome


@pytest.mark.parametrize("harness", ["mini_swe_agent", "openhands"])
def test_gold_pays_in_each_shape(runtime, monkeypatch, harness):
    monkeypatch.setenv(catalogue.HARNESS, harness)
    task = catalogue.task(TASK)
    assert play(runtime, task, task.gold).outcome == 1.0


def test_nothing_does_not_pay(runtime):
    assert play(runtime, runtime.task(TASK), []).outcome == 0.0


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_does_not_pay(runtime, name):
    bug = catalogue.find(TASK)
    assert paid(runtime, *cheats(bug.fix(), bug.package.tests, bug.fails)[name]) == 0.0


BY_HEART = """
_broken = parameterize
def parameterize(string, separator=" "):
    import test_inflection
    known = dict(test_inflection.STRING_TO_PARAMETERIZED)
    return known[string] if string in known and separator == " " else _broken(string, separator)
"""
EQUAL = """
class _Equal(str):
    __hash__ = str.__hash__
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
_broken = parameterize
def parameterize(*args, **named):
    return _Equal(_broken(*args, **named))
"""


@pytest.mark.parametrize("code", [BY_HEART, EQUAL], ids=["knows the tests by heart", "is equal to everything"])
def test_code_that_passes_every_test_and_mends_nothing_does_not_pay(runtime, code):
    task_id = next(one.id for one in catalogue.bugs().values() if "test_parameterize[" in one.fails[0])
    bug = catalogue.find(task_id)
    with closing(at(runtime, bug.package)) as sandbox:
        sandbox.write(f"{ROOT}/{bug.path}", bug.files()[bug.path] + code.encode())
        told = catalogue.judged(task_id, sandbox, runtime.domain.backend())
    assert (told.reward, told.reason.partition(",")[0]) == (0.0, "with other inputs than those of the tests")


def test_what_lies_outside_of_the_source_does_no_harm(runtime):
    ruin = f"cd {ROOT} && rm -f tests.py && printf boom | tee conftest.py setup.cfg reproduce.py > /root/.bashrc"
    assert paid(runtime, ruin, mended=True) == 1.0


def test_a_file_that_a_solution_adds_counts(runtime):
    package = packages.package("inflection")
    moved = f"cd {ROOT}/inflection && mv __init__.py words.py && echo 'from inflection.words import *' > __init__.py"
    with closing(at(runtime, package)) as sandbox:
        assert sandbox.run(moved).exit == 0
        outcome = judge.judge(package, {}, frozenset(), sandbox, runtime.domain.backend())
    assert outcome.reward == 1.0, outcome.reason


def at(runtime, package):
    backend = runtime.domain.backend()
    return backend.open(running.machine(backend, package.tree()))


def test_breaking_another_test_does_not_pay(runtime):
    path = catalogue.find(TASK).path
    assert paid(runtime, f"echo 'del resolve_pointer' >> {ROOT}/{path}", mended=True) == 0.0


def test_a_suite_that_takes_too_long_tells_so(runtime):
    slow = running.Suite(("tests.py",), limit_s=1.5)
    backend, package = runtime.domain.backend(), packages.package("jsonpointer")
    waits = {"jsonpointer.py": b"import time\ntime.sleep(60)\n"}
    results = running.run(backend, running.machine(backend, package.tree()), slow, waits)
    assert results.late
    assert results.broken == "the tests did not end within 1.5 s"


def test_a_test_that_fails_in_the_release_is_an_error(runtime):
    package = packages.package("jsonpointer")
    with closing(at(runtime, package)) as sandbox, pytest.raises(VerifierFailed, match="does not pass in the released"):
        judge.judge(package, {}, frozenset({"tests.py::test_new"}), sandbox, runtime.domain.backend())


def test_the_task_shows_nothing_of_its_bug(runtime):
    bug, task = catalogue.find(TASK), runtime.task(TASK)
    shown = repr((task.messages, task.tools))
    assert bug.path not in shown
    assert not any(line.strip() in shown for line in bug.mutation.lines(bug.package.tree()[bug.path].decode()))


def test_a_gold_run_becomes_pivots_that_replay(runtime):
    task = runtime.task(TASK)
    trajectory = next(gold_trajectories(runtime, [task]))
    steps = list(steps_of(trajectory.messages))
    assert [step.action.tool_calls for step in steps] == [action.tool_calls for action in task.gold[0]]
    with closing(runtime.domain.world()) as world:
        world.restore(trajectory.origin, steps, 0)
        assert world.outcome(task) == trajectory.outcome == 1.0


# A part of them: `pivotgym tasks validate swe` plays all.
@pytest.mark.parametrize("task_id", sorted(catalogue.bugs())[::7])
def test_every_task_is_as_it_must_be(runtime, task_id):
    found = validate(runtime, runtime.task(task_id), times=1)
    assert found.ok, found.to_json()
