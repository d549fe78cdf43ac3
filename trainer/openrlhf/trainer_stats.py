"""What a step sampled, and what stopped it, told in our words.

Owns: reading these from OpenRLHF's experiences and Ray's errors. Does not own: the trainer that asks (`trainer`).
"""

from __future__ import annotations

from typing import Any

import torch

from pivotgym.core.errors import PivotGymError

STATS = (
    "reward_mean",
    "reward_std",
    "masked",
    "failed_verdicts",
    "actions",
    "tokens",
    "groups",
    "groups_trained",
    "zero_variance_share",
    "env_seconds_mean",
    "env_seconds_max",
)
"""What `rollout_stats` tells."""
_NAMES = {
    "policy_loss": "loss",
    "kl": "kl",
    "vllm_kl": "sampler_kl",
    "ppo_clip_ratio": "clip_fraction",
    "actor_grad_norm": "grad_norm",
    "actor_lr": "lr",
    "is_filter_ratio": "tis_capped",
    "timing/generation": "generation_s",
    "timing/make_experience": "forward_s",
    "timing/ppo_train": "update_s",
    "timing/broadcast": "sync_s",
    "timing/step_total": "step_s",
    **{name: name for name in (*STATS, "stepped")},
}
"""OpenRLHF's names -> the embedded engine's. Its `reward` is left out: there it is the advantage."""


def log_row(status: dict[str, Any], *, kl_coef: float) -> dict[str, Any]:
    """A step's line in the log.

    Args:
        status: OpenRLHF's, with `rollout_stats`.
        kl_coef: Weight of the KL term, which OpenRLHF's `policy_loss` leaves out; our `loss` is what is minimised.
    """
    row = {ours: status[name] for name, ours in _NAMES.items() if name in status}
    if "loss" in row and "kl" in row:
        row["loss"] += kl_coef * row["kl"]
    return row


def found_cause(error: BaseException) -> PivotGymError | None:
    """Our own error in a chain of Ray's, if there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, PivotGymError):
            return seen
        inner = getattr(seen, "cause", None)
        seen = inner if isinstance(inner, BaseException) else seen.__cause__
    return None


def rollout_stats(samples: list[Any], group_size: int) -> dict[str, float]:
    """What a step sampled, in the embedded engine's names.

    Args:
        samples: One experience per sample, those of a group together; `info` holds what the agent told of it.
        group_size: G.

    Returns:
        The names of `STATS`: rewards over scored samples (population deviation), actions and tokens of those that
        train, seconds that samples waited for the environment.
    """

    def told(name: str) -> torch.Tensor:
        return torch.tensor([float(sample.info[name][0]) for sample in samples], dtype=torch.float64)

    scored = told("env_scored") > 0
    rewards, trains, waited = told("env_reward")[scored], told("group_trains")[::group_size], told("env_seconds")
    return {
        "reward_mean": float(rewards.mean()) if len(rewards) else 0.0,
        "reward_std": float(rewards.std(correction=0)) if len(rewards) else 0.0,
        "masked": float((~scored).sum()),
        "failed_verdicts": float(told("env_failed").sum()),
        "actions": float(scored.sum()),
        "tokens": float(sum(int(sample.action_mask.sum()) for sample in samples)),
        "groups": float(len(trains)),
        "groups_trained": float(trains.sum()),
        "zero_variance_share": 1 - float(trains.mean()),
        "env_seconds_mean": float(waited.mean()),
        "env_seconds_max": float(waited.max()),
    }
