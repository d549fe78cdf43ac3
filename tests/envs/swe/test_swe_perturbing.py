"""Counts that are equal by coincidence, and copies of a repository in which they are not."""

import ast
import json
import random
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swe_agents import FILES, call, write

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Verdict
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.swe import perturbing
from pivotgym.envs.swe.domain import domain


@pytest.fixture(scope="module")
def runtime(swe):
    found = Runtime(swe)
    yield found
    found.close()


def bash(command: str) -> Action:
    return call("bash", command=command)


LINES, HITS = bash("wc -l < pkg/calc.py"), bash("grep -c 'def ' pkg/calc.py")
CALLED = bash("python -c 'from pkg.calc import twice; print(twice(4))'")
FOUND = bash("find . -name '*.py' | wc -l")


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [
        (LINES, "cat pkg/calc.py | wc -l"),
        (HITS, "grep -c '^def ' pkg/calc.py"),
        (HITS, "grep 'def ' pkg/calc.py | wc -l"),
        (FOUND, "find /testbed -type f -name '*.py' | wc -l"),
        (CALLED, "python -c 'import pkg.calc as c; print(c.twice(4))'"),
    ],
)  # fmt: skip
def test_equal_counts_for_the_same_reason(runtime, pivot, expert, candidate):
    assert runtime.verify(pivot(expert), bash(candidate)).outcome == "equivalent"


@pytest.mark.parametrize(
    ("expert", "candidate"),
    [(LINES, "echo 6"), (HITS, "grep -c return pkg/calc.py"), (FOUND, "echo 3")],
)
def test_equal_counts_by_coincidence(runtime, pivot, expert, candidate):
    verdict = runtime.verify(pivot(expert), bash(candidate))
    assert (verdict.outcome, "perturbed_copy" in verdict.evidence) == ("different", True), verdict.reason


@pytest.mark.parametrize(
    ("output", "doubted"),
    [
        *((text, True) for text in ("6\n", " 6 a.py\n", "a.py:2\nb.py:0\n", "yes\n", "True", "6 12 80 a.py", "n=3")),
        *((text, False) for text in ("", "def add(a, b):\n", "a.py\nb.py\n", "6 files changed (2)\n", "6\nreturn a\n")),
    ],
)  # fmt: skip
def test_only_outputs_without_text_are_doubted(output, doubted):
    effects = Effects(state="", before="", detail={"commands": [{"command": "x", "stdout": output, "exit": 0}]})
    verdict = Verdict(reward=1.0, outcome="equivalent", method="execution", executed=True, reason="")
    assert domain().doubts(effects, verdict) is doubted


@pytest.mark.parametrize("method", ["files", "syntax_tree", "tests", "test_run"])
def test_edits_and_test_runs_are_not_doubted(method):
    effects = Effects(state="", before="", detail={"commands": [{"command": "x", "stdout": "6\n", "exit": 0}]})
    verdict = Verdict(reward=1.0, outcome="equivalent", method=method, executed=True, reason="")
    assert not domain().doubts(effects, verdict)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 3))
def test_a_python_file_stays_one(text, seed):
    whole = f"note = {text!r}\nclass A:\n    def f(self):\n        return '''x'''"
    changed = whole + perturbing.again(whole, ".py", random.Random(seed))
    assert ast.dump(ast.Module(ast.parse(changed).body[:2], [])) == ast.dump(ast.parse(whole))


def test_lines_are_said_again_as_they_are():
    added = perturbing.again("def f():\n    pass", ".py", random.Random(1))
    assert set(added.split("\n")[2:-2]) == {
        "def f():",
        "    pass",
    }


def test_lines_are_comments_where_these_are_known():
    assert {line[:2] for line in perturbing.again("a: 1\nb: 2\n", ".yaml", random.Random(1)).splitlines()} == {"# "}


def test_copies_of_a_seed_are_the_same_and_others_are_not(tmp_path):
    trees = []
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        write(tmp_path / name, FILES)
        perturbing.main(str(tmp_path / name), seed)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        trees.append({str(path.relative_to(tmp_path / name)): path.read_text() for path in files})
    assert trees[0] == trees[1] != trees[2]


def test_what_is_no_text_of_the_repository_stays_as_it_was(tmp_path):
    kept = {".git/config.txt": "a\n", "data.json": json.dumps([1]), "node_modules/a.js": "a()\n"}
    write(tmp_path, {**kept, "a.py": "a = 1\n"})
    (tmp_path / "bad.txt").write_bytes(b"\xff\n")
    (tmp_path / "link.py").symlink_to("a.py")
    perturbing.main(str(tmp_path), 1)
    assert {path: (tmp_path / path).read_text() for path in kept} == kept
    assert (tmp_path / "bad.txt").read_bytes() == b"\xff\n"
    assert (tmp_path / "a.py").read_text().count("r'''") == 1


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler")
def test_a_c_file_still_compiles(tmp_path):
    text = "/* said */\nint main(void) {\n  return 0; // none\n}\n"
    (tmp_path / "a.c").write_text(text + perturbing.again(text, ".c", random.Random(1)))
    assert subprocess.run(["gcc", "-fsyntax-only", "a.c"], cwd=tmp_path, check=False).returncode == 0
