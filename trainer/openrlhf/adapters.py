"""A PEFT model seen as the plain model that computes the same.

Owns: the plain names, and adapters merged into copies of the weights. Does not own: the adapters, which are PEFT's, put
in and trained by OpenRLHF itself (`--ds.lora.*`); who needs the plain model (`actor`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from peft.tuners.lora import LoraLayer


class Weight:
    """One weight of the plain model, merged when `data` is read, so that one merged copy exists at a time.

    It has of `torch.nn.Parameter` what OpenRLHF's sending reads.
    """

    requires_grad = True

    def __init__(self, weight: torch.Tensor, layer: LoraLayer | None) -> None:
        self._weight = weight
        self._layer: Any = layer
        self.shape, self.dtype = weight.shape, weight.dtype

    @property
    @torch.no_grad()
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

    def named_parameters(self) -> Iterator[tuple[str, Weight]]:
        """Every weight by the plain model's name; tied ones once."""
        layers = {name: part for name, part in self._model.named_modules() if isinstance(part, LoraLayer)}
        for name, weight in self._model.named_parameters():
            layer, inside, own = name.rpartition(".base_layer.")
            if ".lora_" in name:
                continue
            if inside:
                yield f"{layer}.{own}", Weight(weight, layers[layer] if own == "weight" else None)
            else:
                yield name, Weight(weight, None)

    def save(self, folder: str) -> None:
        """Write a Hugging Face folder's weights and configuration."""
        self._model.save_pretrained(folder, state_dict={name: w.data for name, w in self.named_parameters()})
