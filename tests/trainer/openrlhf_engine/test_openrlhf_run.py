"""Plans and processes; OpenRLHF itself is stood in for by a Ray that fails in given ways."""

import json
import math
import os
import sys
from pathlib import Path

import pytest
from tiny import save_tiny_policy

from pivotgym.core.errors import MissingDependency, NotFound, PolicyFailed, VerifierFailed
from pivotgym.trainer.config import load_config
from pivotgym.trainer.openrlhf import run as running
from pivotgym.trainer.openrlhf.run import make_plan, run
from pivotgym.trainer.openrlhf.settings import RESERVE

IDS = ["run-0:0", "run-0:1"]


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return save_tiny_policy(tmp_path_factory.mktemp("policies") / "SmolLM-tiny")


@pytest.fixture
def plan_for(tmp_path, policy):
    def plan(*overrides, **options):
        config = load_config(None, ["openrlhf.micro_batch_size=8", *overrides])
        known = {"kind": "pivot", "server": "http://127.0.0.1:1", "policy": policy, "cuda": False, **options}
        return make_plan(config, tmp_path / "out", IDS, **known)

    return plan


@pytest.fixture
def failing(tmp_path, monkeypatch, plan_for):
    """A run whose process does what the given text says where Ray would start."""
    site = tmp_path / "site"
    (site / "openrlhf").mkdir(parents=True)
    (site / "openrlhf" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(site))

    def go(text, **options):
        (site / "ray.py").write_text(f"import json, pathlib, sys\ndef init(**_):\n    {text}\n")
        plan = plan_for(cuda=True)
        plan.variables["PYTHONPATH"] = str(site)
        run(plan, **options)

    return go


def test_the_plan_is_written_down(plan_for, tmp_path):
    plan = plan_for()

    assert (tmp_path / "out" / "openrlhf" / "command.sh").read_text() == plan.command
    assert len((tmp_path / "out" / "openrlhf" / "rows.jsonl").read_text().splitlines()) == 20 * 8
    assert "--rollout.batch_size 8" in plan.command


def test_there_is_a_reserve_of_rows_where_flat_groups_are_drawn_again(plan_for, tmp_path):
    plan = plan_for("openrlhf.resample_flat_groups=true", "grpo.steps=3", "grpo.warmup_steps=2")

    assert len((tmp_path / "out" / "openrlhf" / "rows.jsonl").read_text().splitlines()) == 3 * 8 * RESERVE
    assert plan.agent.steps == 3
    ratio = float(plan.arguments[plan.arguments.index("--actor.lr_warmup_ratio") + 1])
    assert math.ceil(3 * RESERVE * ratio) == 2


def test_the_format_is_the_models_own(plan_for):
    assert plan_for("format=auto").agent.format == "smollm"


def test_without_a_gpu_the_tools_beside_this_python_are_found(plan_for):
    """DeepSpeed builds its optimiser with a `ninja` that need not be on the caller's PATH."""
    assert plan_for().variables["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_a_cluster_has_gpus(plan_for):
    plan = plan_for("openrlhf.ray_address=head:6379", cuda=None)

    assert plan.variables[running.RAY_ADDRESS_ENV] == "head:6379"
    assert "nccl" in plan.arguments
    assert "DS_ACCELERATOR" not in plan.variables


def test_an_unknown_policy_is_named(plan_for):
    with pytest.raises(NotFound, match="got 'nowhere'"):
        plan_for(policy="nowhere")


def test_without_openrlhf_it_says_how_to_get_it(plan_for, monkeypatch):
    monkeypatch.setattr(running.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(MissingDependency, match="openrlhf is not installed") as refused:
        run(plan_for())
    assert "make openrlhf-cpu" in refused.value.hint


def test_a_process_that_dies_is_told_with_its_last_lines(failing, tmp_path):
    with pytest.raises(PolicyFailed, match=r"ended with code 1; its last lines:\n(.*\n)*no room on this machine"):
        failing("sys.exit('no room on this machine')")
    assert "no room" in (tmp_path / "out" / "openrlhf" / "run.log").read_text()


def test_what_stopped_a_run_comes_back_as_it_was(failing, tmp_path):
    record = {**VerifierFailed("too many").to_wire(), "step": 3, "checkpoint": "global_step3"}
    path = tmp_path / "out" / "failure.json"

    with pytest.raises(VerifierFailed, match="too many") as stopped:
        failing(f"pathlib.Path({str(path)!r}).write_text({json.dumps(record)!r}); sys.exit(1)")
    assert stopped.value.hint.startswith("last checkpoint: global_step3")


def test_lines_are_shown_as_they_come(failing):
    seen = []

    with pytest.raises(PolicyFailed):
        failing("print('Global step 1: {}', flush=True); sys.exit(1)", on_line=seen.append)
    assert seen == ["Global step 1: {}"]
