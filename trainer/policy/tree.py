"""The shared prefix in training: many actions of one state as one row, every shared token computed once.

Owns: the tree of token ids, its mask, and the log-probabilities read off it. Does not own: attention itself
(`attention.py`), the log-softmax (`head.py`), losses.

Sequences that share a beginning form a trie. Its trunk (what all share: the state) is plain causal attention; every
other token sees the trunk and its own ancestors, at the position that it has in its own sequence. So a group costs
state + distinct action tokens instead of G x (state + action), and equal actions, or actions that begin alike, cost
nothing more. It is the same function of the weights as the padded forward, gradients included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from pivotgym.core.errors import InputError
from pivotgym.trainer.policy.attention import additive, tree_attention
from pivotgym.trainer.policy.head import selected_logprobs

if TYPE_CHECKING:
    from pivotgym.trainer.policy.model import Policy


class Span(NamedTuple):
    """A token sequence of which the part from `start` on is scored (a state followed by an action)."""

    ids: Sequence[int]
    start: int


@dataclass(frozen=True)
class Tree:
    """Sequences folded into one row of n tokens.

    Attributes:
        ids: `[n]` token ids, parents before children.
        positions: `[n]` position of each token in its own sequence.
        trunk: How many of them are shared by all sequences.
        visible: `[n - trunk, n]` bool, what each token after the trunk may look at.
        rows: `[m]` the token that predicts each distinct scored token.
        targets: `[m]` the distinct scored tokens' ids.
        pick: `[sum(lengths)]` which of the m each scored token of each sequence is, sequence after sequence.
        lengths: Number of scored tokens of each sequence.
    """

    ids: Tensor
    positions: Tensor
    trunk: int
    visible: Tensor
    rows: Tensor
    targets: Tensor
    pick: Tensor
    lengths: list[int]


@dataclass(frozen=True)
class Scored:
    """Per-token results for the scored tokens of all sequences, one after the other.

    Attributes:
        logprobs: `[sum(lengths)]` fp32, nats, with gradient.
        entropy: `[sum(lengths)]` fp32, nats: of the distribution each token was drawn from; without gradient.
        lengths: Scored tokens of each sequence.
        forward_tokens: Tokens that went through the model.
    """

    logprobs: Tensor
    entropy: Tensor
    lengths: list[int]
    forward_tokens: int


def build_tree(spans: Sequence[Span]) -> Tree:
    """Fold sequences into one row.

    Args:
        spans: At least one; each with 1 <= start < len(ids).

    Raises:
        InputError: No sequence, an empty state or an empty action.
    """
    _check(spans)
    trunk = _common_prefix([list(span.ids[:-1]) for span in spans])
    ids = [int(token) for token in spans[0].ids[:trunk]]
    parents = list(range(-1, trunk - 1))
    children: dict[tuple[int, int], int] = {}
    scored: dict[tuple[int, int], int] = {}
    pick: list[int] = []
    for span in spans:
        # The last token is only predicted, never fed, so it needs no node.
        node = trunk - 1
        path = list(range(trunk))
        for token in span.ids[trunk:-1]:
            node = children.setdefault((node, int(token)), len(ids))
            if node == len(ids):
                ids.append(int(token))
                parents.append(path[-1] if path else -1)
            path.append(node)
        for at in range(span.start, len(span.ids)):
            pick.append(scored.setdefault((path[at - 1], int(span.ids[at])), len(scored)))
    visible, depth = _ancestry(parents, trunk)
    rows, targets = zip(*scored, strict=True)
    return Tree(
        ids=torch.tensor(ids),
        positions=depth,
        trunk=trunk,
        visible=visible,
        rows=torch.tensor(rows),
        targets=torch.tensor(targets),
        pick=torch.tensor(pick),
        lengths=[len(span.ids) - span.start for span in spans],
    )


def score_tree(policy: Policy, spans: Sequence[Span], temperature: float = 1.0) -> Scored:
    """Log-probabilities of the scored tokens of all sequences, in one forward pass over their tree.

    Args:
        policy: The model; gradients flow when they are enabled.
        spans: The sequences; they should share a long beginning, or nothing is won.
        temperature: Divides the logits; above 0.

    Raises:
        InputError: As `build_tree`, or `temperature` is not above 0.
    """
    if not temperature > 0:
        raise InputError(f"temperature must be above 0, got {temperature!r}", hint="log-probabilities need a T > 0")
    tree = build_tree(spans)
    device = policy.device
    mask = None
    if len(tree.visible):
        mask = additive(tree.visible.to(device), policy.dtype)[None, None]
    with tree_attention(policy.model):
        hidden = policy.model.base_model(
            input_ids=tree.ids.to(device)[None],
            position_ids=tree.positions.to(device)[None],
            attention_mask=mask,
            use_cache=False,
        ).last_hidden_state[0]
    used, rows = torch.unique(tree.rows.to(device), return_inverse=True)
    logprobs, entropy = selected_logprobs(hidden[used], policy.head, rows, tree.targets.to(device), temperature)
    pick = tree.pick.to(device)
    return Scored(logprobs[pick], entropy[rows][pick], tree.lengths, len(tree.ids))


def _check(spans: Sequence[Span]) -> None:
    if not spans:
        raise InputError("spans must hold at least one sequence, got none")
    for index, span in enumerate(spans):
        if not 1 <= span.start < len(span.ids):
            raise InputError(
                f"sequence {index} needs a state and an action of at least one token each, "
                f"got {span.start} and {len(span.ids) - span.start}"
            )


def _common_prefix(sequences: list[list[int]]) -> int:
    low, high = min(sequences), max(sequences)
    # Of sorted sequences, the first and the last share exactly what all of them share.
    length = min(len(low), len(high))
    return next((at for at in range(length) if low[at] != high[at]), length)


def _ancestry(parents: Sequence[int], trunk: int) -> tuple[Tensor, Tensor]:
    visible = torch.zeros(len(parents) - trunk, len(parents), dtype=torch.bool)
    visible[:, :trunk] = True
    depth = list(range(trunk))
    for node in range(trunk, len(parents)):
        parent = parents[node]
        if parent >= trunk:
            visible[node - trunk] = visible[parent - trunk]
        visible[node - trunk, node] = True
        depth.append(depth[parent] + 1 if parent >= 0 else 0)
    return visible, torch.tensor(depth)
