"""Rows of SWE-bench: read, played on a small local repository, judged by their own tests."""

import json
from contextlib import closing

import pytest

from pivotgym.core.errors import BadLine, NotFound, VerifierFailed
from pivotgym.envs.base import sources
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import play
from pivotgym.envs.swe.tasks import rows
from pivotgym.envs.swe.tasks.shapes import SHAPES

SHAPE = SHAPES["mini_swe_agent"]
PATCH = """\
diff --git a/pkg/calc.py b/pkg/calc.py
--- a/pkg/calc.py
+++ b/pkg/calc.py
@@ -1,5 +1,5 @@
 def add(a, b):
-    return a - b
+    return a + b
 
 
 def twice(a):
"""
TEST_PATCH = """\
diff --git a/tests/test_calc.py b/tests/test_calc.py
--- a/tests/test_calc.py
+++ b/tests/test_calc.py
@@ -3,6 +3,7 @@
 
 def test_add():
     assert add(2, 3) == 5
+    assert add(1, -4) == -3
 
 
 def test_twice():
"""
MEND = "sed -i 's/a - b/a + b/' pkg/calc.py"


@pytest.fixture(scope="module")
def row(commit):
    return {
        "instance_id": "some__repo-7",
        "repo": "some/repo",
        "base_commit": commit,
        "problem_statement": "add(2, 3) gives -1. It should give 5.",
        "patch": PATCH,
        "test_patch": TEST_PATCH,
        "FAIL_TO_PASS": '["tests/test_calc.py::test_add"]',
        "PASS_TO_PASS": '["tests/test_calc.py::test_twice"]',
    }


@pytest.fixture
def runtime(swe, row, tmp_path):
    made = []

    def start(**changed) -> Runtime:
        file = tmp_path / f"rows{len(made)}.jsonl"
        file.write_text(json.dumps({**row, **changed}) + "\n")
        sources.configure({rows.SOURCE: file})
        made.append(Runtime(swe))
        return made[-1]

    yield start
    sources.forget(rows.SOURCE)
    for one in made:
        one.close()


def paid(runtime, *commands, task_id="some__repo-7"):
    return play(runtime, runtime.task(task_id), [SHAPE.commands(*commands)]).outcome


def test_its_own_solution_pays(runtime):
    found = runtime()
    task = found.task("some__repo-7")
    assert play(found, task, task.gold).outcome == 1.0


def test_nothing_does_not_pay(runtime):
    assert paid(runtime()) == 0.0


def test_another_solution_pays(runtime):
    assert paid(runtime(), "sed -i 's/a - b/b + a/' pkg/calc.py && git commit -qam mended") == 1.0


@pytest.mark.parametrize(
    "command",
    [
        "rm -r tests",
        "printf 'collect_ignore_glob = [\"*\"]\\n' | tee conftest.py > tests/conftest.py",
        "printf '[pytest]\\naddopts = --collect-only\\n' > pytest.ini",
        "printf 'def main(*a, **k): return 0\\n' > pytest.py",
        "printf 'import os\\nos._exit(0)\\n' | tee sitecustomize.py > json.py",
        "printf 'import os\\nos._exit(0)\\n' >> pkg/calc.py",
        "sed -i 's/== 5/== -1/' tests/test_calc.py",
    ],
)
def test_a_cheat_does_not_pay(runtime, command):
    assert paid(runtime(), command) == 0.0


def test_what_does_not_count_does_no_harm(runtime):
    assert paid(runtime(), MEND, "rm -r tests; printf 'boom' | tee conftest.py setup.cfg json.py > reproduce.py") == 1.0


def test_breaking_another_test_does_not_pay(runtime):
    assert paid(runtime(), MEND, "sed -i 's/2 \\* a/3 * a/' pkg/calc.py") == 0.0


def test_a_row_that_does_not_pass_here_is_an_error(runtime):
    with pytest.raises(VerifierFailed, match=r"its own solution does not pass .*: .*test_new: did not run"):
        paid(runtime(instance_id="r-1", FAIL_TO_PASS=["tests/test_calc.py::test_new"]), task_id="r-1")


def test_a_patch_of_tests_that_does_not_fit_is_an_error(runtime):
    with pytest.raises(VerifierFailed, match="the patch of the tests cannot be applied"):
        paid(runtime(instance_id="r-2", patch="", test_patch=TEST_PATCH.replace("2, 3", "2, 4")), task_id="r-2")


def test_the_task_shows_nothing_of_its_tests(runtime):
    task = runtime().task("some__repo-7")
    shown = repr((task.messages, task.origin, task.tools, task.metadata))
    assert "test_calc" not in shown
    assert "a + b" not in shown


def test_a_row_of_another_source_is_not_found(runtime, swe):
    found = runtime()
    task = found.task("some__repo-7")
    sources.forget(rows.SOURCE)
    with closing(swe.world()) as world:
        world.start(task.origin, 0)
        with pytest.raises(NotFound, match="no row called 'some__repo-7'"):
            world.outcome(task)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"repo": ""}, "repo: expected a text, got ''"),
        ({"FAIL_TO_PASS": "[]"}, "FAIL_TO_PASS: expected at least one test"),
        ({"PASS_TO_PASS": 3}, "PASS_TO_PASS: expected a list of names of tests"),
        ({"FAIL_TO_PASS": ["test_a (app.tests.Case)"]}, "expected tests as pytest names them"),
    ],
)
def test_a_line_that_is_no_row(tmp_path, row, changed, message):
    file = tmp_path / "rows.jsonl"
    file.write_text("\n" + json.dumps({**row, **changed}))
    with pytest.raises(BadLine, match="line 2: expected a row of SWE-bench: ") as raised:
        list(rows.read_rows(file))
    assert message in str(raised.value)


def test_a_line_that_lacks_a_field(tmp_path, row):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({name: value for name, value in row.items() if name != "test_patch"}))
    with pytest.raises(BadLine, match="it lacks 'test_patch'"):
        list(rows.read_rows(file))


def test_a_cut_name_stands_for_all_tests_that_begin_so():
    tests = {"t.py::test_a[x y]": "passed", "t.py::test_a[x z]": "failed", "t.py::test_b": "passed"}
    assert rows._status("t.py::test_a[x", tests) == "failed"
    assert rows._status("test_b", tests) == "passed"
    assert rows._status("t.py::test_c", tests) == "did not run"
