"""Rows of SWE-bench: read, played on a small local repository, judged by their own tests."""

import json
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.slow
def test_another_solution_pays(runtime):
    assert paid(runtime(), "sed -i 's/a - b/b + a/' pkg/calc.py && git commit -qam mended") == 1.0


CHEATS = {
    "ends the process": "printf 'import os\\nos._exit(0)\\n' >> pkg/calc.py",
}
SLOW_CHEATS = {
    "expects the failure": "sed -i 's/return a - b/import pytest; pytest.xfail()/' pkg/calc.py",
    "changes the tests": "sed -i 's/== 5/== -1/' tests/test_calc.py",
    "replaces pytest": "printf 'def main(*a, **k): return 0\\n' > pytest.py",
    "removes the tests": "rm -r tests",
    "conftest": "printf 'collect_ignore_glob = [\"*\"]\\n' | tee conftest.py > tests/conftest.py",
    "settings": "printf '[pytest]\\naddopts = --collect-only\\n' > pytest.ini",
    "start files": "printf 'import os\\nos._exit(0)\\n' | tee sitecustomize.py > json.py",
    "a folder for a file": "rm tests/test_calc.py && mkdir tests/test_calc.py && touch tests/test_calc.py/x",
    "a pipe for a file": "rm pkg/calc.py && mkfifo pkg/calc.py",
    "a link for a folder": "mv pkg /tmp/pkg && ln -s /tmp/pkg pkg",
    "a file for a folder": "rm -r pkg && echo 'def add(a, b): return a + b' > pkg",
    "skips": "printf 'import pytest\\npytest.skip(allow_module_level=True)\\n' >> pkg/calc.py",
}


@pytest.mark.parametrize("name", [*CHEATS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_CHEATS)])
def test_a_cheat_does_not_pay(runtime, name):
    assert paid(runtime(), {**CHEATS, **SLOW_CHEATS}[name]) == 0.0


HELPED = """\
diff --git a/tests/test_more.py b/tests/test_more.py
new file mode 100644
--- /dev/null
+++ b/tests/test_more.py
@@ -0,0 +1,11 @@
+import pytest
+
+from pkg.calc import add
+
+
+@pytest.mark.parametrize("text", ["a b::c [d]", "e"])
+def test_add(text):
+    assert add(2, len(text)) == 2 + len(text)
+@pytest.mark.xfail
+def test_later():
+    assert add("a", 1)
"""


@pytest.mark.slow
def test_names_with_spaces_and_brackets_are_tests(runtime):
    named = ["tests/test_more.py::test_add[a b::c [d]]", "tests/test_more.py::test_add[e]"]
    found = runtime(instance_id="r-3", test_patch=HELPED, FAIL_TO_PASS=named)
    assert paid(found, MEND, task_id="r-3") == 1.0
    assert paid(found, task_id="r-3") == 0.0


@pytest.mark.slow
def test_a_test_that_fails_as_it_says_is_excused_where_the_rows_own_solution_leaves_it_so(runtime):
    named = {"FAIL_TO_PASS": ["tests/test_more.py::test_add[a"], "PASS_TO_PASS": ["tests/test_more.py::test_later"]}
    found = runtime(instance_id="r-4", test_patch=HELPED, **named)
    assert paid(found, MEND, task_id="r-4") == 1.0
    assert paid(found, "sed -i 's/return a - b/import pytest; pytest.xfail()/' pkg/calc.py", task_id="r-4") == 0.0


def test_changes_of_what_belongs_to_the_tests_do_not_count(row):
    judged = rows._row({**row, "PASS_TO_PASS": ["pkg/tests/unit/test_a.py::test_a", "pkg/test_b.py::test_b"]})
    assert judged.test_places == (
        "tests/test_calc.py", "pkg/tests/unit/test_a.py", "pkg/test_b.py", "tests", "pkg/tests",
    )  # fmt: skip


def test_files_of_a_diff_that_only_renames():
    renamed = "diff --git a/t/a.py b/t/b.py\nsimilarity index 100%\nrename from t/a.py\nrename to t/b.py\n"
    assert rows.patched_files(renamed) == ["t/a.py", "t/b.py"]


PLUGIN = (
    "printf 'import os\\nos._exit(0)\\n' > evil.py && mkdir evil-1.dist-info && "
    "printf '[pytest11]\\nevil = evil\\n' > evil-1.dist-info/entry_points.txt && "
    "printf 'Name: evil\\nVersion: 1\\n' > evil-1.dist-info/METADATA"
)


@pytest.mark.slow
def test_what_does_not_count_does_no_harm(runtime):
    harm = "rm -r tests; printf 'boom' | tee conftest.py setup.cfg json.py > reproduce.py"
    assert paid(runtime(), MEND, harm, PLUGIN) == 1.0


@pytest.mark.slow
def test_breaking_another_test_does_not_pay(runtime):
    assert paid(runtime(), MEND, "sed -i 's/2 \\* a/3 * a/' pkg/calc.py") == 0.0


@pytest.mark.slow
def test_a_row_that_does_not_pass_here_is_an_error(runtime):
    with pytest.raises(VerifierFailed, match=r"its own solution does not pass .*: .*test_new: did not run"):
        paid(runtime(instance_id="r-1", FAIL_TO_PASS=["tests/test_calc.py::test_new"]), task_id="r-1")


@pytest.mark.slow
def test_a_patch_of_tests_that_does_not_fit_is_an_error(runtime):
    with pytest.raises(VerifierFailed, match="the patch of the tests cannot be applied"):
        paid(runtime(instance_id="r-2", patch="", test_patch=TEST_PATCH.replace("2, 3", "2, 4")), task_id="r-2")


@pytest.mark.slow
def test_the_task_shows_nothing_of_its_tests(runtime):
    task = runtime().task("some__repo-7")
    shown = repr((task.messages, task.origin, task.tools, task.metadata))
    assert "test_calc" not in shown
    assert "a + b" not in shown


@pytest.mark.slow
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
        ({"patch": 3}, "patch: expected a text, got 3"),
        ({"test_patch": "x", "FAIL_TO_PASS": ["test_a"], "PASS_TO_PASS": []}, "expected a diff of a Python file"),
        ({"PASS_TO_PASS": ["../t.py::test_a"]}, "expected files within the repository, got '../t.py'"),
    ],
)
def test_a_line_that_is_no_row(tmp_path, row, changed, message):
    file = tmp_path / "rows.jsonl"
    file.write_text("\n" + json.dumps({**row, **changed}))
    with pytest.raises(BadLine, match="line 2: expected a row of SWE-bench: ") as raised:
        list(rows.read_rows(file))
    assert message in str(raised.value)


def test_a_row_that_stands_twice(tmp_path, row):
    file = tmp_path / "rows.jsonl"
    file.write_text((json.dumps(row) + "\n") * 2)
    with pytest.raises(BadLine, match=r"line 2: .*'some__repo-7' stands twice"):
        list(rows.read_rows(file))


@given(st.binary(max_size=80))
def test_any_line_is_a_row_or_refused(tmp_path_factory, line):
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    file.write_bytes(b"[" + line.replace(b"\n", b" ") + b"]")
    with pytest.raises(BadLine, match="line 1: expected a row of SWE-bench"):
        list(rows.read_rows(file))


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
