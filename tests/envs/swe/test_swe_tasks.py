"""Generated tasks without a sandbox: mutations, issues, gold runs, packages, the catalogue's file."""

import ast
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import ConfigError, MissingDependency, NotFound
from pivotgym.envs.swe.sdists import Sdist, find_sdist, tree
from pivotgym.envs.swe.tasks import catalogue, issues
from pivotgym.envs.swe.tasks.explaining import compared, innermost
from pivotgym.envs.swe.tasks.judge import solution
from pivotgym.envs.swe.tasks.mutate import mutation, mutations, parses
from pivotgym.envs.swe.tasks.packages import Package, package, packages
from pivotgym.envs.swe.tasks.shapes import SHAPES, Fix

SOURCE = '''\
def first(items, default=None, *, strict=False):
    """Say 1 < 2."""
    if not items and strict:
        raise ValueError("é", 1)
    for item in items[1:len(items)]:
        if item is None: continue
        return item.strip() + list(items)
    return max(default, 3)
'''


def changed(operator):
    return [one.apply(SOURCE) for one in mutations(SOURCE) if one.operator == operator]


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        ("comparison", "if item is not None: continue"),
        ("arithmetic", "return item.strip() - list(items)"),
        ("combination", "if not items or strict:"),
        ("inverted condition", "if not (not items and strict):"),
        ("removed branch", "if False:"),
        ("off by one", "items[2:len(items)]"),
        ("off by one", "items[1:len(items) + 1]"),
        ("off by one below", 'ValueError("é", 0)'),
        ("wrong constant", "strict=True"),
        ("wrong default", "default=False"),
        ("swapped arguments", "max(3, default)"),
        ("dropped call", "return item + list(items)"),
        ("dropped call", "return item.strip() + items"),
        ("wrong function", "return min(default, 3)"),
        ("wrong jump", "if item is None: break"),
    ],
)
def test_an_operator_changes_its_places(operator, text):
    assert any(text in one for one in changed(operator))


def test_a_change_touches_one_line():
    for one in mutations(SOURCE):
        lines = zip(SOURCE.split("\n"), one.apply(SOURCE).split("\n"), strict=True)
        assert [at for at, (old, new) in enumerate(lines, start=1) if old != new] == [one.line]


def test_a_change_is_found_again_by_its_place():
    assert all(mutation(SOURCE, one.line, one.column, one.operator) == one for one in mutations(SOURCE))


def test_no_text_or_docstring_is_changed():
    docstring = '"""Say 1 < 2."""'
    assert all(docstring in one.apply(SOURCE) for one in mutations(SOURCE))


def test_a_place_of_another_file_is_refused():
    with pytest.raises(NotFound, match="no 'comparison' fits line 1, column 0: it is another file than it was"):
        mutation(SOURCE, 1, 0, "comparison")


@given(st.text(alphabet="aé(){}[]<>=+-*/ :\n'\"1", max_size=60))
def test_any_program_can_be_searched(body):
    source = f"def f():\n    return {body!r}, [{len(body)} < 2]\n"
    assert all(parses(one.apply(source)) for one in mutations(source))


def sides(text):
    found = compared(ast.parse(text).body[0])
    return None if found is None else tuple(map(ast.unparse, found))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("assert f(1) == 2", ("f(1)", "2")),
        ("assert 2 == f(1)", ("f(1)", "2")),
        ("assert sorted(xs) == f(1)", ("f(1)", "sorted(xs)")),
        ("assert f(1) == g(1)", None),
        ("assert expected == result", ("result", "expected")),
        ("assert not f(1)", ("f(1)", "False")),
        ("self.assertEqual([1], f(1))", ("f(1)", "[1]")),
        ("self.assertTrue(f(1))", ("f(1)", "True")),
        ("assert f(1) < 2", None),
    ],
)
def test_the_tested_side_of_an_assertion(statement, expected):
    assert sides(statement) == expected


def test_the_innermost_statement_of_a_line():
    tree = ast.parse("for x in y:\n    assert f(\n        x) == 1\n")
    assert ast.unparse(innermost(tree, 3)) == "assert f(x) == 1"


TESTS = """\
import pytest
from shop import price, Basket


def test_price():
    basket = Basket([1])
    assert basket
    extra = 2
    assert price(basket, extra) == 3


def test_refused():
    with pytest.raises(ValueError):
        price(None, 1)


class Case(TestCase):
    def test_method(self):
        assert self.shop.price() == 1


def test_callback():
    def check(item):
        assert item == 1
"""


def described(line, kind, **told):
    return {"line": line, "kind": kind, "names": {}, **told}


def issue(line, kind, **told):
    found = issues.failure("tests/test_shop.py::test_x", described(line, kind, **told), TESTS)
    return found and issues.text(found, TESTS, name="shop", version="1.0", failing=1, tests="pytest tests", seed="a")


def test_an_issue_tells_what_to_do_what_came_and_what_should():
    text = issue(9, "value", got="4", wanted="3")
    assert "from shop import price, Basket\nbasket = Basket([1])\nextra = 2\nprice(basket, extra)" in text
    assert "`4`" in text
    assert "`3`" in text
    assert "One test of the suite fails because of it (`pytest tests`)" in text


def test_an_issue_says_where_its_names_are_from():
    assert "(the names are those of `tests/test_shop.py::test_x`, which shows it)" in issue(
        19, "value", got="2", wanted="1"
    )


def test_an_issue_of_an_unexpected_exception():
    assert "`TypeError: no number`" in issue(9, "exception", exception="TypeError", message="no number")


def test_an_issue_of_a_missing_exception():
    text = issue(13, "no exception")
    assert "price(None, 1)" in text
    assert "`ValueError`" in text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (9, {"got": "<Basket object>", "wanted": "3"}),
        (9, {"got": "x" * 101, "wanted": "3"}),
        (1, {"got": "4", "wanted": "3"}),
        (24, {"got": "4", "wanted": "1"}),
    ],
)
def test_a_failure_that_cannot_be_told(line, told):
    assert issue(line, "value", **told) is None


def test_a_stored_failure_of_another_file_is_refused():
    found = issues.Failure("t.py::test_a", 1, "value", "1", "2")
    with pytest.raises(NotFound, match="no statement at line 1 that could be told"):
        issues.text(found, TESTS, name="shop", version="1", failing=1, tests="pytest", seed="a")


FIX = Fix("pkg/a.py", 3, "x = 1\ny = 1\nx = 1\nz = 1\n", "x = 1\ny = 1\nx = 2\nz = 1\n", "pytest tests")


def test_a_replacement_is_unique_and_gives_the_mended_file():
    old, new = FIX.replaced()
    assert FIX.before.count(old) == 1
    assert FIX.before.replace(old, new) == FIX.after


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_a_gold_run_uses_the_tools_of_its_shape(name):
    shape = SHAPES[name]
    called = {call.name for action in shape.gold(FIX) for call in action.tool_calls}
    assert called <= {tool.name for tool in shape.tools}


def test_only_source_files_count():
    one = Package(Sdist("p", "1"), ("src/p",), ("src/p/tests", "tests"), ("src",))
    assert one.is_source("src/p/a.py")
    assert not any(map(one.is_source, ("src/p/tests/a.py", "tests/a.py", "conftest.py", "src/pp/a.py")))


def test_a_removed_source_file_counts_as_removed():
    from pivotgym.envs.sandbox.contract import Change, Entry

    one = Package(Sdist("p", "1"), ("p",), ("tests",))
    gone = Change(Entry("file"), None)
    assert solution(one, {"/testbed/p/a.py": gone, "/testbed/tests/t.py": gone}, None) == {"p/a.py": None}


def test_a_package_that_was_not_fetched(tmp_path):
    with pytest.raises(MissingDependency, match=r"p 1: expected its source package in the cache.*pivotgym fetch swe"):
        find_sdist(Sdist("p", "1"), cache=tmp_path)


def test_a_package_with_another_hash(tmp_path):
    (tmp_path / "sdists").mkdir()
    (tmp_path / "sdists" / "p-1.tar.gz").write_bytes(b"x")
    with pytest.raises(MissingDependency, match="p 1: expected SHA-256 00, got "):
        find_sdist(Sdist("p", "1", "00"), cache=tmp_path)


def test_a_tree_is_what_lies_below_the_top_folder(tmp_path):
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as packed:
        for name in ("p-1/b.py", "p-1/a/c.py", "../out.py", "p-1/../../out.py"):
            member = tarfile.TarInfo(name)
            member.size = 2
            packed.addfile(member, io.BytesIO(b"ok"))
    assert tree(tmp_path / "p.tar.gz") == {"a/c.py": b"ok", "b.py": b"ok"}


def test_an_archive_that_cannot_be_read(tmp_path):
    (tmp_path / "p.tar.gz").write_bytes(b"nothing")
    with pytest.raises(MissingDependency, match=r"p.tar.gz: expected a source package"):
        tree(tmp_path / "p.tar.gz")


def test_an_unknown_package():
    with pytest.raises(NotFound, match=r"package: expected one of .*'tabulate'.*, got 'nothing'"):
        package("nothing")


def test_an_unknown_task():
    with pytest.raises(NotFound, match=r"task: expected 'package/number' .* got 'tabulate/999'"):
        catalogue.find("tabulate/999")


def test_an_unknown_shape(monkeypatch):
    monkeypatch.setenv(catalogue.HARNESS, "vim")
    with pytest.raises(ConfigError, match=r"PIVOTGYM_SWE_HARNESS: expected one of .*, got 'vim'"):
        catalogue.shape_of(next(iter(catalogue.bugs().values())))


def test_at_least_sixty_bugs_each_break_a_few_tests():
    bugs = catalogue.bugs().values()
    assert len(bugs) >= 60
    assert all(1 <= len(bug.fails) <= 8 and bug.package.is_source(bug.path) for bug in bugs)


def test_bugs_of_every_package_and_many_operators():
    bugs = catalogue.bugs().values()
    assert {bug.package.name for bug in bugs} == set(packages())
    assert len({bug.operator for bug in bugs}) >= 10
