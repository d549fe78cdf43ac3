"""LoRA: low-rank adapters beside a policy's linear layers (arXiv 2106.09685).

Owns: the layer, putting it in, taking its share out again, and the weights with the adapters merged. Does not own:
which parameters an optimiser trains (`learn/optim`), files (`model`, `learn/checkpoint`).

A layer's weight W stays as it is; A `[rank, in]` begins random, B `[out, rank]` zero, so that a policy with fresh
adapters is the policy it began from. With the adapters off it still is, after any number of steps: the reference of a
KL term needs no second copy of the weights. Gradients and Adam's averages exist for A and B alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear

from pivotgym.core.errors import ConfigError, InputError
from pivotgym.trainer.settings import LoraSettings

if TYPE_CHECKING:
    from pivotgym.trainer.policy.model import Policy

_ADAPTER = ("lora_a", "lora_b")


class LoraLinear(nn.Linear):
    """A linear layer with an adapter: W x + bias + (alpha / rank) B A x.

    Args:
        layer: Whose weight and bias it takes over, the very same parameters.
        settings: Of the adapter.
        generator: Draws A, uniform within 1 / sqrt(inputs), as PEFT and the paper's authors do.
    """

    def __init__(self, layer: nn.Linear, settings: LoraSettings, generator: torch.Generator) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        bound = layer.in_features**-0.5
        drawn = torch.empty(settings.rank, layer.in_features).uniform_(-bound, bound, generator=generator)
        self.lora_a = nn.Parameter(drawn.to(self.weight))
        self.lora_b = nn.Parameter(self.weight.new_zeros(layer.out_features, settings.rank))
        self.scale = settings.alpha / settings.rank
        self.dropout = settings.dropout
        self.enabled = True

    def forward(self, input: Tensor) -> Tensor:
        """`[..., in]` to `[..., out]`."""
        plain = linear(input, self.weight, self.bias)
        if not self.enabled:
            return plain
        if self.dropout and torch.is_grad_enabled():
            input = dropout(input, self.dropout)
        return plain + self.scale * linear(linear(input, self.lora_a), self.lora_b)

    def merged(self) -> Tensor:
        """W + (alpha / rank) B A, added in fp32, in W's type: `[out, in]`."""
        update = self.lora_b.detach().float() @ self.lora_a.detach().float()
        return torch.add(self.weight.detach().float(), update, alpha=self.scale).to(self.weight.dtype)


def add_adapters(policy: Policy, settings: LoraSettings, *, seed: int = 0) -> None:
    """Put fresh adapters into a policy, in place; what it computes stays the same.

    Args:
        policy: One without adapters.
        settings: Rank, scale, which layers.
        seed: Fixes the draw of every A.

    Raises:
        ConfigError: The policy has adapters already, or no linear layer of a name in `targets`.
    """
    if policy.lora is not None:
        raise ConfigError(f"lora: expected a policy without adapters, got one of rank {policy.lora.rank}")
    policy.base_id = policy.fingerprint()
    head = policy.model.get_output_embeddings()
    layers = {
        name: layer
        for name, layer in policy.model.named_modules()
        if isinstance(layer, nn.Linear) and layer is not head
    }
    last = sorted({name.rpartition(".")[2] for name in layers})
    wanted = last if settings.targets == "all-linear" else settings.targets
    if unknown := [name for name in wanted if name not in last]:
        raise ConfigError(f"lora.targets: expected 'all-linear' or names among {last}, got {unknown[0]!r}")
    generator = torch.Generator().manual_seed(seed)
    for name, layer in layers.items():
        parent, _, own = name.rpartition(".")
        if own in wanted:
            setattr(policy.model.get_submodule(parent), own, LoraLinear(layer, settings, generator))
    policy.lora = settings


def adapter_parameters(policy: Policy) -> dict[str, nn.Parameter]:
    """A and B of every adapter by name; empty for a policy without."""
    named: Any = policy.model.named_parameters()
    return {name: weight for name, weight in named if name.endswith(_ADAPTER)}


@torch.no_grad()
def load_adapters(policy: Policy, state: dict[str, Tensor]) -> None:
    """Set A and B of every adapter to what `adapter_parameters` gave.

    Raises:
        InputError: They are those of other layers.
    """
    own = adapter_parameters(policy)
    if odd := sorted(own.keys() ^ state.keys()):
        raise InputError(f"adapters: expected those of {len(own)} matrices, got {len(state)}; {odd[0]!r} differs")
    for name, weight in own.items():
        weight.copy_(state[name])


@contextmanager
def adapters_off(policy: Policy) -> Iterator[None]:
    """Within this block the policy is the one that its adapters were put into."""
    layers = [layer for layer in policy.model.modules() if isinstance(layer, LoraLinear)]
    for layer in layers:
        layer.enabled = False
    try:
        yield
    finally:
        for layer in layers:
            layer.enabled = True


def merged_weights(policy: Policy) -> Iterator[tuple[str, Tensor]]:
    """Names and weights of a plain model that computes the same, one merged at a time; no adapters among them."""
    found: Any = policy.model.state_dict()
    layers = {name: layer for name, layer in policy.model.named_modules() if isinstance(layer, LoraLinear)}
    for name, tensor in sorted(found.items()):
        parent, _, own = name.rpartition(".")
        if own in _ADAPTER:
            continue
        yield name, layers[parent].merged() if own == "weight" and parent in layers else tensor
