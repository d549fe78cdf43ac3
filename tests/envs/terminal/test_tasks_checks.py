"""Checks, each on a real machine."""

import json
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.sandbox.contract import Base
from pivotgym.envs.terminal.tasks import checks
from pivotgym.envs.terminal.tasks.checks import (
    BytesAre,
    Gone,
    JsonIs,
    LinksAre,
    Matches,
    ModesAre,
    Prints,
    TextIs,
    TreeIs,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
)


@pytest.fixture(scope="module")
def start(terminals):
    return terminals.backend().base(Base(identity='"checks"', files={"/work/a.txt": b"one\ntwo\n"}))


@pytest.fixture
def machine(terminals, start):
    with closing(terminals.backend().open(start)) as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("written", "due", "any_order", "holds"),
    [
        ("one\ntwo\n", "one\ntwo", False, True),
        ("one  \ntwo\n\n", "one\ntwo", False, True),
        ("two\none\n", "one\ntwo", False, False),
        ("two\none\n", "one\ntwo", True, True),
        ("one\none\ntwo\n", "one\ntwo", True, False),
        ("", "one", False, False),
    ],
)
def test_text(machine, written, due, any_order, holds):
    machine.write("/work/b", written.encode())
    assert TextIs("t", "/work/b", due, any_order=any_order).holds(machine) is holds


def test_exact_text_counts_every_byte(machine):
    assert TextIs("t", "/work/a.txt", "one\ntwo\n", exact=True).holds(machine)
    assert not TextIs("t", "/work/a.txt", "one\ntwo", exact=True).holds(machine)
    assert BytesAre("t", "/work/a.txt", b"one\ntwo\n").holds(machine)


@pytest.mark.parametrize(
    "check", [TextIs("t", "/no", ""), JsonIs("t", "/no", None), Matches("t", "/no", "", absent=True)]
)
def test_a_missing_file_holds_nothing(machine, check):
    assert not check.holds(machine)


@pytest.mark.parametrize(
    ("written", "due", "holds"),
    [
        ('{"b": [1.0, 2], "a": "x"}', {"a": "x", "b": [1, 2]}, True),
        ('{"a": 1}', {"a": True}, False),
        ('{"a": 1, "b": 2}', {"a": 1}, False),
        ('["a"]', ["a", "b"], False),
        ("1", "1", False),
        ("[" * 100_000, [], False),
        ("not json", None, False),
    ],
)
def test_json(machine, written, due, holds):
    machine.write("/work/j", written.encode())
    assert JsonIs("j", "/work/j", due).holds(machine) is holds


@given(json_values, json_values)
def test_json_values_are_the_same_where_their_texts_are(one, other):
    assert checks._same(one, other, 0.0) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_a_pattern_is_there_or_not(machine):
    assert Matches("m", "/work/a.txt", "^two$").holds(machine)
    assert not Matches("m", "/work/a.txt", "^two$", absent=True).holds(machine)


def test_modes(machine):
    machine.run("chmod 2750 /work; chmod 600 /work/a.txt; ln -s a.txt /work/l")
    assert ModesAre("m", {"/work": 0o2750, "/work/a.txt": 0o600}).holds(machine)
    assert not ModesAre("m", {"/work/a.txt": 0o644}).holds(machine)
    assert not ModesAre("m", {"/work/l": 0o600}).holds(machine)
    assert not ModesAre("m", {"/work/a.txt": 0o600, "/work/no": 0o600}).holds(machine)


def test_links_count_by_where_they_lead(machine):
    machine.run("cd /work; ln -s a.txt r; ln -s /work/a.txt s; ln -s no d")
    assert LinksAre("l", {"/work/r": "/work/a.txt", "/work/s": "/work/a.txt", "/work/d": "/work/no"}).holds(machine)
    assert not LinksAre("l", {"/work/a.txt": "/work/a.txt"}).holds(machine)


def test_a_link_that_leads_nowhere_is_not_gone(machine):
    machine.run("ln -s no /work/d")
    assert Gone("g", ("/work/x",)).holds(machine)
    assert not Gone("g", ("/work/x", "/work/d")).holds(machine)


def test_a_tree_has_these_files_and_no_others(machine):
    machine.run("mkdir -p '/work/with blank/empty'; echo x > '/work/with blank/b'")
    tree = {"a.txt": "one\ntwo\n", "with blank/b": b"x\n"}
    assert TreeIs("t", "/work", tree).holds(machine)
    assert TreeIs("t", "/work", {**tree, "a.txt": None}).holds(machine)
    assert not TreeIs("t", "/work", {**tree, "a.txt": "one\n"}).holds(machine)
    machine.run("ln -s a.txt /work/l")
    assert not TreeIs("t", "/work", tree).holds(machine)


def test_what_a_command_prints_and_its_status(machine):
    assert Prints("p", "cat /in; exit 3", "hello", exit=3, files={"/in": "hello\n"}).holds(machine)
    assert not Prints("p", "cat /in; exit 3", "hello").holds(machine)
    assert Prints("p", "printf 'b\\na\\n'", "a\nb", any_order=True).holds(machine)


@pytest.mark.parametrize("command", ["sleep 60", "yes"])
def test_a_program_of_the_policy_that_does_not_end_does_not_hold(machine, command):
    assert not Prints("p", command, "", timeout_s=0.3).holds(machine)


def test_a_probe_that_does_not_end_is_our_failure(machine, monkeypatch):
    monkeypatch.setattr(checks, "PROBE_S", 0.3)
    machine.run("stat() { sleep 60; }")
    with pytest.raises(WorldFailed, match=r"check: the probe .*stat.* was ended by the limit 'time'"):
        ModesAre("m", {"/work": 0o755}).holds(machine)
