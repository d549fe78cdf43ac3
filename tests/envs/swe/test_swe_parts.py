"""The tools' memory, results of tests, and what is asked of a Runtime."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.messages import Action, ToolCall
from pivotgym.envs.sandbox.contract import Ran
from pivotgym.envs.swe.memory import MAX_BYTES, MAX_UNDOS, Memory, dump, load
from pivotgym.envs.swe.observing import normalised, observation
from pivotgym.envs.swe.operations.read import commands_of
from pivotgym.envs.swe.operations.window import Window
from pivotgym.envs.swe.testing import Results, _cpu_of, _of_output, _of_record, pace


@given(st.builds(Window, st.text() | st.none(), st.integers(1, 99)), st.dictionaries(st.text(), st.lists(st.text())))
def test_a_memory_is_read_back(window, undos):
    memory = Memory(window, {path: tuple(texts) for path, texts in undos.items()})
    assert load(lambda path: dump(memory)) == memory


@pytest.mark.parametrize(
    "content",
    [None, b"", b"{", b"[]", b'{"window": {"x": 1}}', b"\xff", b'{"undos": 3}', b'{"undos": {"/a": [1]}}',
     b'{"window": {"size": 0}}', b"[" * 100_000],
)  # fmt: skip
def test_a_memory_that_is_none_is_empty(content):
    assert load(lambda path: content) == Memory()


def test_only_the_last_edits_are_remembered():
    memory = Memory()
    for number in range(MAX_UNDOS + 3):
        memory = memory.edited("/a", str(number))
    assert memory.undos["/a"][0] == "3"


def test_a_memory_that_is_too_large_keeps_the_window():
    memory = Memory(Window("/a")).edited("/a", "x" * MAX_BYTES)
    assert load(lambda path: dump(memory)) == Memory(Window("/a"))


def signed(told: bytes, key: bytes = b"key") -> bytes:
    return hmac.new(key, told, hashlib.sha256).hexdigest().encode() + b"\n" + told


def test_a_record_names_tests_that_failed_and_functions_that_are_others():
    told = b'{"results": {"t::a": "passed", "t::b": "failed", "t::c": "skipped"}, "changed": ["json.load"]}'
    results = _of_record(signed(told), b"key")
    assert results == Results(("json.load is another function", "t::a", "t::b", "t::c"), ("t::b",))


@pytest.mark.parametrize(
    "record",
    [None, b"", b'{"results": {}}', signed(b'{"results": {}, "changed": []}', b"other"), signed(b"["), signed(b"{}"),
     signed(b'{"results": 1, "changed": []}'), signed(b'{"results": {"a": []}, "changed": []}')],
)  # fmt: skip
def test_no_record(record):
    assert _of_record(record, b"key") is None


@pytest.mark.parametrize(("status", "failed"), [(0, ()), (1, ("make check",))])
def test_a_runner_without_a_report_is_one_test(status, failed):
    assert _of_output("make check", "", status).failed == failed


@pytest.mark.parametrize(
    ("times", "seconds"),
    [(b"0m0.002s 0m0.001s\n1m2.500s 0m0.250s\n", 62.75), (b"0m9.000s 0m9.000s\n", 0), (b"a\n0m0.0.0s", 0), (None, 0)],
)
def test_the_processor_time_of_children(times, seconds):
    assert _cpu_of(times) == seconds


def test_the_pace_of_tests_is_that_of_the_first_run_that_ended():
    assert pace("state", "pytest", Results(ended="time")) is None
    assert pace("state", "pytest", Results(("t",), cpu_s=2.0)) == 2.0
    assert pace("state", "pytest", Results(("t",), cpu_s=9.0)) == 2.0
    assert pace("another state", "pytest") is None


def test_commands_are_run_as_they_stand():
    calls = [("bash", {"command": "cat a.py"}), ("str_replace_editor", {"command": "view", "path": "/a"})]
    action = Action(tool_calls=tuple(ToolCall(name=name, arguments=given) for name, given in calls))
    assert commands_of(action) == ("cat a.py", None)


def test_a_command_that_hands_in_the_work_is_not_run():
    action = Action(tool_calls=(ToolCall(name="bash", arguments={"command": "echo MINI_SWE_AGENT_FINAL_OUTPUT"}),))
    assert commands_of(action, "mini_swe_agent") == (None,)


def test_words_of_a_command_are_joined():
    action = Action(tool_calls=(ToolCall(name="shell", arguments={"command": ["bash", "-lc", "ls"], "workdir": "/a"}),))
    assert commands_of(action, "codex") == ("cd /a && ls",)


def test_lines_of_an_observation_come_in_any_order():
    one, other = (observation(Ran(out, b"", 0), "mini_swe_agent", 9.0) for out in (b"a\nb\n", b"b\na\n"))
    assert normalised(one) == normalised(other)


def test_a_command_that_takes_too_long_says_so():
    assert "longer than its time limit" in observation(Ran(b"", b"", None, "time"), "mini_swe_agent", 9.0)


@pytest.mark.parametrize(
    ("recorded", "replayed"),
    [
        ("setup.py\nx.egg-info\n", "setup.py\n"),
        ("drwxrwxrwx 2 root root 4096 Oct 24  2024 doc\n", "drwxr-xr-x 5 root root 40 Nov  1 10:00 doc\n"),
        ("drwxr-xr-x 2 root root 4096 Oct 24  2024 x.egg-info\n", ""),
        ("./x.egg-info:\nPKG-INFO\n\n./y:\nz\n", "./y:\nz\n"),
        ("grep: a/__pycache__/b.cpython-39.pyc: binary file matches\n", ""),
    ],
)
def test_what_a_built_repository_has_more_does_not_count(recorded, replayed):
    assert normalised(recorded) == normalised(replayed)


TRACEBACK = 'Traceback:\n  File "{0}", line {1}, in f\n    g(x)\n{2}ValueError: no\n'
SUMMARY = "=== warnings summary ===\nlib/a.py:3\n  DeprecationWarning: old\n\n-- Docs: here\n"


@pytest.mark.parametrize(
    ("recorded", "replayed"),
    [
        ("index 3f9c60fb9..97f863c90 100644\n", "index 3f9c60f..97f863c 100644\n"),
        ("[main 1234567] Say\n", "[main 89abcde] Say\n"),
        ("/tmp/tmpab12_c3d/a.py\n", "/tmp/tmpx9y8z7w6/a.py\n"),
        (TRACEBACK.format("/r/a.py", 3, ""), TRACEBACK.format("/r/a.py", 3, "    ^^^^\n")),
        (TRACEBACK.format("/c/lib/python3.9/ast.py", 3, ""), TRACEBACK.format("/o/lib/python3.11/ast.py", 9, "")),
        ("============ 2 passed, 7 warnings in 0.10s ============\n", "======= 2 passed in 3.21s =======\n"),
        (f"==== test session starts ====\n{SUMMARY}==== 2 passed in 1s ====\n",
         "=== test session starts ===\n=== 2 passed in 1s ===\n"),
        ("platform linux -- Python 3.9, pytest-6.0\nplugins: cov-5.0\na\n", "platform linux -- Python 3, x\na\n"),
        ("rootdir: /testbed, configfile: tox.ini\n", "rootdir: /testbed\nconfigfile: tox.ini\n"),
        ("local variable 'k' referenced before assignment\n",
         "cannot access local variable 'k' where it is not associated with a value\n"),
        ("random seed:   771\n", "random seed:   993\n"),
        ("/opt/conda/bin/python: No module named x\n", "/opt/python/bin/python: No module named x\n"),
    ],
)  # fmt: skip
def test_another_python_does_not_count(recorded, replayed):
    assert normalised(recorded) == normalised(replayed)


@pytest.mark.parametrize(
    ("recorded", "replayed"),
    [
        ("index 3f9c60fb9..97f863c90 100644\n", "index 3f9c60f..97f863d 100644\n"),
        (TRACEBACK.format("/r/a.py", 3, ""), TRACEBACK.format("/r/a.py", 4, "")),
        (TRACEBACK.format("/r/a.py", 3, ""), TRACEBACK.format("/r/b.py", 3, "")),
        ("=== 2 passed, 7 warnings in 1s ===\n", "=== 1 passed, 1 failed, 7 warnings in 1s ===\n"),
        ("=====\nTitle\n=====\n", "Title\n=====\n"),
        ("Title\n^^^^^\n", "Title\n"),
        ("local variable 'k' referenced before assignment\n", "local variable 'l' referenced before assignment\n"),
        ("#!/usr/bin/python3\n", "#!/opt/bin/python\n"),
        (f"==== test session starts ====\n{SUMMARY}==== FAILURES ====\na\n",
         f"==== test session starts ====\n{SUMMARY}==== FAILURES ====\nb\n"),
    ],
)  # fmt: skip
def test_what_the_repository_says_counts(recorded, replayed):
    assert normalised(recorded) != normalised(replayed)


@pytest.mark.parametrize(
    ("recorded", "replayed"),
    [("a.py\n", ""), ("-rw-r--r-- 1 root root 3 Oct 24  2024 a\n", "-rw-r--r-- 1 root root 4 Oct 24  2024 a\n")],
)
def test_other_differences_count(recorded, replayed):
    assert normalised(recorded) != normalised(replayed)


def test_of_a_cut_output_only_the_exit_status_counts():
    long, other = (f"{line}\n" * 9000 for line in ("one", "two"))
    shown = [observation(Ran(out.encode(), b"", code, None), "mini_swe_agent", 9.0) for out, code in
             ((long, 0), (other, 0), (long, 1))]  # fmt: skip
    assert normalised(shown[0]) == normalised(shown[1]) != normalised(shown[2])
