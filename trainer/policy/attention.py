"""Attention over a shared prefix: one kernel call for the trunk, one for everything that hangs from it.

Owns: the attention function that transformers calls while `tree_attention` is active, and the key/value store of the
sampler. Does not own: what a tree looks like (`tree.py`, `decode.py`), nor any model code.

The function is registered with transformers' attention interface, so it works for every causal language model that
uses that interface with full attention; no model is patched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel
from transformers.cache_utils import Cache, CacheLayerMixin

from pivotgym.core.errors import ConfigError

NAME = "pivotgym_tree"
# Extra terms that some architectures hand to their attention; ignoring one would silently compute something else.
_UNSUPPORTED = ("softcap", "s_aux", "position_bias", "sliding_window")
# Up to this many keys, training on a CPU writes attention out in steps instead of calling the fused kernel.
_STEPWISE_KEYS = 1500


def tree_attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **extra: Any,
) -> tuple[Tensor, None]:
    """Attention in which the last queries follow a mask and all queries before them are plainly causal.

    Args:
        module: The attention layer that calls; unused, part of the interface.
        query: `[batch, heads, queries, head_dim]`.
        key: `[batch, kv_heads, keys, head_dim]`.
        value: Like `key`.
        attention_mask: Additive, `[batch, 1, m, keys]` with m <= queries: it rules the last m queries. The first
            `queries - m` are causal among themselves. None: all are causal.
        scaling: Factor on the scores; None means 1/sqrt(head_dim).
        dropout: Ignored: the probabilities trained must be those that were sampled.
        extra: What else the architecture passes.

    Returns:
        Output `[batch, queries, heads, head_dim]`, and None for the weights.

    Raises:
        ConfigError: The architecture passes a term that this function does not compute.
    """
    for name in _UNSUPPORTED:
        if extra.get(name) is not None:
            raise ConfigError(
                f"the model's attention uses {name!r}, which shared prefixes do not support",
                hint="use a model with plain full attention, such as Llama, Qwen2, Qwen3 or SmolLM2",
            )
    if attention_mask is None:
        return _causal(query, key, value, scaling).transpose(1, 2).contiguous(), None
    trunk = query.shape[2] - attention_mask.shape[2]
    out = _masked(query[:, :, trunk:], key, value, attention_mask, scaling)
    if trunk:
        first = _causal(query[:, :, :trunk], key[:, :, :trunk], value[:, :, :trunk], scaling)
        out = torch.cat((first, out), dim=2)
    return out.transpose(1, 2).contiguous(), None


def _causal(query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
    count = query.shape[2]
    if _in_steps(query, count):
        ahead = torch.ones(count, count, dtype=torch.bool, device=query.device).triu_(1)
        mask = torch.zeros(1, 1, count, count, dtype=query.dtype, device=query.device)
        return _stepwise(query, key, value, mask.masked_fill_(ahead, float("-inf")), scaling)
    grouped = query.shape[1] != key.shape[1]
    return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=grouped)


def _masked(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float | None) -> Tensor:
    if _in_steps(query, key.shape[2]):
        return _stepwise(query, key, value, mask, scaling)
    # The query heads that share a key head become further queries of that head: the keys are never repeated, and it
    # is the fastest of the ways measured (1.4 ms a layer, against 1.9 with enable_gqa and 2.9 with repeated keys).
    batch, heads, queries, dim = query.shape
    groups = heads // key.shape[1]
    folded = query.reshape(batch, key.shape[1], groups * queries, dim)
    out = scaled_dot_product_attention(folded, key, value, attn_mask=mask.repeat(1, 1, groups, 1), scale=scaling)
    return out.reshape(batch, heads, queries, dim)


def _in_steps(query: Tensor, keys: int) -> bool:
    # On a CPU the fused kernel's backward is slow for short rows: 12.6 ms a layer at 220 + 240 tokens, 5.8 in steps.
    return query.requires_grad and query.device.type == "cpu" and keys <= _STEPWISE_KEYS


def _stepwise(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float | None) -> Tensor:
    batch, heads, queries, dim = query.shape
    groups = heads // key.shape[1]
    folded = query.reshape(batch, key.shape[1], groups * queries, dim)
    scores = (folded * (dim**-0.5 if scaling is None else scaling)) @ key.transpose(2, 3)
    scores = scores.view(batch, key.shape[1], groups, queries, -1) + mask[:, :, None]
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    return (weights.view(batch, key.shape[1], groups * queries, -1) @ value).reshape(batch, heads, queries, dim)


AttentionInterface.register(NAME, tree_attention_forward)


@contextmanager
def tree_attention(model: PreTrainedModel) -> Iterator[None]:
    """Within this block the model's attention is `tree_attention_forward`; a plain forward must stay outside of it."""
    config: Any = model.base_model.config
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean mask (True = may look) as the additive mask of type `dtype` that attention takes."""
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(~visible, float("-inf"))


class _Slab(CacheLayerMixin):  # type: ignore[no-untyped-call]  # transformers is partly typed
    """Keys and values of one layer in memory reserved once, so that a decode step copies only what is new."""

    def __init__(self, capacity: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.capacity = capacity
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        batch, heads, _, dim = key_states.shape
        self.keys = key_states.new_empty(batch, heads, self.capacity, dim)
        self.values = value_states.new_empty(batch, heads, self.capacity, value_states.shape[-1])
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[2]
        keys, values = cast("tuple[Tensor, Tensor]", (self.keys, self.values))
        keys[:, :, self.length : end] = key_states
        values[:, :, self.length : end] = value_states
        self.length = end
        return keys[:, :, :end], values[:, :, :end]

    def keep_rows(self, rows: Tensor) -> None:
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_empty(len(rows), *old.shape[1:])
            new[:, :, : self.length] = old[rows, :, : self.length]
            setattr(self, name, new)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return self.capacity


class SlabCache(Cache):
    """A key/value store of fixed capacity (columns) whose rows can be dropped.

    Args:
        layers: Number of the model's layers.
        capacity: Columns reserved in each row.
    """

    def __init__(self, layers: int, capacity: int) -> None:
        super().__init__(layers=[_Slab(capacity) for _ in range(layers)])

    def keep_rows(self, rows: Tensor) -> None:
        """Drop every row that is not in `rows` (`[k]`, int64)."""
        for layer in self.layers:
            cast(_Slab, layer).keep_rows(rows)
