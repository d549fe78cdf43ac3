"""When two paths are one file."""

import pytest

from pivotgym.verifiers.code.paths import plain, same_path


@pytest.mark.parametrize(
    ("one", "other", "root"),
    [
        ("a.py", "./a.py", None),
        ("src/a.py", "src//lib/../a.py", None),
        ("a.py", "/testbed/a.py", None),
        ("a.py", "/workspace/owner__proj__1.2/a.py", None),
        ("src/a.py", "/home/me/proj/src/a.py", None),
        (".", "/testbed", None),
        ("a.py", "/odd/place/a.py", "/odd/place"),
        ("/r/a.py", "/r/./a.py", "/r"),
    ],
)
def test_the_same_file(one, other, root):
    assert same_path(one, other, root)
    assert same_path(other, one, root)


@pytest.mark.parametrize(
    ("one", "other", "root"),
    [
        ("a.py", "b.py", None),
        ("a.py", "src/a.py", None),
        ("a.py", "/testbed/src/lib/core/a.py", None),
        ("a.py", "/etc/a.py", None),
        ("a.py", "/testbed/docs/a.py", None),
        ("a.py", "/workspace/docs/a.py", None),
        ("a.py", "/testbed/a.py", "/odd/place"),
        ("/x/a.py", "/y/a.py", None),
        ("a.py", "/testbed/ba.py", None),
    ],
)
def test_another_file(one, other, root):
    assert not same_path(one, other, root)


def test_a_path_outside_the_repository_stays_whole():
    assert plain("/etc/hosts", "/r") == "/etc/hosts"
    assert plain("", "/r") == "."
