"""What a policy server asks of the engine below it, and what it is given.

Owns: these records and the interface between the two, which know nothing of each other. Does not own: the wire
(`servers/policy`), or sampling (`trainer/served`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pivotgym.core.errors import PivotGymError
from pivotgym.core.formats import Format


@dataclass(frozen=True)
class SampleJob:
    """Samples wanted after one prompt.

    Attributes:
        prompt: Text, or token ids.
        count: How many samples.
        max_tokens: Tokens after which a sample is cut.
        temperature: 0 for greedy.
        top_p: Mass of the nucleus that is drawn from.
        seed: With it, the same weights and the same prompt give the same samples, up to rounding.
        stop: Texts at which a sample ends; they are left out of its text.
        stop_token_ids: Tokens at which it ends, beside the model's own.
        special_tokens: Whether the tokenizer adds the tokens that begin a text, where it knows some.
        token_texts: Whether the text of each token is wanted, too.
    """

    prompt: str | tuple[int, ...]
    count: int = 1
    max_tokens: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    special_tokens: bool = False
    token_texts: bool = False


@dataclass(frozen=True)
class SampledText:
    """One sample.

    Attributes:
        text: Without what it was stopped by.
        token_ids: All that was sampled, with the token that stopped it.
        logprobs: Natural logarithm of each token's probability at the job's temperature over the whole vocabulary.
        finish_reason: `stop`, or `length` where it was cut.
        token_texts: Text of each token, where it was wanted.
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: Literal["stop", "length"]
    token_texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobResult:
    """What came of a job.

    Attributes:
        prompt_ids: The prompt's tokens.
        samples: In order.
        version: Of the weights that all of them were sampled from.
    """

    prompt_ids: tuple[int, ...]
    samples: tuple[SampledText, ...]
    version: str


OnResult = Callable[[int, JobResult | PivotGymError], None]
"""Takes a job's index and what came of it."""


class ServedEngine(Protocol):
    """The engine of a policy server. Used from one thread but for its properties."""

    @property
    def fmt(self) -> Format:
        """The text format of the model."""

    @property
    def version(self) -> str:
        """Of the weights that are in use."""

    @property
    def context_length(self) -> int:
        """The most tokens of prompt and sample together."""

    def refresh(self) -> bool:
        """Take newer weights, if there are some; whether there were.

        Raises:
            PivotGymError: If they cannot be read; the old ones stay in use.
        """

    def sample(self, jobs: Sequence[SampleJob], on_result: OnResult) -> None:
        """Work at jobs side by side; each gets a result or an error, as soon as it is known.

        Args:
            jobs: With equal `max_tokens`, `top_p`, `stop` and `stop_token_ids`.
            on_result: Called once for each.

        Raises:
            PolicyFailed: If the engine broke.
        """
