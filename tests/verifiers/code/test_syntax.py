"""Same syntax, whatever the text looks like."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import MissingDependency
from pivotgym.verifiers.code import syntax
from pivotgym.verifiers.code.syntax import same_syntax


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("a.py", "x = (1)\n", "x = 1  # one\n"),
        ("a.py", "def f():\n    '''Doc.'''\n    return 1\n", "def f():\n\n    return 1\n"),
        ("a.py", "class A:\n    'Doc.'\n", "class A:\n    pass\n"),
        ("a.py", 's = "a"\n', "s = u'a'\n"),
        ("a.json", '{"a": 1, "b": [2]}', '{ "b": [2],\n "a": 1 }'),
        ("a.toml", "a = 1 # one\nb = 2\n", "b = 2\na = 1\n"),
        ("a.yaml", "a: 1 # one\nb: [x, y]\n", "b:\n- x\n- y\na: 1\n"),
        ("a.js", "f(1,2) // two\n", "f( 1, 2 )\n"),
        ("a.ts", "let x:number = 1;", "let x: number = 1; /* one */"),
        ("a.go", "package a\n\nfunc f() {}\n", "package a\n// f\nfunc f()  {}\n"),
        ("a.rs", "fn f() -> i32 { 1 }", "fn f() -> i32 {\n    1\n}\n"),
        ("A.java", "class A { int x = 1; }", "class A {\n  int x = 1;\n}"),
        ("a.c", "int f(void) { return 1; }", "int f(void)\n{\n  return 1;\n}\n"),
        ("a.rb", "def f\n  1\nend\n", "# f\ndef f\n    1\nend\n"),
        ("a.sh", "echo  a # b\n", "echo a\n"),
    ],
)
def test_comments_docstrings_and_formatting_do_not_count(path, one, other):
    assert same_syntax(path, one, other) is True


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("a.py", "if x > 0:\n    y()\n", "if x < 0:\n    y()\n"),
        ("a.py", "x = 1\n", "x = 1.0\n"),
        ("a.py", "if x:\n    a()\nb()\n", "if x:\n    a()\n    b()\n"),
        ("a.py", "x = 1\n", "x = (\n"),
        ("a.json", '{"a": 1}', '{"a": true}'),
        ("a.json", "[1, 2]", "[2, 1]"),
        ("a.yaml", "a: '1'", "a: 1"),
        ("a.toml", "a = 1", "a = 1.0"),
        ("a.js", "a - (b - c)", "(a - b) - c"),
        ("a.js", "x = 'a  b'", "x = 'a b'"),
        ("a.go", "//go:build linux\npackage a\n", "//go:build darwin\npackage a\n"),
        ("a.rs", "fn f() { a; }", "fn f() { b; }"),
    ],
)
def test_what_means_something_else_is_different(path, one, other):
    assert same_syntax(path, one, other) is False


@pytest.mark.parametrize("path", ["a.txt", "Makefile", "a.rst"])
def test_a_language_without_a_parser_is_not_decided(path):
    assert same_syntax(path, "a", "b") is None


def test_two_broken_texts_are_not_decided():
    assert same_syntax("a.py", "print 'a'", "print 'b'") is None


def test_warnings_about_the_code_stay_out_of_the_log(recwarn):
    same_syntax("a.py", "x = '\\d'\n1 is 1\n", "y = 1")
    assert not recwarn.list


def test_very_deep_and_very_long_texts_are_not_decided():
    assert same_syntax("a.py", "(" * 5000 + ")" * 5000, "x") is False
    assert same_syntax("a.py", "#" * 1_000_001, "") is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", 'x = f"' + "{1}" * 30_000 + '"\n'),
        ("a.toml", ".".join("a" * 5000) + " = 1\n"),
        ("a.yaml", "- a\n" * 30_000),
        ("a.js", "x=1;" * 50_000),
    ],
)
def test_a_text_that_takes_too_long_to_parse_is_not_decided(path, text):
    assert same_syntax(path, text, text) is None
    assert same_syntax(path, "", text) is None


def test_aliases_of_aliases_are_read_once():
    doubled = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    assert same_syntax("a.yaml", f"a0: &a0 [1]\n{doubled}", f"a0: &a0 [1]\n\n{doubled}") is True
    assert same_syntax("a.yaml", f"a0: &a0 [1]\n{doubled}", f"a0: &a0 [2]\n{doubled}") is False


def test_a_missing_grammar_is_named_with_what_mends_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tree_sitter_go", None)
    syntax._parser.cache_clear()
    with pytest.raises(MissingDependency, match=r"\.go files needs the package tree-sitter-go.*pivotgym\[swe\]"):
        same_syntax("a.go", "package a", "package b")
    syntax._parser.cache_clear()


@given(st.sampled_from(["a.py", "a.js", "a.go", "a.json", "a.yaml", "a.sh"]), st.text(max_size=80))
def test_a_text_never_differs_from_itself(path, text):
    assert same_syntax(path, text, text) is not False
