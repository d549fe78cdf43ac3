"""Which two sets of changed files are the same, and which only tests can tell apart."""

import hashlib

import pytest

from pivotgym.verifiers.code.files import compare_files


def entry(text, mode=0o644, kind="file"):
    return {
        "kind": kind,
        "mode": mode,
        "size": len(text),
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "text": text,
    }


def change(before, after, path="/r/a.py"):
    return {"files": {path: {"before": before and entry(before), "after": after and entry(after)}}}


def level(expert, candidate):
    return compare_files(expert, candidate).level


@pytest.mark.parametrize(
    ("expert", "candidate", "expected"),
    [
        ("x = 1\n", "x = 1\n", "same"),
        ("x = 1\n", "x = (1)\n", "syntax"),
        ("x = 1\n", "x = 1  # set\n", "syntax"),
        ("x = 1\n", "x = 2\n", "undecided"),
        ("if x > 0: y()\n", "if x < 0: y()\n", "undecided"),
        ("x = 1\n", "x = (\n", "different"),
        ("x = 1\n", "old = 0\n", "different"),
        ("x = 1\n", "old = 0  # fixed\n", "different"),
    ],
)
def test_an_edited_python_file(expert, candidate, expected):
    assert level(change("old = 0\n", expert), change("old = 0\n", candidate)) == expected


def test_an_edit_of_comments_alone_must_be_the_same_one():
    old = "x = 0\n"
    assert level(change(old, "x = 0  # zero\n"), change(old, "x = 0\t\t# one\n")) == "different"
    assert level(change(old, "# zero\nx = 0\n"), change(old, "# zero \n\nx = 0\n")) == "syntax"
    assert level(change(old, "x = 0  # zero\n"), {"files": {}}) == "different"


def test_a_file_that_only_one_action_changed_is_compared_with_what_it_was():
    compared = compare_files(change("x = 0\n", "x = 1\n"), {"files": {}})
    assert compared.level == "different"
    assert compared.reasons == {"/r/a.py": "the candidate leaves it as it was"}


def test_tests_do_not_decide_on_a_file_that_the_expert_leaves_as_it_was():
    ours, theirs = change("x = 0\n", "x = 1\n"), change("y = 0\n", "y = 1\n", path="/r/b.py")
    theirs["files"] |= change("x = 0\n", "x = 2\n")["files"]
    compared = compare_files(ours, theirs)
    assert compared.files == {"/r/a.py": "undecided", "/r/b.py": "different"}
    assert compared.reasons["/r/b.py"] == "the expert leaves it as it was"


@pytest.mark.parametrize("path", ["/test/tests/data.py", "/test/test_a.py", "/test/a_test.py", "/test/pkg/conftest.py"])
def test_tests_do_not_decide_on_tests(path):
    ours, theirs = (change("x = 0\n", text, path=path) | {"root": "/test"} for text in ("x = 1\n", "x = 2\n"))
    assert compare_files(ours, theirs).reasons == {path: "it is a test, which no test can judge"}


def test_a_repository_in_a_folder_of_tests_is_no_test():
    ours, theirs = (change("x = 0\n", text, "/test/a.py") | {"root": "/test"} for text in ("x = 1\n", "x = 2\n"))
    assert level(ours, theirs) == "undecided"


@pytest.mark.parametrize(
    ("expert", "candidate", "reason"),
    [
        (change("x", None), {"files": {}}, "it is still there"),
        ({"files": {}}, change("x", None), "it is gone"),
        (change(None, "x"), {"files": {}}, "it was not created"),
        ({"files": {}}, change(None, "x"), "the expert's action does not create it"),
    ],
)
def test_files_that_come_and_go(expert, candidate, reason):
    compared = compare_files(expert, candidate)
    assert (compared.level, compared.reasons["/r/a.py"]) == ("different", reason)


def test_a_deleted_file_is_the_same_for_both():
    assert level(change("x", None), change("x", None)) == "same"


def test_mode_and_kind_count():
    plain, runs = entry("x"), entry("x", mode=0o755)
    ours = {"files": {"/r/a": {"before": plain, "after": runs}}}
    assert level(ours, {"files": {}}) == "different"
    link = {"kind": "link", "mode": 0o777, "size": 1, "digest": "d"}
    assert level({"files": {"/r/a": {"before": plain, "after": link}}}, {"files": {}}) == "different"


def test_files_without_text_are_compared_by_digest():
    one = {"kind": "file", "mode": 0o644, "size": 1, "digest": "1"}
    ours = {"files": {"/r/a.png": {"before": None, "after": one}}}
    assert level(ours, {"files": {"/r/a.png": {"before": None, "after": dict(one)}}}) == "same"
    assert level(ours, {"files": {"/r/a.png": {"before": None, "after": {**one, "digest": "2"}}}}) == "different"


def test_text_of_no_known_language_may_differ_in_space_at_the_ends_of_lines():
    assert level(change("a", "b\nc\n", "/r/a.txt"), change("a", "b  \nc", "/r/a.txt")) == "syntax"
    assert level(change("a", "b c\n", "/r/a.txt"), change("a", "c b\n", "/r/a.txt")) == "undecided"


@pytest.mark.parametrize(
    "path",
    ["/r/__pycache__/a.pyc", "/r/.pytest_cache/v", "/r/.git/index", "/tmp/x", "/r/a.egg-info/PKG-INFO", "/r/a.orig"],
)
def test_by_products_do_not_count(path):
    assert level({"files": {}}, change(None, "x", path)) == "same"


def test_a_repository_s_hook_is_no_by_product():
    assert level({"files": {}}, change(None, "exit 1\n", "/r/.git/hooks/pre-commit")) == "different"


def test_the_share_counts_files_that_are_the_same():
    ours = {"files": {**change(None, "x\n", "/r/a.txt")["files"], **change(None, "y\n", "/r/b.txt")["files"]}}
    assert compare_files(ours, change(None, "x\n", "/r/a.txt")).share == 0.5
    assert compare_files({}, {}).share == 1.0


def test_a_file_that_comes_out_otherwise_each_time_must_only_be_written():
    ours = {**change(None, "12:01", "/r/log"), "unstable": change(None, "12:02", "/r/log")}
    assert level(ours, change(None, "12:07", "/r/log")) == "same"
    assert level(ours, {"files": {}}) == "different"
