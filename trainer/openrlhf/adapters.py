"""LoRA in OpenRLHF's trained policy: what its engines and its users get are merged weights.

Owns: sending the merged weights to the engines that sample, and saving them. Does not own: the adapters, which are
PEFT's, put in and trained by OpenRLHF itself (`--ds.lora.*`).

OpenRLHF 0.11.2 sends every parameter by PEFT's name (`base_model.model...base_layer.weight`), which no engine knows,
and saves the adapters alone. `LoraPolicyActor` stands in for `openrlhf.trainer.ray.ppo_actor.PolicyModelActor` in the
launcher's process where a run has adapters; nothing installed is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import torch
from openrlhf.trainer.ray.ppo_actor import PolicyModelActor as UpstreamActor
from openrlhf.utils.distributed_util import torch_dist_barrier_and_cuda_sync
from peft.tuners.lora import LoraLayer


class Weight:
    """One weight of the plain model, merged when `data` is read, so that one merged copy exists at a time.

    It has of `torch.nn.Parameter` what OpenRLHF's sending reads.
    """

    requires_grad = True

    def __init__(self, weight: torch.Tensor, layer: LoraLayer | None) -> None:
        self._weight, self._layer = weight, layer
        self.shape, self.dtype = weight.shape, weight.dtype

    @property
    def data(self) -> torch.Tensor:
        """The weight with its adapters added in fp32, in its own type."""
        merged = self._weight.detach()
        for name in self._layer.active_adapters if self._layer is not None else ():
            update: torch.Tensor = self._layer.lora_B[name].weight.float() @ self._layer.lora_A[name].weight.float()
            merged = torch.add(merged.float(), update, alpha=self._layer.scaling[name])
        return merged.to(self.dtype)


class Plain:
    """A PEFT model seen as the plain model that computes the same."""

    def __init__(self, model: Any) -> None:
        self._model = model.get_base_model()

    @torch.no_grad()
    def named_parameters(self) -> Iterator[tuple[str, Weight]]:
        """Every weight by the plain model's name; tied ones once."""
        layers = {name: part for name, part in self._model.named_modules() if isinstance(part, LoraLayer)}
        for name, weight in self._model.named_parameters():
            layer, inside, own = name.rpartition(".base_layer.")
            if ".lora_" in name:
                continue
            yield (
                (f"{layer}.{own}", Weight(weight, layers[layer] if own == "weight" else None))
                if inside
                else (
                    name,
                    Weight(weight, None),
                )
            )

    @torch.no_grad()
    def save(self, folder: str) -> None:
        """Write a Hugging Face folder's weights and configuration."""
        self._model.save_pretrained(folder, state_dict={name: w.data for name, w in self.named_parameters()})


class LoraPolicyActor(UpstreamActor.__ray_metadata__.modified_class):  # type: ignore[misc]
    """See the module."""

    def broadcast_to_vllm(self) -> None:
        """Upstream's, of the merged weights."""
        actor: Any = self.trainer.actor
        plain = SimpleNamespace(module=Plain(actor.model.module))
        self.trainer.actor = SimpleNamespace(model=plain, is_vlm=False)
        try:
            with torch.no_grad():
                super().broadcast_to_vllm()
        finally:
            self.trainer.actor = actor

    def save_model(self) -> None:
        """The merged policy into `--ckpt.output_dir`."""
        if self.strategy.is_rank_0():
            folder = self.strategy.args.ckpt.output_dir
            Plain(self.actor.model.module).save(folder)
            self.tokenizer.save_pretrained(folder)
        torch_dist_barrier_and_cuda_sync()
