"""LoRA in OpenRLHF's trained policy: what its engines and its users get are merged weights.

Owns: sending the merged weights to the engines that sample, and saving them. Does not own: the merging (`adapters`).

OpenRLHF 0.11.2 sends every parameter by PEFT's name (`base_model.model...base_layer.weight`), which no engine knows,
and saves the adapters alone. `LoraPolicyActor` stands in for `openrlhf.trainer.ray.ppo_actor.PolicyModelActor` in the
launcher's process where a run has adapters; nothing installed is changed.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from openrlhf.trainer.ray.ppo_actor import PolicyModelActor as UpstreamActor
from openrlhf.utils.distributed_util import torch_dist_barrier_and_cuda_sync

from pivotgym.trainer.openrlhf.adapters import Plain


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
