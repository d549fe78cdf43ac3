"""No process of a run outlives it, whatever sessions its parts made and however the run ended."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from pivotgym.trainer.openrlhf.processes import RUN_ENV, end_all, marked

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
)
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
"""


def is_there(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid):
    """Waits for it: the time limit of tests is what ends this where it stays."""
    while is_there(pid):
        time.sleep(0.05)
    return True


@pytest.fixture
def mark():
    mark = uuid.uuid4().hex
    yield mark
    end_all(mark, patience_s=0)


@pytest.fixture
def start(mark):
    def go(code, **options):
        environment = {**os.environ, RUN_ENV: mark}
        return subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, **options
        )

    return go


def test_a_child_in_a_session_of_its_own_is_found_and_ended(start, mark):
    parent = start(PARENT)
    child = int(parent.stdout.readline())
    parent.wait()
    assert marked(mark) == [child]

    assert end_all(mark, patience_s=0.2) == []

    assert gone(child)


def test_a_child_that_lost_the_mark_is_found_by_its_parent(start, mark):
    """As one does that writes a title over its arguments and what stands behind them."""
    unmarked = f"import os; os.environ.pop({RUN_ENV!r}); {PARENT}\ntime.sleep(600)"
    parent = start(unmarked)
    child = int(parent.stdout.readline())
    assert marked(mark) == sorted([parent.pid, child])

    assert end_all(mark, patience_s=0.2) == []

    assert gone(child)


def test_a_child_whose_parent_ended_is_still_the_runs(start, mark):
    orphan = f"import os; os.environ.pop({RUN_ENV!r}); {PARENT}"
    code = f"""
import subprocess, sys, time
from pivotgym.trainer.openrlhf.processes import keep_descendants
keep_descendants()
print(subprocess.run([sys.executable, "-c", {orphan!r}], stdout=subprocess.PIPE, text=True).stdout, flush=True)
time.sleep(600)
"""
    launcher = start(code)
    child = int(launcher.stdout.readline())
    assert marked(mark) == sorted([launcher.pid, child])

    assert end_all(mark, patience_s=0.2) == []

    assert gone(child)


def test_other_runs_are_left_alone(start, mark):
    running = start("print('here', flush=True); import time; time.sleep(600)")
    running.stdout.readline()

    end_all(mark[::-1], patience_s=0.2)

    assert running.poll() is None


def test_who_ends_on_being_asked_is_not_killed(start, mark):
    polite = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); print('here', flush=True)"
    process = start(f"{polite}; time.sleep(600)")
    process.stdout.readline()

    end_all(mark)

    assert process.wait() == 7


def test_a_run_ends_with_whoever_started_it(start, mark):
    code = (
        f"import time; from pivotgym.trainer.openrlhf.processes import end_with_starter; end_with_starter({mark!r})\n"
    )
    process = start(f"{code}{PARENT}\ntime.sleep(600)", stdin=subprocess.PIPE)
    child = int(process.stdout.readline())
    assert process.poll() is None

    process.stdin.close()

    assert process.wait() == 1
    assert gone(child)


@pytest.mark.slow
def test_sigterm_stops_a_run_with_all_its_processes(tmp_path):
    """The process of the run is stood in for by a Ray that starts something in a session of its own and waits."""
    site = tmp_path / "site"
    (site / "openrlhf").mkdir(parents=True)
    (site / "openrlhf" / "__init__.py").touch()
    (site / "ray.py").write_text(f"""
import pathlib, subprocess, time
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(child.pid))
time.sleep(600)
""")
    code = f"""
from pathlib import Path
from pivotgym.trainer.openrlhf.flags import Places
from pivotgym.trainer.openrlhf.run import Plan, run
from pivotgym.trainer.openrlhf.settings import AgentSettings
agent = AgentSettings(server="http://127.0.0.1:1", format="chatml", max_new_tokens=1, max_len=2)
out = Path({str(tmp_path / "out")!r})
(out / "openrlhf").mkdir(parents=True)
try:
    run(Plan(Places(out, out), [], agent, {{}}))
except KeyboardInterrupt:
    raise SystemExit(130)
"""
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(site)})
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
        assert process.poll() is None
        time.sleep(0.05)

    process.send_signal(signal.SIGTERM)

    assert process.wait() == 130
    assert gone(int((tmp_path / "pid").read_text()))
