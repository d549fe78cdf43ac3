"""Reports of test runners."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.code.reports import Report, read_report

PYTEST = """
FAILED tests/test_a.py::test_x - assert 1 == 2
ERROR tests/test_b.py
=============== 1 failed, 12 passed, 2 skipped, 3 warnings, 1 error in 0.31s ===============
"""
UNITTEST = """
FAIL: test_x (tests.test_a.A)
----------------------------------------------------------------------
Ran 5 tests in 0.012s

FAILED (failures=1, skipped=1)
"""
SYMPY = "=== tests finished: 51 passed, 1 failed, 2 expected to fail, in 1.30 seconds ==="


def test_pytest():
    counts = (("error", 1), ("failed", 1), ("passed", 12), ("skipped", 2))
    assert read_report(PYTEST) == Report(counts, frozenset({"tests/test_a.py::test_x", "tests/test_b.py"}))


def test_how_long_it_took_and_how_much_is_shown_do_not_count():
    assert read_report("2 passed in 0.1s") == read_report("==== 2 passed, 1 warning in 61.12s (0:01:01) ====")


def test_unittest():
    counts = (("failures", 1), ("passed", 3), ("skipped", 1))
    assert read_report(UNITTEST) == Report(counts, frozenset({"tests.test_a.A test_x"}))
    assert read_report("Ran 1 test in 0.001s\n\nOK\n") == Report((("passed", 1),))


def test_sympy():
    assert read_report(SYMPY) == Report((("expected to fail", 2), ("failed", 1), ("passed", 51)))


def test_a_run_without_tests_is_a_report():
    assert read_report("==== no tests ran in 0.01s ====") == Report(())


@pytest.mark.parametrize("output", ["", "bash: pytest: command not found", "3 passed the exam in 2021"])
def test_other_outputs_are_none(output):
    assert read_report(output) is None


@pytest.mark.parametrize(
    "report", ["{} passed in 1.0s", "Ran {} tests in 1.0s\n\nOK", "Ran 1 test in 1s\nFAILED (a={})"]
)
def test_counts_that_no_runner_tells_are_not_read(report):
    assert read_report(report.format("9" * 5000)) in (None, Report((("passed", 1),)))


@given(st.text(alphabet="0123 passedfailedinRan tests()=,.s\n\t-:ERRORFAILED", max_size=200))
def test_any_output_is_read(output):
    found = read_report(output)
    assert found is None or all(number for _, number in found.counts)
