"""Drawing tokens: one uniform number per token, searched in the cumulative distribution.

Owns: the random numbers and the step from logits to tokens. Does not own: where logits come from (`decode.py`).

`torch.multinomial` takes 65 ms for 64 rows of a 49k vocabulary on a CPU; two sums and a search take 3.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

# Tokens are searched in two levels: first the block, then the token within it.
_BLOCK = 256
# Nearly every nucleus has fewer tokens than this; a full sort is the fallback.
_NUCLEUS = 1024


def uniforms(seed: int, key: str, branch: int, count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) that depend on seed, state key and branch number alone, never on the batch.

    Philox is counter-based: each branch has its own 2^192 numbers of the state's stream.
    """
    digest = hashlib.blake2b(f"{seed}\0{key}".encode(), digest_size=16).digest()
    stream = np.random.Philox(key=np.frombuffer(digest, dtype=np.uint64), counter=[0, 0, 0, branch])
    return np.random.Generator(stream).random(count)


def draw(logits: Tensor, temperatures: Tensor, numbers: Tensor, top_p: float = 1.0) -> tuple[Tensor, Tensor]:
    """Draw one token per row.

    Args:
        logits: `[n, vocabulary]`, any float type.
        temperatures: `[n]` fp32; 0 takes the most likely token.
        numbers: `[n]` fp64 in [0, 1), one per row.
        top_p: Draw only among the most likely tokens whose mass reaches `top_p` (the one that crosses it included).

    Returns:
        Token ids `[n]` int64, and their log-probabilities `[n]` fp32 under softmax(logits / temperature) over the whole
        vocabulary: `top_p` restricts the draw and is not in the log-probability, since the trainer's ratio compares
        policies, not samplers. For temperature 0 it is 0 (the choice is certain).
    """
    greedy = temperatures == 0
    scaled = logits.float() / torch.where(greedy, 1.0, temperatures)[:, None]
    top, best = scaled.max(dim=-1)
    weights = scaled.sub_(top[:, None]).exp()
    drawn, total = _search(weights, numbers)
    if top_p < 1.0:
        drawn = _search_nucleus(weights, total, numbers, top_p)
    tokens = torch.where(greedy, best, drawn)
    chosen = scaled.gather(1, tokens[:, None])[:, 0]
    logprobs = chosen - total.log().float()
    return tokens, torch.where(greedy, 0.0, logprobs)


def _search(weights: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    rows = torch.arange(len(weights), device=weights.device)
    blocks = pad(weights, (0, -weights.shape[1] % _BLOCK)).view(len(weights), -1, _BLOCK)
    upto = blocks.sum(-1).double().cumsum(-1)
    aim = numbers * upto[:, -1]
    block = torch.searchsorted(upto, aim[:, None], right=True)[:, 0].clamp_(max=upto.shape[1] - 1)
    before = torch.where(block > 0, upto[rows, (block - 1).clamp_(min=0)], 0.0)
    inside = blocks[rows, block].double().cumsum(-1)
    # The two levels are summed in different orders; the rest must stay below the block's own sum, so that rounding
    # can never choose a token of weight 0.
    rest = torch.minimum(aim - before, inside[:, -1] * (1 - 1e-12))
    return block * _BLOCK + torch.searchsorted(inside, rest[:, None], right=True)[:, 0], upto[:, -1]


def _search_nucleus(weights: Tensor, total: Tensor, numbers: Tensor, top_p: float) -> Tensor:
    count = min(_NUCLEUS, weights.shape[1])
    values, order = weights.topk(count, dim=-1)
    mass = values.double().cumsum(-1)
    if count < weights.shape[1] and bool((mass[:, -1] < top_p * total).any()):
        values, order = weights.sort(dim=-1, descending=True)
        mass = values.double().cumsum(-1)
    last = torch.searchsorted(mass, (top_p * total)[:, None]).clamp_(max=mass.shape[1] - 1)
    aim = numbers[:, None] * mass.gather(1, last)
    at = torch.minimum(torch.searchsorted(mass, aim, right=True), last)
    return order.gather(1, at)[:, 0]
