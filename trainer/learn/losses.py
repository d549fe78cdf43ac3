"""Advantages and losses of GRPO, as functions of tensors.

Owns: the formulas and their options. Does not own: forward passes, groups of token ids, optimisers (`grpo.py`).

Sources: GRPO, arXiv 2402.03300; leave-one-out baseline (RLOO), arXiv 2402.14740; no division by the standard deviation
(Dr. GRPO), arXiv 2503.20783; asymmetric clip and token-level loss (DAPO), arXiv 2503.14476; ratio of whole actions
(GSPO takes its geometric mean), arXiv 2507.18071; estimators k1, k2, k3 of the KL divergence, J. Schulman,
"Approximating KL Divergence", 2020; truncated importance sampling, F. Yao et al., 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Baseline = Literal["mean", "leave_one_out"]
Scale = Literal["sample_std", "population_std", "none"]
Ratio = Literal["token", "action", "action_mean"]
KlKind = Literal["k1", "k2", "k3"]
Reduction = Literal["token", "action", "constant"]


def group_advantages(
    rewards: Sequence[float | None], *, baseline: Baseline = "mean", scale: Scale = "sample_std", eps: float = 1e-6
) -> list[float]:
    """Advantages of the actions of one group: (r - baseline) / (std + eps).

    With n rewards r_1 ... r_n and their mean m, GRPO's baseline is m. RLOO's is, for r_i, the mean of the others,
    (n m - r_i) / (n - 1); it does not depend on the action it is the baseline of, so that the gradient without a scale
    is unbiased. As r_i - (n m - r_i) / (n - 1) = (r_i - m) n / (n - 1), it only makes every advantage larger by
    n / (n - 1).

    Args:
        rewards: One per action; None (an infrastructure error) is left out of baseline and standard deviation.
        baseline: Mean of the group, or for each action the mean of the others ("leave_one_out", RLOO).
        scale: Divide by the group's standard deviation, with n - 1 ("sample_std", as OpenRLHF and NeMo-RL do) or n
            ("population_std"), or not at all.
        eps: Added to the standard deviation. The paper gives no value; for rewards in {0, 1} any value far below
            sqrt(1/G) is the same.

    Returns:
        One advantage per action; 0 for a masked action, and for all when fewer than two rewards are there.
    """
    known = [reward for reward in rewards if reward is not None]
    if len(known) < 2:
        return [0.0] * len(rewards)
    values = torch.tensor(known, dtype=torch.float64)
    centre = values.mean()
    shifted = values - centre
    if baseline == "leave_one_out":
        shifted = shifted * len(known) / (len(known) - 1)
    if scale != "none":
        shifted = shifted / (values.std(correction=int(scale == "sample_std")) + eps)
    found = iter(shifted.tolist())
    return [0.0 if reward is None else next(found) for reward in rewards]


def has_signal(rewards: Sequence[float | None]) -> bool:
    """Whether a group's rewards differ; if not, every advantage is 0 (proposition 3.1 of PivotRL)."""
    return len({reward for reward in rewards if reward is not None}) > 1


def approx_kl(logprobs: Tensor, reference: Tensor, kind: KlKind) -> Tensor:
    """Per-token estimate of KL(policy || reference) from tokens drawn by the policy.

    Args:
        logprobs: Log-probabilities under the policy, any shape.
        reference: The same tokens' under the reference.
        kind: With d = logprobs - reference: k1 = d (unbiased as a value, no use as a loss), k2 = d^2 / 2 (its gradient
            is that of the KL), k3 = exp(-d) - 1 + d (unbiased as a value, never negative).
    """
    difference = logprobs - reference
    if kind == "k1":
        return difference
    if kind == "k2":
        return difference.square() / 2
    return torch.exp(-difference) - 1 + difference


def action_ids(lengths: Sequence[int], device: torch.device | None = None) -> Tensor:
    """For tokens of several actions in a row: `[sum(lengths)]`, the number of the action that each belongs to."""
    counts = torch.tensor(list(lengths), device=device)
    return torch.repeat_interleave(torch.arange(len(counts), device=device), counts)


def over_action(values: Tensor, actions: Tensor, *, mean: bool) -> Tensor:
    """Sum or mean of per-token values over each action: `[number of actions]`."""
    count = int(actions.max()) + 1
    total = torch.zeros(count, dtype=values.dtype, device=values.device).index_add(0, actions, values)
    return total / torch.bincount(actions, minlength=count) if mean else total


@dataclass(frozen=True)
class PolicyLoss:
    """Per-token losses and what to report of them.

    Attributes:
        loss: `[n]`, with gradient; not yet reduced.
        clipped: `[n]` bool, where the clip took the gradient away.
    """

    loss: Tensor
    clipped: Tensor


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    actions: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    ratio: Ratio = "token",
    sampler_logprobs: Tensor | None = None,
    tis_cap: float | None = None,
) -> PolicyLoss:
    """The clipped surrogate: -min(w A, clip(w, 1 - clip_low, 1 + clip_high) A) for each token.

    Args:
        logprobs: `[n]`, tokens of all actions in a row, under the policy that trains.
        old_logprobs: `[n]`, under the policy that the ratio w is taken against.
        advantages: `[n]`, the advantage of the action that each token belongs to.
        actions: `[n]` int64, `action_ids`.
        clip_low: Clip below 1.
        clip_high: Clip above 1.
        ratio: w of each token, of the whole action (the product, as PivotRL's equation 7 writes it), or its geometric
            mean over the action's tokens (GSPO).
        sampler_logprobs: `[n]`, under the engine that sampled.
        tis_cap: Weigh each token by min(exp(old - sampler), cap), without gradient; None: don't.
    """
    log_ratio = logprobs - old_logprobs
    if ratio != "token":
        log_ratio = over_action(log_ratio, actions, mean=ratio == "action_mean")[actions]
    weight = torch.exp(log_ratio)
    free = weight * advantages
    bound = weight.clamp(1 - clip_low, 1 + clip_high) * advantages
    loss = -torch.minimum(free, bound)
    if tis_cap is not None and sampler_logprobs is not None:
        loss = loss * torch.exp(old_logprobs - sampler_logprobs).clamp(max=tis_cap).detach()
    return PolicyLoss(loss, (bound < free).detach())


def reduce_loss(loss: Tensor, actions: Tensor, reduction: Reduction) -> Tensor:
    """What a group adds to the batch's loss, before it is divided by `loss_share`.

    With l_it the loss of token t of action i, |a_i| that action's tokens and N the actions of the batch, the batch's
    loss is

    - "token" (DAPO): sum_i sum_t l_it / sum_i |a_i|. Every token counts alike; a long action counts for more.
    - "action" (GRPO, PivotRL's equation 7): 1/N sum_i 1/|a_i| sum_t l_it. Every action counts alike; a token of a long
      action counts for less, so that long failures are hardly discouraged.
    - "constant" (Dr. GRPO): 1/N sum_i 1/L sum_t l_it with L the same for all actions. Every token counts alike, and
      for the same in every batch.

    Args:
        loss: `[n]` per-token losses.
        actions: `[n]` int64, `action_ids`.
        reduction: Which of the three.
    """
    return over_action(loss, actions, mean=True).sum() if reduction == "action" else loss.sum()


def loss_share(reduction: Reduction, *, tokens: int, actions: int, length: int | None) -> int:
    """What the sums of all groups are divided by: a batch's tokens, its actions, or its actions times L (`length`)."""
    if reduction == "constant":
        assert length is not None  # GrpoConfig has seen to it
        return actions * length
    return tokens if reduction == "token" else actions
