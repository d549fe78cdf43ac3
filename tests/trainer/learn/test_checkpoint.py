"""A run that is killed and resumed ends with the weights of one that was not."""

import json
import random

import numpy as np
import pytest
import torch

from pivotgym.core.errors import InputError, NotFound
from pivotgym.trainer.learn import (
    Group,
    GrpoConfig,
    OptimConfig,
    PolicyOptimizer,
    grpo_step,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)

SETTINGS = OptimConfig(lr=1e-3, warmup_steps=3, schedule="cosine", total_steps=6, betas=(0.9, 0.99))


def random_groups():
    """Drawn from all three global generators, so that their states matter."""
    state = [random.randrange(2, 120) for _ in range(5)]
    actions = np.random.randint(2, 120, (4, 3)).tolist()
    return [Group(state, actions, torch.rand(4).tolist())]


def run(policy, optimizer, steps):
    for _ in range(steps):
        grpo_step(policy, optimizer, random_groups(), GrpoConfig())


def seed_all():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_two_steps_and_a_resume_equal_four_steps(make_policy, tmp_path, dtype):
    whole = make_policy(dtype=dtype)
    seed_all()
    run(whole, PolicyOptimizer(whole, SETTINGS), 4)

    first = make_policy(dtype=dtype)
    optimizer = PolicyOptimizer(first, SETTINGS)
    seed_all()
    run(first, optimizer, 2)
    save_checkpoint(tmp_path, first, optimizer, step=2)
    seed_all()
    resumed = load_checkpoint(latest_checkpoint(tmp_path))
    run(resumed.policy, resumed.optimizer, 2)
    assert resumed.policy.fingerprint() == whole.fingerprint()


def test_the_caller_s_record_and_the_step_come_back(tiny_policy, tmp_path):
    path = save_checkpoint(tmp_path, tiny_policy, PolicyOptimizer(tiny_policy, SETTINGS), step=7, extra={"epoch": 2})
    found = load_checkpoint(path)
    assert (found.step, found.extra, found.optimizer.config) == (7, {"epoch": 2}, SETTINGS)


def test_only_the_newest_are_kept(tiny_policy, tmp_path):
    optimizer = PolicyOptimizer(tiny_policy, SETTINGS)
    for step in (1, 2, 10):
        save_checkpoint(tmp_path, tiny_policy, optimizer, step=step, keep=2)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["step-000002", "step-000010"]
    assert latest_checkpoint(tmp_path).name == "step-000010"


def test_the_newest_whole_one_is_found(tiny_policy, tmp_path):
    optimizer = PolicyOptimizer(tiny_policy, SETTINGS)
    save_checkpoint(tmp_path, tiny_policy, optimizer, step=1)
    cut = save_checkpoint(tmp_path, tiny_policy, optimizer, step=2)
    (cut / "trainer.pt").write_bytes(b"half")
    assert latest_checkpoint(tmp_path).name == "step-000001"


def test_saving_the_same_step_again_replaces_it(make_policy, tmp_path):
    for seed in (0, 1):
        policy = make_policy(seed)
        path = save_checkpoint(tmp_path, policy, PolicyOptimizer(policy, SETTINGS), step=1)
    assert load_checkpoint(path).policy.fingerprint() == make_policy(1).fingerprint()


def test_the_policy_inside_is_usable_alone(tiny_policy, tmp_path):
    path = save_checkpoint(tmp_path, tiny_policy, PolicyOptimizer(tiny_policy, SETTINGS), step=1)
    assert type(tiny_policy).load(path / "policy", dtype="float32").fingerprint() == tiny_policy.fingerprint()


def test_without_a_checkpoint_there_is_no_latest(tmp_path):
    assert latest_checkpoint(tmp_path / "nothing") is None


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(NotFound, match="is not a whole checkpoint"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_of_a_later_version_is_refused(tiny_policy, tmp_path):
    path = save_checkpoint(tmp_path, tiny_policy, PolicyOptimizer(tiny_policy, SETTINGS), step=1)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    with pytest.raises(InputError, match="has schema 99, this version reads up to 1"):
        load_checkpoint(path)


def test_keeping_none_is_refused(tiny_policy, tmp_path):
    with pytest.raises(InputError, match="keep must be at least 1, got 0"):
        save_checkpoint(tmp_path, tiny_policy, PolicyOptimizer(tiny_policy, SETTINGS), step=1, keep=0)
