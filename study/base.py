"""The study's compact policy: a Llama of about a million parameters, pre-trained on the study's own text.

Owns: its settings, its tokenizer, its pre-training, the folder it is kept in. Does not own: the text (the domains,
`study/text`), or what is trained further (`trainer`).
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from pivotgym.core.canonical import digest
from pivotgym.core.errors import ConfigError
from pivotgym.core.formats.chatml import END, open_turn
from pivotgym.study.contract import StudyDomain
from pivotgym.study.text import NUMBERS, names, plain

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from pivotgym.trainer.policy import Policy

_END_OF_TEXT = "<|endoftext|>"
_SPECIAL = (_END_OF_TEXT, "<|im_start|>", END)
_PIECES = r"[A-Za-z_]+ ?|\d+ ?|\s|[^A-Za-z_\d\s]+ ?"
"""What no token crosses. A blank belongs to what stands before it: a name is the same token wherever it stands, and the
token before it says what it is there for, which is what a small policy goes by when it copies."""
_LINE = 16
"""Characters from which on a line of all prompts of a domain is one token: it would cost ten and tell nothing."""
_ACTION = re.compile(rf"(?<={re.escape(open_turn('assistant'))})(.*?{re.escape(END)})", re.DOTALL)
_UNLEARNED = -100
_COPIED = 0.3
"""Size of values and outputs at the start: what is copied is then a few times an embedding."""
_SETTINGS_FILE = "base.json"
OnStep = Callable[[int, int, float], None]


class BaseSettings(BaseModel):
    """How the compact policy is made.

    Attributes:
        seed: Of text, order and weights.
        episodes: Episodes of each domain to pre-train on.
        plain_share: Share of plain text among all texts.
        vocabulary: Tokens, bytes and special ones included, beside names and the lines of all prompts.
        hidden: Width of the residual stream.
        layers: Transformer blocks; copying a name takes two at the least.
        heads: Of each block.
        context: The most tokens of state and action together.
        steps: Updates.
        rows: Texts of an update.
        lr: Peak of the learning rate of embeddings and norms (AdamW), after a tenth of the steps; it ends at a tenth.
        muon_lr: The same of the matrices within the blocks (Muon), which with AdamW took several times the updates
            until the policy copied a name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    episodes: int = Field(default=3000, ge=1)
    plain_share: float = Field(default=0.1, ge=0, lt=1)
    vocabulary: int = Field(default=512, ge=300)
    hidden: int = Field(default=128, ge=16)
    layers: int = Field(default=3, ge=1)
    heads: int = Field(default=4, ge=1)
    context: int = Field(default=512, ge=64)
    steps: int = Field(default=4000, ge=1)
    rows: int = Field(default=16, ge=1)
    lr: float = Field(default=2e-3, gt=0)
    muon_lr: float = Field(default=1e-2, gt=0)


class _Encoded(NamedTuple):
    """A text's token ids, and the same where they are learned."""

    ids: list[int]
    labels: list[int]


class _Batch(NamedTuple):
    """The same of several texts, `[rows, tokens]` each."""

    ids: Tensor
    labels: Tensor


def base_policy(
    domains: Sequence[StudyDomain], folder: str | Path, settings: BaseSettings, *, on_step: OnStep | None = None
) -> Path:
    """Pre-train the compact policy, or find it in `folder`, where it is kept by its settings.

    Args:
        domains: Whose text it learns.
        folder: Holds policies made with other settings, too.
        settings: See `BaseSettings`.
        on_step: Called with (step, total, loss in nats per token).

    Returns:
        A Hugging Face folder, for `Policy.load`; equal settings and domains give equal weights on one machine.

    Raises:
        ConfigError: If `hidden` is no multiple of twice `heads`.
    """
    if settings.hidden % (2 * settings.heads):
        raise ConfigError(
            f"hidden: expected a multiple of twice the heads ({2 * settings.heads}), got {settings.hidden}",
            hint="rotary positions turn pairs of numbers within a head",
        )
    made_of = {"domains": sorted(domain.name for domain in domains), **settings.model_dump()}
    place = Path(folder) / f"base-{digest(made_of)[:12]}"
    # Written last, so that a policy whose making was cut short is made again.
    mark = place / _SETTINGS_FILE
    if mark.is_file():
        return place
    texts = corpus(domains, settings)
    tokenizer = _tokenizer(texts, settings.vocabulary)
    policy = _pretrained(texts, tokenizer, settings, on_step)
    policy.save(place)
    mark.write_text(json.dumps(made_of, indent=1))
    return place


def corpus(domains: Sequence[StudyDomain], settings: BaseSettings) -> list[str]:
    """The texts, in the order in which they are learned."""
    texts = [
        text
        for domain in sorted(domains, key=lambda one: one.name)
        for text in itertools.islice(domain.text(settings.seed), settings.episodes)
    ]
    more = round(len(texts) * settings.plain_share / (1 - settings.plain_share))
    texts += itertools.islice(plain(settings.seed), more)
    Random(settings.seed).shuffle(texts)
    return texts


def _tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    pieces = pre_tokenizers.Split(Regex(_PIECES), behavior="isolated")
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pieces, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = _fixed_lines(texts)
    # Without names, which get tokens of their own: they are so frequent that the vocabulary would be spent on them.
    own = (*names("text"), *map(str, NUMBERS))
    known = re.compile(rf"\b(?:{'|'.join(own)})\b")
    raw.train_from_iterator((known.sub("", text) for text in texts), trainer)
    raw.add_tokens([AddedToken(line, normalized=False) for line in lines])
    raw.add_tokens([AddedToken(one, normalized=False, single_word=True) for one in own])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, eos_token=END, pad_token=_END_OF_TEXT, clean_up_tokenization_spaces=False
    )


def _fixed_lines(texts: Sequence[str]) -> list[str]:
    """The longer lines that a fifth of the texts have: tool signatures, and what else a domain's prompts begin with."""
    breaks = re.compile("|".join(map(re.escape, ("\n", *_SPECIAL))))
    seen = Counter(line for text in texts for line in set(breaks.split(text)))
    return sorted(line for line, count in seen.items() if len(line) >= _LINE and count >= len(texts) / 5)


def _new(tokenizer: PreTrainedTokenizerFast, settings: BaseSettings) -> Policy:
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from pivotgym.trainer.policy import Policy

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden,
        intermediate_size=settings.hidden * 11 // 4,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=settings.context,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
        _copies(model)
    return Policy(model, tokenizer, "pivotgym.study")


def _copies(model: PreTrainedModel) -> None:
    """Have attention begin by writing what it attends to, so that copying is only a matter of where to look.

    Values by an orthogonal matrix, outputs by its transpose: mimetic initialization (Trockman and Kolter, 2023), with
    the sign that copies.
    """
    import torch

    with torch.no_grad():
        for block in model.model.layers:
            attention = block.self_attn
            values = torch.nn.init.orthogonal_(torch.empty_like(attention.v_proj.weight), gain=_COPIED)
            attention.v_proj.weight.copy_(values)
            attention.o_proj.weight.copy_(values.T)


def _pretrained(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, settings: BaseSettings, on_step: OnStep | None
) -> Policy:
    import torch
    from torch.nn.functional import cross_entropy

    policy = _new(tokenizer, settings)
    optimizers = _optimizers(policy.model, settings)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    policy.model.train(True)
    for step, batch in zip(range(settings.steps), _batches(texts, tokenizer, settings), strict=False):
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * _share(step, settings.steps)
            optimizer.zero_grad(set_to_none=True)
        logits = policy.model(batch.ids[:, :-1], use_cache=False).logits
        loss = cross_entropy(logits.flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=_UNLEARNED)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        if on_step is not None:
            on_step(step + 1, settings.steps, float(loss.detach()))
    policy.model.train(False)
    return policy


def _optimizers(model: PreTrainedModel, settings: BaseSettings) -> list[Optimizer]:
    import torch

    blocks = [weights for name, weights in model.named_parameters() if weights.ndim == 2 and ".layers." in name]
    inside = set(map(id, blocks))
    others = [weights for weights in model.parameters() if id(weights) not in inside]
    return [
        torch.optim.Muon(blocks, lr=settings.muon_lr, weight_decay=0.05),
        torch.optim.AdamW(others, lr=settings.lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def _share(step: int, steps: int) -> float:
    """The learning rate's share of its peak: a linear rise over a tenth of the steps, then a cosine to a tenth."""
    rise = max(steps // 10, 1)
    if step < rise:
        return (step + 1) / rise
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1)))


def _batches(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, settings: BaseSettings) -> Iterator[_Batch]:
    """Batches without end, texts of about one length together, in another order each epoch."""
    import torch

    encoded = [one for one in (_encoded(text, tokenizer) for text in texts) if len(one.ids) <= settings.context]
    random, pad = Random(settings.seed), tokenizer.pad_token_id
    ids = tokenizer.get_vocab()
    groups = [[ids[name] for name in names("text")], [ids[str(number)] for number in NUMBERS]]
    while True:
        # Sorted within parts of an epoch only, so that a batch of one length is not always of the same texts.
        order = random.sample(range(len(encoded)), len(encoded))
        part = settings.rows * 16
        near = [
            index
            for at in range(0, len(order), part)
            for index in sorted(order[at : at + part], key=lambda i: len(encoded[i].ids))
        ]
        batches = [near[at : at + settings.rows] for at in range(0, len(near), settings.rows)]
        for batch in random.sample(batches, len(batches)):
            rows = [_renamed(encoded[index], groups, random) for index in batch]
            width = max(len(row.ids) for row in rows)
            yield _Batch(
                torch.tensor([[*row.ids, *[pad] * (width - len(row.ids))] for row in rows]),
                torch.tensor([[*row.labels, *[_UNLEARNED] * (width - len(row.ids))] for row in rows]),
            )


def _renamed(text: _Encoded, groups: Sequence[Sequence[int]], random: Random) -> _Encoded:
    """The same with other names and numbers, each by one other of its group throughout.

    A text is met a dozen times; with its own names it would be learned by heart, with others each time the names can
    only be copied from where they stand.
    """
    other: dict[int, int] = {}
    for group in groups:
        other.update(zip(group, random.sample(group, len(group)), strict=True))
    return _Encoded([other.get(one, one) for one in text.ids], [other.get(one, one) for one in text.labels])


def _encoded(text: str, tokenizer: PreTrainedTokenizerFast) -> _Encoded:
    """A text's tokens; of an episode those of its actions are learned, of a plain text all.

    What a customer is called cannot be foreseen, and would drown what can.
    """
    parts = _ACTION.split(text)
    ids: list[int] = []
    labels: list[int] = []
    for place, piece in enumerate(parts):
        tokens = tokenizer(piece, add_special_tokens=False)["input_ids"]
        ids += tokens
        labels += tokens if place % 2 or len(parts) == 1 else [_UNLEARNED] * len(tokens)
    end = tokenizer.pad_token_id
    return _Encoded([*ids, end], [*labels, end if len(parts) == 1 else _UNLEARNED])
