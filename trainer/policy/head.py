"""Log-probabilities of chosen tokens, without keeping the logits.

Owns: the step from hidden states to log-probabilities, its gradient and the entropy. Does not own: which tokens are
chosen (`tree.py`).

With logits z = h W^T / T and p = softmax(z): log p_t = z_t - logsumexp(z), so d log p_t / dh = (W_t - p W) / T. The
product p W is taken in the forward pass while p is at hand; the [rows, vocabulary] matrix never outlives its chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor

# 512 rows of a 49k vocabulary in fp32 are 100 MB, the most this module holds at a time.
CHUNK_ROWS = 512


def selected_logprobs(
    hidden: Tensor, weight: Tensor, rows: Tensor, targets: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Log-probability of each target token under softmax(hidden @ weight.T / temperature).

    Args:
        hidden: `[r, d]`, the final hidden states that predict.
        weight: `[vocabulary, d]`, the output embedding.
        rows: `[m]` int64, which row of `hidden` predicts each target; rows may repeat.
        targets: `[m]` int64, token ids.
        temperature: Above 0.

    Returns:
        Log-probabilities `[m]` in fp32 (nats, differentiable in `hidden` and `weight`) and the entropy of each row
        `[r]` in fp32 (nats, without gradient).
    """
    return _apply(hidden, weight, rows, targets, temperature)


def _chunks(hidden: Tensor) -> Iterator[slice]:
    return (slice(start, start + CHUNK_ROWS) for start in range(0, len(hidden), CHUNK_ROWS))


def _probabilities(hidden: Tensor, weight: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Logits less their largest, the logarithm of the sum of their exponentials, and the probabilities."""
    logits = (hidden @ weight.T).float().div_(temperature)
    top = logits.amax(dim=-1)
    # In place: a second [rows, vocabulary] matrix costs more in page faults than all the arithmetic here.
    probs = logits.sub_(top[:, None]).exp()
    mass = probs.sum(dim=-1)
    return logits, mass.log(), probs.div_(mass[:, None])


class _SelectedLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, rows: Tensor, targets: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        chosen = torch.empty(len(rows), dtype=torch.float32, device=hidden.device)
        entropy = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        mean_embedding = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for part in _chunks(hidden):
            logits, total, probs = _probabilities(hidden[part], weight, temperature)
            here = (rows >= part.start) & (rows < part.stop)
            local = rows[here] - part.start
            chosen[here] = logits[local, targets[here]] - total[local]
            if mean_embedding is not None:
                mean_embedding[part] = probs.to(weight.dtype) @ weight
            entropy[part] = total - probs.mul_(logits).sum(-1)
        ctx.save_for_backward(hidden, weight, rows, targets, mean_embedding)
        ctx.temperature = temperature
        ctx.mark_non_differentiable(entropy)
        return chosen, entropy

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, rows, targets, mean_embedding = ctx.saved_tensors
        grad = grads[0] / ctx.temperature
        of_row = torch.zeros(len(hidden), device=grad.device).index_add_(0, rows, grad)
        grad_hidden = grad_weight = None
        if ctx.needs_input_grad[0]:
            towards = torch.zeros(hidden.shape, device=grad.device)
            towards.index_add_(0, rows, weight[targets].float() * grad[:, None])
            grad_hidden = towards.sub_(mean_embedding.float() * of_row[:, None]).to(hidden.dtype)
        if ctx.needs_input_grad[1]:
            grad_weight = torch.zeros(weight.shape, device=grad.device)
            for part in _chunks(hidden):
                probs = _probabilities(hidden[part], weight, ctx.temperature)[2]
                grad_weight -= (probs * of_row[part, None]).T @ hidden[part].float()
            grad_weight.index_add_(0, targets, hidden[rows].float() * grad[:, None])
            grad_weight = grad_weight.to(weight.dtype)
        return grad_hidden, grad_weight, None, None, None


_apply = cast("Callable[..., tuple[Tensor, Tensor]]", _SelectedLogProbs.apply)
