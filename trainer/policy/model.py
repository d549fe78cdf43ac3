"""The policy: a causal language model, its tokenizer and where they came from.

Owns: loading, checking that the model is one that shared prefixes support, saving, the fingerprint, the plain pieces of
a forward pass. Does not own: sampling (`sampling.py`), training (`pivotgym.trainer.learn`), text or messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from pivotgym.core.errors import ConfigError, NotFound
from pivotgym.trainer.policy.files import replace_folder, without_bars
from pivotgym.trainer.policy.lora import merged_weights
from pivotgym.trainer.policy.memory import keep_freed_memory
from pivotgym.trainer.settings import LoraSettings

DType = Literal["bfloat16", "float32"]
DTYPES: dict[str, torch.dtype] = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class Policy:
    """A causal language model on one device, with its tokenizer.

    Args:
        model: Any causal model of transformers with full attention and a plain linear head.
        tokenizer: Its tokenizer.
        source: Where it came from, for reports.

    `lora` holds the settings of its adapters, `base_id` the fingerprint it had without them (`add_adapters`).

    Raises:
        ConfigError: The model has sliding-window layers, or its head is more than one matrix product.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: str) -> None:
        # Any: transformers' models are typed as modules whose parts may be anything.
        self.model: Any = model
        self.model.train(False)
        self.tokenizer = tokenizer
        self.source = source
        self.lora: LoraSettings | None = None
        self.base_id: str | None = None
        _check_layers(model)
        _check_head(model)

    @classmethod
    def load(cls, path: str | Path, *, dtype: DType = "bfloat16", device: str = "cpu") -> Policy:
        """Load a local Hugging Face folder; nothing is ever downloaded.

        Args:
            path: Folder with `config.json`, weights and tokenizer.
            dtype: Type of the weights that compute. bfloat16 is the default: twice as fast on CPUs that know it, and
                training keeps fp32 master weights (`PolicyOptimizer`) either way.
            device: A torch device.

        Raises:
            NotFound: There is no such folder, or it holds no `config.json`.
            ConfigError: Unknown `dtype`, or a model that shared prefixes do not support.
        """
        folder = Path(path)
        if not (folder / "config.json").is_file():
            raise NotFound(
                f"policy path {str(folder)!r} is not a Hugging Face model folder: no config.json in it",
                hint="give a folder written by save_pretrained; a GGUF file goes through convert_gguf first",
            )
        if dtype not in DTYPES:
            raise ConfigError(f"dtype must be one of {sorted(DTYPES)}, got {dtype!r}")
        if device == "cpu":
            keep_freed_memory()
        with without_bars():
            model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[dtype], local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return cls(model.to(device), tokenizer, str(folder))

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights that compute."""
        return self.head.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.device

    @property
    def context_length(self) -> int:
        """The most tokens of state and action together."""
        return int(self.model.config.max_position_embeddings)

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """Token ids that end an action, from the model's generation settings, else the tokenizer's end of text."""
        ids = self.model.generation_config.eos_token_id if self.model.generation_config else None
        if ids is None:
            ids = self.tokenizer.eos_token_id
        if ids is None:
            return ()
        return (ids,) if isinstance(ids, int) else tuple(ids)

    @property
    def head(self) -> Tensor:
        """The output embedding, `[vocabulary, hidden]`."""
        weight: Tensor = self.model.get_output_embeddings().weight
        return weight

    def score(
        self, state_ids: Sequence[int], actions: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> list[list[float]]:
        """Per-token log-probabilities (nats) of each action after one state, without gradient.

        Args:
            state_ids: Token ids of the state.
            actions: Token ids of each action.
            temperature: Divides the logits; above 0.
        """
        from pivotgym.trainer.policy.tree import Span, score_tree

        spans = [Span([*state_ids, *action], len(state_ids)) for action in actions]
        with torch.no_grad():
            scored = score_tree(self, spans, temperature)
        return [part.tolist() for part in torch.split(scored.logprobs, scored.lengths)]

    def fingerprint(self) -> str:
        """SHA-256 over the configuration and every weight; the same for equal weights, wherever they are stored.

        Adapters are merged first: it is the fingerprint of what `save` writes.
        """
        digest = hashlib.sha256(repr((self.model.config.model_type, str(self.dtype))).encode())
        for name, tensor in merged_weights(self):
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().contiguous().cpu().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def save(self, path: str | Path) -> Path:
        """Write a Hugging Face folder, adapters merged into the weights.

        An existing one is replaced, and a kill leaves the old or the new, never half.

        Returns:
            The folder.
        """
        with replace_folder(path) as folder, without_bars():
            self.model.save_pretrained(folder, state_dict=dict(merged_weights(self)) if self.lora is not None else None)
            self.tokenizer.save_pretrained(folder)
        return Path(path)


def _check_layers(model: PreTrainedModel) -> None:
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        raise ConfigError(
            f"the policy has layers of type {sorted(kinds - {'full_attention'})}; shared prefixes need full attention",
            hint="use a model such as Llama, Qwen2, Qwen3 or SmolLM2",
        )


def _check_head(model: Any) -> None:
    # Soft-capped or scaled logits would be missed by `head.py`; four tokens are enough to see the difference.
    ids = torch.arange(4, device=model.device)[None] % int(model.config.vocab_size)
    with torch.no_grad():
        full = model(ids).logits
        plain = model.base_model(ids).last_hidden_state @ model.get_output_embeddings().weight.T
    if not torch.allclose(full.float(), plain.float(), rtol=0.02, atol=0.02):
        raise ConfigError(
            f"the logits of {type(model).__name__} are not hidden states times output embedding (bias, cap or scale)",
            hint="use a model with a plain linear head, such as Llama, Qwen2, Qwen3 or SmolLM2",
        )
