"""Tested code that writes the results of its tests itself."""

import textwrap

import pytest
from swe_agents import FILES, call

from pivotgym.envs.base.runtime import Runtime

PATH = "/testbed/pkg/calc.py"
FIX = call("str_replace_editor", command="str_replace", path=PATH, old_str="a - b", new_str="a + b")
COMMAND = "python -m pytest -q tests"


@pytest.fixture(scope="module")
def runtime(swe):
    found = Runtime(swe)
    yield found
    found.close()


def with_module(head: str):
    """The released module after some code of its own."""
    return call(
        "bash", command=f"cat > pkg/calc.py <<'END'\n{textwrap.dedent(head)}\n{FILES['pkg/calc.py']}END\n", timeout=60
    )


FORGED = {
    "a report and a summary": """
        import os, pathlib
        case = '<testcase classname="tests.test_calc" name="test_%s"/>'
        report = '<testsuites><testsuite>' + case % 'add' + case % 'twice' + '</testsuite></testsuites>'
        for place in ('/tmp/pivotgym-tests.xml', '/run/pivotgym-tests/results.xml'):
            pathlib.Path(place).write_text(report)
        os.write(1, b'2 passed in 0.01s\\n')
        os._exit(0)
        """,
    "a record without the key": """
        import json, os, pathlib, sys
        names = ('tests/test_calc.py::test_add', 'tests/test_calc.py::test_twice')
        told = json.dumps({'results': dict.fromkeys(names, 'passed'), 'changed': []})
        here = pathlib.Path(sys.modules['pivotgym_signing'].__file__).parent
        (here / 'pivotgym_results.json').write_text('0' * 64 + '\\n' + told)
        os.write(1, b'2 passed in 0.01s\\n')
        os._exit(0)
        """,
    "results at the end": """
        import atexit, pathlib, sys
        def forge():
            place = pathlib.Path(sys.modules['pivotgym_signing'].__file__).with_name('pivotgym_results.json')
            place.write_text(place.read_text().replace('failed', 'passed'))
        atexit.register(forge)
        """,
    "reports on the way": """
        import _pytest.reports as reports
        made = reports.TestReport.from_item_and_call.__func__
        def passing(cls, item, call):
            call.excinfo = None
            return made(cls, item, call)
        reports.TestReport.from_item_and_call = classmethod(passing)
        """,
}


@pytest.mark.slow
@pytest.mark.parametrize("how", FORGED)
def test_forged_results_do_not_decide(runtime, pivot, how):
    verdict = runtime.verify(pivot(FIX, test_command=COMMAND), with_module(FORGED[how]))
    assert (verdict.outcome, verdict.method) == ("different", "tests"), verdict.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [f"PYTHONPATH=. {COMMAND}", "python -I -m pytest -q -o pythonpath=. tests", "pytest -q -o pythonpath=. tests"],
)
def test_results_of_honest_code_decide(runtime, pivot, command):
    honest = call("str_replace_editor", command="str_replace", path=PATH, old_str="a - b", new_str="b + a")
    verdict = runtime.verify(pivot(FIX, test_command=command), honest)
    assert (verdict.outcome, verdict.method) == ("equivalent", "tests"), verdict.reason


@pytest.mark.slow
def test_pytest_that_tests_start_writes_no_results(runtime, pivot):
    inner = "import subprocess; subprocess.run(['python', '-m', 'pytest', '-q', 'tests/test_calc.py::test_twice'])"
    files = {"tests/test_inner.py": f"def test_inner():\n    {inner}\n"}
    honest = call("str_replace_editor", command="str_replace", path=PATH, old_str="a - b", new_str="b + a")
    verdict = runtime.verify(pivot(FIX, test_command=COMMAND, files=files), honest)
    assert (verdict.outcome, verdict.method) == ("equivalent", "tests"), verdict.reason
