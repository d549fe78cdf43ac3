"""AdamW on fp32 master weights, the learning-rate schedule and gradient clipping.

Owns: which parameters train, where gradients accumulate, the step. Does not own: losses, checkpoints on disk.

A bf16 weight has 8 bits of mantissa: an update below 0.4 % of the weight is lost, and at a learning rate of 1e-5 nearly
every update is. So a bf16 policy trains fp32 copies and is refreshed from them after each step; its gradients are added
up in fp32 too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pivotgym.core.errors import ConfigError, PolicyFailed
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.policy.lora import adapter_parameters


@dataclass(frozen=True)
class OptimConfig:
    """Settings of the optimiser.

    Attributes:
        lr: Peak learning rate. 2e-5 suits a 135M policy; for 30B the paper's authors ran 1e-6.
        warmup_steps: Steps of linear rise from lr/warmup_steps to lr. 0: Adam's first steps are bounded by lr anyway.
        schedule: After the warm-up: "constant" (as in the reported runs), "cosine" or "linear" to 0 at `total_steps`.
        total_steps: Where the schedule ends; needed unless it is constant.
        weight_decay: Decoupled decay. 0: the runs are too short for it to regularise anything.
        betas: Adam's averages.
        eps: Adam's epsilon.
        max_grad_norm: Gradients are scaled down to this norm; 1.0 is what everyone ships.
        train_embeddings: Whether embedding and output head train. Off: in SmolLM2 they are one tied matrix, 28 of 135M
            parameters, nothing new is to be learnt about what tokens mean, and a step is a third cheaper. Where the
            policy has adapters, they alone train.
    """

    lr: float = 2e-5
    warmup_steps: int = 0
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    total_steps: int | None = None
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    max_grad_norm: float = 1.0
    train_embeddings: bool = False

    def __post_init__(self) -> None:
        if self.schedule not in ("constant", "cosine", "linear"):
            raise ConfigError(f"schedule must be constant, cosine or linear, got {self.schedule!r}")
        if self.schedule != "constant" and self.total_steps is None:
            raise ConfigError(f"total_steps must be given for the {self.schedule} schedule")
        if self.lr <= 0 or self.max_grad_norm <= 0:
            raise ConfigError(f"lr and max_grad_norm must be above 0, got {self.lr} and {self.max_grad_norm}")


def learning_rate(config: OptimConfig, step: int) -> float:
    """The learning rate of step `step` (0-based)."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    if config.schedule == "constant" or config.total_steps is None:
        return config.lr
    span = max(config.total_steps - config.warmup_steps, 1)
    done = min((step - config.warmup_steps) / span, 1.0)
    return config.lr * (1 - done if config.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2)


class PolicyOptimizer:
    """AdamW for a policy; sets which of its parameters require gradients.

    Args:
        policy: Its trainable weights change in place at every `step`.
        config: Settings.
    """

    def __init__(self, policy: Policy, config: OptimConfig) -> None:
        self.config = config
        self.step_count = 0
        trained = _trained(policy, config)
        self._weights: dict[str, nn.Parameter] = {}
        self._masters: dict[str, Tensor] = {}
        for name, weight in policy.model.named_parameters():
            weight.requires_grad_(weight in trained)
            if weight.requires_grad:
                self._weights[name] = weight
                self._masters[name] = _master_of(weight)
        self._adam = torch.optim.AdamW(
            list(self._masters.values()),
            lr=config.lr,
            betas=config.betas,
            eps=config.eps,
            weight_decay=config.weight_decay,
            fused=True,
        )

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return learning_rate(self.config, self.step_count)

    def step(self) -> float:
        """Clip, update the master weights, refresh the policy, clear the gradients.

        Returns:
            The gradient's norm before clipping.

        Raises:
            PolicyFailed: The gradient is not finite; nothing has been changed.
        """
        masters = list(self._masters.values())
        norm = float(nn.utils.clip_grad_norm_(masters, self.config.max_grad_norm))
        if not math.isfinite(norm):
            self.zero_grad()
            raise PolicyFailed(
                f"the gradient norm is {norm} at step {self.step_count}; the weights were left as they were",
                hint="lower the learning rate, or load the policy in float32",
            )
        for group in self._adam.param_groups:
            group["lr"] = self.lr
        self._adam.step()
        self.step_count += 1
        self.zero_grad()
        self._refresh()
        return norm

    def zero_grad(self) -> None:
        """Forget the gradients added up so far."""
        self._adam.zero_grad(set_to_none=True)
        for weight in self._weights.values():
            weight.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Everything that `load_state_dict` needs to go on exactly: masters, Adam's averages, the step."""
        masters = {name: m for name, m in self._masters.items() if m is not self._weights[name]}
        return {"masters": masters, "adam": self._adam.state_dict(), "step_count": self.step_count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave for a policy of the same shape and type, and refresh the policy's weights."""
        with torch.no_grad():
            for name, master in state["masters"].items():
                self._masters[name].copy_(master)
        self._adam.load_state_dict(state["adam"])
        self.step_count = int(state["step_count"])
        self._refresh()

    @torch.no_grad()
    def _refresh(self) -> None:
        pairs = [(self._weights[name], m) for name, m in self._masters.items() if m is not self._weights[name]]
        if pairs:
            torch._foreach_copy_([weight for weight, _ in pairs], [master for _, master in pairs])


def _trained(policy: Policy, config: OptimConfig) -> set[nn.Parameter]:
    if policy.lora is not None:
        return set(adapter_parameters(policy).values())
    weights: set[nn.Parameter] = set(policy.model.parameters())
    if config.train_embeddings:
        return weights
    modules = (policy.model.get_input_embeddings(), policy.model.get_output_embeddings())
    return weights - {weight for module in modules for weight in module.parameters()}


def _master_of(weight: nn.Parameter) -> Tensor:
    if weight.dtype == torch.float32:
        return weight
    master = weight.detach().float().requires_grad_()

    def add_up(owner: Tensor) -> None:
        if owner.grad is None:
            return
        if master.grad is None:
            master.grad = owner.grad.float()
        else:
            master.grad.add_(owner.grad)
        owner.grad = None

    weight.register_post_accumulate_grad_hook(add_up)  # type: ignore[no-untyped-call]
    return master
