"""One GRPO update from sampled and scored groups.

Owns: the step: advantages, which groups train, forward and backward over shared prefixes, the update, metrics. Does
not own: sampling, scoring, the loop over steps, the formulas (`losses.py`).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from pivotgym.core.errors import ConfigError, InputError
from pivotgym.trainer.learn import losses
from pivotgym.trainer.learn.losses import Baseline, KlKind, Ratio, Reduction, Scale
from pivotgym.trainer.learn.optim import PolicyOptimizer
from pivotgym.trainer.policy import Policy, Scored, Span, score_tree
from pivotgym.trainer.policy.lora import adapters_off

OldLogprobs = Literal["trainer", "sampler"]
_CHOICES = {
    "baseline": Baseline,
    "scale": Scale,
    "ratio": Ratio,
    "reduction": Reduction,
    "old_logprobs": OldLogprobs,
    "kl": KlKind,
}


@dataclass(frozen=True)
class GrpoConfig:
    """Settings of the loss; the optimiser has its own (`OptimConfig`).

    Attributes:
        temperature: Divides the logits; must be what was sampled at. 1.0, as in every reported PivotRL run.
        baseline: Mean of the group. The internal run took "leave_one_out", which only scales by G / (G - 1) when the
            standard deviation divides too.
        scale: Division by the standard deviation as in the paper's equation 7; with n - 1 as OpenRLHF and NeMo-RL do.
        eps: Added to the standard deviation; the paper gives none.
        clip_low: 0.2, in every recipe known.
        clip_high: 0.28, NVIDIA's shipped recipes (the internal run had 0.2). With one update per batch of samples the
            clip is inert either way.
        ratio: Per token, as in the shipped recipes; "action" is the paper's equation 7 to the letter.
        reduction: Mean over all tokens of the batch, as shipped; "action" is the paper's (1/G) sum; "constant" divides
            each action's sum by `length` (Dr. GRPO). See `losses.reduce_loss`.
        length: Tokens that "constant" divides by. In a run, `max_new_tokens` where it is not given.
        old_logprobs: What the ratio is taken against. "trainer": the weights before this step as the trainer computes
            them, so the ratio is exactly 1 and rounding between sampler and trainer clips nothing; right for one
            update per batch of samples. "sampler": `Group.logprobs`; needed when the same samples are used again.
        tis_cap: Cap of the importance weight between sampler and trainer (NeMo-RL: 5.0). None: in process both use the
            same weights, and what differs is rounding.
        kl_coef: Weight of the KL to the reference. 0, as in NVIDIA's shipped configurations (the paper's equation has
            the term and gives no value); with 0 no reference is computed.
        kl: Estimator of the KL term. k3, GRPO's own.
    """

    temperature: float = 1.0
    baseline: Baseline = "mean"
    scale: Scale = "sample_std"
    eps: float = 1e-6
    clip_low: float = 0.2
    clip_high: float = 0.28
    ratio: Ratio = "token"
    reduction: Reduction = "token"
    length: int | None = None
    old_logprobs: OldLogprobs = "trainer"
    tis_cap: float | None = None
    kl_coef: float = 0.0
    kl: KlKind = "k3"

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be above 0, got {self.temperature}")
        if not (0 < self.clip_low <= 1 and self.clip_high > 0):
            raise ConfigError(f"clip_low must lie in (0, 1], clip_high above 0, got {self.clip_low}, {self.clip_high}")
        for name, kind in _CHOICES.items():
            if getattr(self, name) not in get_args(kind):
                raise ConfigError(f"{name}: expected one of {list(get_args(kind))}, got {getattr(self, name)!r}")
        if (self.length is None) is (self.reduction == "constant") or (self.length is not None and self.length < 1):
            raise ConfigError(
                f"length: expected tokens to divide by, at least 1, with reduction 'constant' and only then; "
                f"got {self.length} with {self.reduction!r}"
            )
        if self.kl_coef < 0 or (self.tis_cap is not None and self.tis_cap <= 0):
            raise ConfigError(f"kl_coef must not be negative, tis_cap above 0, got {self.kl_coef}, {self.tis_cap}")


@dataclass(frozen=True)
class Group:
    """One state and the actions sampled there.

    Attributes:
        state_ids: The state's token ids.
        actions: Token ids of each action, exactly as sampled.
        rewards: One per action; None for an infrastructure error, which masks the action.
        logprobs: The sampler's per-token log-probabilities (`Sample.logprobs`); needed for `old_logprobs="sampler"` and
            `tis_cap`.
        masked: Further actions to leave out (say, truncated ones), one flag per action; empty: none.
    """

    state_ids: Sequence[int]
    actions: Sequence[Sequence[int]]
    rewards: Sequence[float | None]
    logprobs: Sequence[Sequence[float]] | None = None
    masked: Sequence[bool] = ()

    def __post_init__(self) -> None:
        for name, values in (("rewards", self.rewards), ("logprobs", self.logprobs), ("masked", self.masked or None)):
            if values is not None and len(values) != len(self.actions):
                raise InputError(f"{name} must have one entry per action ({len(self.actions)}), got {len(values)}")

    def kept_rewards(self) -> list[float | None]:
        """The rewards, None for every masked action."""
        masked = self.masked or [False] * len(self.actions)
        return [None if skip else reward for reward, skip in zip(self.rewards, masked, strict=True)]


@dataclass
class _Sums:
    """What is added up over the groups of a step."""

    loss: float = 0.0
    kl: float = 0.0
    sampler_kl: float = 0.0
    entropy: float = 0.0
    clipped: float = 0.0
    tokens: int = 0
    forward_tokens: int = 0


@dataclass
class _Batch:
    """The valid actions of all groups."""

    groups: Sequence[Group]
    rewards: list[list[float | None]]
    trains: list[int] = field(default_factory=list)
    tokens: int = 0
    actions: int = 0


def grpo_step(
    policy: Policy,
    optimizer: PolicyOptimizer,
    groups: Sequence[Group],
    config: GrpoConfig,
    *,
    reference: Policy | None = None,
    on_group: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """One update; gradients are added up group by group, so memory is that of one group.

    Groups whose rewards are all equal are skipped (proposition 3.1: they give no gradient) unless `kl_coef` is set, but
    their tokens stay in the mean, so the update is that of plain GRPO. When no group is left, nothing is changed and
    `stepped` is 0.

    Args:
        policy: Trained in place.
        optimizer: Of this policy.
        groups: The batch.
        config: Settings.
        reference: The policy that the KL is taken to; needed when `kl_coef` is above 0. A policy with adapters may be
            its own reference, with them off.
        on_group: Called with (groups done, groups to do).

    Returns:
        loss, kl, sampler_kl (k3 between sampler and trainer), entropy, clip_fraction, grad_norm, lr, stepped,
        reward_mean, reward_std (population, over all valid actions), group_variance (population, within a group; mean
        over groups), zero_variance_share, masked, groups,
        groups_trained, actions, tokens (of valid actions), forward_tokens (that went through the model). kl, entropy,
        clip_fraction and sampler_kl are means over the tokens of the groups trained; nats.

    Raises:
        ConfigError: `kl_coef` without a reference, or with a policy without adapters as its own; or log-probabilities
            missing that the settings need.
        PolicyFailed: The gradient is not finite.
    """
    if reference is policy and policy.lora is None:
        raise ConfigError("reference: expected another policy than the one that trains, which has no adapters")
    batch = _collect(groups, config, reference)
    sums = _Sums()
    for done, index in enumerate(batch.trains):
        _train_group(policy, groups[index], batch, index, config, reference, sums)
        if on_group is not None:
            on_group(done + 1, len(batch.trains))
    lr = optimizer.lr
    norm = optimizer.step() if batch.trains else 0.0
    return _metrics(batch, sums, lr, norm)


def _collect(groups: Sequence[Group], config: GrpoConfig, reference: Policy | None) -> _Batch:
    if config.kl_coef > 0 and reference is None:
        raise ConfigError(f"kl_coef is {config.kl_coef} but no reference policy was given", hint="pass reference=")
    needs = config.old_logprobs == "sampler" or config.tis_cap is not None
    if needs and any(group.logprobs is None for group in groups):
        raise ConfigError("old_logprobs='sampler' and tis_cap need the sampler's log-probabilities in every group")
    batch = _Batch(groups, [group.kept_rewards() for group in groups])
    for index, rewards in enumerate(batch.rewards):
        valid = [len(action) for action, r in zip(groups[index].actions, rewards, strict=True) if r is not None]
        batch.tokens += sum(valid)
        batch.actions += len(valid)
        if losses.has_signal(rewards) or (config.kl_coef > 0 and valid):
            batch.trains.append(index)
    return batch


def _train_group(
    policy: Policy, group: Group, batch: _Batch, index: int, config: GrpoConfig, reference: Policy | None, sums: _Sums
) -> None:
    rewards = batch.rewards[index]
    scale = losses.group_advantages(rewards, baseline=config.baseline, scale=config.scale, eps=config.eps)
    kept = [at for at, reward in enumerate(rewards) if reward is not None]
    spans = [Span([*group.state_ids, *group.actions[at]], len(group.state_ids)) for at in kept]
    scored = score_tree(policy, spans, config.temperature)
    device = scored.logprobs.device
    actions = losses.action_ids(scored.lengths, device)
    advantages = torch.tensor([scale[at] for at in kept], dtype=torch.float32, device=device)[actions]
    sampler = None
    if group.logprobs is not None:
        flat = [value for at in kept for value in group.logprobs[at]]
        if len(flat) != len(actions):
            raise InputError(f"logprobs must have one number per action token ({len(actions)}), got {len(flat)}")
        sampler = torch.tensor(flat, dtype=torch.float32, device=device)
    on_sampler = config.old_logprobs == "sampler" and sampler is not None
    part = losses.policy_loss(
        scored.logprobs,
        sampler if on_sampler and sampler is not None else scored.logprobs.detach(),
        advantages,
        actions,
        clip_low=config.clip_low,
        clip_high=config.clip_high,
        ratio=config.ratio,
        sampler_logprobs=sampler,
        tis_cap=config.tis_cap,
    )
    per_token = part.loss
    if config.kl_coef > 0 and reference is not None:
        kl = _reference_kl(policy, reference, spans, scored, config)
        per_token = per_token + config.kl_coef * kl
        sums.kl += float(kl.detach().sum())
    total = losses.loss_share(config.reduction, tokens=batch.tokens, actions=batch.actions, length=config.length)
    loss = losses.reduce_loss(per_token, actions, config.reduction) / total
    loss.backward()  # type: ignore[no-untyped-call]
    sums.loss += float(loss.detach())
    _note(sums, scored, part.clipped, sampler)


def _reference_kl(
    policy: Policy, reference: Policy, spans: Sequence[Span], scored: Scored, config: GrpoConfig
) -> Tensor:
    with torch.no_grad(), adapters_off(reference) if reference is policy else nullcontext():
        there = score_tree(reference, spans, config.temperature).logprobs
    return losses.approx_kl(scored.logprobs, there.to(scored.logprobs.device), config.kl)


def _note(sums: _Sums, scored: Scored, clipped: Tensor, sampler: Tensor | None) -> None:
    sums.entropy += float(scored.entropy.sum())
    sums.clipped += float(clipped.sum())
    sums.tokens += sum(scored.lengths)
    sums.forward_tokens += scored.forward_tokens
    if sampler is not None:
        sums.sampler_kl += float(losses.approx_kl(sampler, scored.logprobs.detach(), "k3").sum())


def _metrics(batch: _Batch, sums: _Sums, lr: float, norm: float) -> dict[str, float]:
    valid = [reward for rewards in batch.rewards for reward in rewards if reward is not None]
    judged = [rewards for rewards in batch.rewards if any(reward is not None for reward in rewards)]
    flat = sum(not losses.has_signal(rewards) for rewards in judged)
    tokens = max(sums.tokens, 1)
    return {
        "loss": sums.loss,
        "kl": sums.kl / tokens,
        "sampler_kl": sums.sampler_kl / tokens,
        "entropy": sums.entropy / tokens,
        "clip_fraction": sums.clipped / tokens,
        "grad_norm": norm,
        "lr": lr,
        "stepped": float(bool(batch.trains)),
        "reward_mean": statistics.fmean(valid) if valid else 0.0,
        "reward_std": statistics.pstdev(valid) if valid else 0.0,
        "group_variance": statistics.fmean(map(_variance, judged)) if judged else 0.0,
        "zero_variance_share": flat / len(judged) if judged else 0.0,
        "masked": float(sum(len(group.actions) for group in batch.groups) - len(valid)),
        "groups": float(len(batch.groups)),
        "groups_trained": float(len(batch.trains)),
        "actions": float(batch.actions),
        "tokens": float(batch.tokens),
        "forward_tokens": float(sums.forward_tokens),
    }


def _variance(rewards: Sequence[float | None]) -> float:
    return statistics.pvariance([reward for reward in rewards if reward is not None])
