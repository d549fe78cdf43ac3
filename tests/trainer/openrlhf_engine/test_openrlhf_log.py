"""A step's line in the log, in the embedded engine's names."""

import pytest

from pivotgym.trainer.openrlhf.trainer_stats import log_row


def test_the_loss_is_what_is_minimised():
    row = log_row({"policy_loss": -0.1, "kl": 2.0}, kl_coef=0.05)

    assert row["loss"] == pytest.approx(0.0)
    assert row["kl"] == 2.0


def test_names_are_the_embedded_engines():
    status = {"actor_grad_norm": 3.0, "actor_lr": 1e-6, "vllm_kl": 0.01, "timing/step_total": 7.0, "reward_mean": 0.5}

    assert log_row(status, kl_coef=0.0) == {
        "grad_norm": 3.0,
        "lr": 1e-6,
        "sampler_kl": 0.01,
        "step_s": 7.0,
        "reward_mean": 0.5,
    }


def test_openrlhfs_reward_which_is_an_advantage_is_left_out():
    assert log_row({"reward": 0.0, "return": 0.0}, kl_coef=0.0) == {}
