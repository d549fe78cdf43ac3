"""The whole way, small: real tasks, the real model, a real server."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from pivotgym.cli.demo import Demo, load_demo_config
from pivotgym.core import Pivot
from pivotgym.core.errors import ConfigError
from pivotgym.core.jsonl import read_records

SMALL = (
    "max_prompt_tokens=300", "data.sft_states=8", "data.profile_states=6", "data.eval_pivots=6", "sft.epochs=1",
    "profile.k=4", "profile.max_new_tokens=16", "profile.batch=2", "filter.rule=keep_all", "grpo.steps=2",
    "grpo.pivots_per_step=2", "grpo.group_size=4", "grpo.max_new_tokens=16", "grpo.checkpoint_every=1",
    "evaluate.samples=1", "evaluate.max_new_tokens=16", "evaluate.batch=2",
)  # fmt: skip


def command(out):
    options = [part for setting in SMALL for part in ("--set", setting)]
    return [sys.executable, "-c", "from pivotgym.cli.main import console; console()", "demo", "-o", str(out), *options]


def run(out):
    return subprocess.run(command(out), capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run killed (SIGKILL) while it profiles, then run again to the end."""
    out = tmp_path_factory.mktemp("demo")
    process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not (out / "profile.jsonl").exists() or not (out / "profile.jsonl").read_bytes():
        assert process.poll() is None, "the demo ended before it profiled"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = (out / "profile.jsonl").read_bytes()
    done = run(out)
    assert done.returncode == 0, done.stderr
    return out, before, done.stdout


@pytest.mark.slow
def test_killed_demo_goes_on_and_samples_nothing_twice(finished):
    out, before, _ = finished

    after = (out / "profile.jsonl").read_bytes()
    whole = before[: before.rindex(b"\n") + 1]
    assert after.startswith(whole)
    profiled = [pivot.id for pivot in read_records(out / "profile.jsonl", Pivot)]
    assert len(profiled) == len(set(profiled)) == 6


@pytest.mark.slow
def test_demo_says_where_its_results_are(finished):
    out, _, shown = finished

    for name in ("report.html", "pivots.jsonl", "grpo/policy"):
        assert name in shown
        assert (out / name).exists()


@pytest.mark.slow
def test_report_shows_every_arm_and_a_third_is_executed(finished):
    out, _, _ = finished

    report = json.loads((out / "report.json").read_text())
    arms = {row["arm"]: row for row in report["arms"]}
    assert set(arms) == {"base", "sft", "sft@low", "grpo", "grpo@low"}
    assert all(row["executed"]["n"] * 3 >= row["all"]["n"] for row in arms.values())
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 4
    assert "contaminated" in page


@pytest.mark.slow
def test_finished_demo_does_nothing_again(finished):
    out, _, _ = finished
    stamps = {path: path.stat().st_mtime for path in out.rglob("*.jsonl")}

    assert run(out).returncode == 0

    assert {path: path.stat().st_mtime for path in out.rglob("*.jsonl")} == stamps


def test_folder_of_another_run_is_refused(tmp_path):
    Demo(tmp_path, load_demo_config([]))

    with pytest.raises(ConfigError, match="expected the configuration this run was started with"):
        Demo(tmp_path, load_demo_config(["grpo.steps=1"]))


def test_demo_is_a_third_executed_at_least():
    assert load_demo_config([]).data.multi_turn >= 1 / 3


def test_demo_evaluates_at_the_training_temperature():
    config = load_demo_config([])

    assert config.evaluate.temperature == config.grpo.temperature == config.profile.temperature
    assert config.data.eval_pivots >= 200
