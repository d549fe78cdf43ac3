"""The policy engine: where sampled actions come from.

Owns: the interface every engine implements, and the in-process engine over `trainer.policy`. Does not own: sampling of
tokens (`trainer/policy`), rewards (`trainer/scoring`), nor which states are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from pivotgym.core.canonical import digest
from pivotgym.core.errors import PivotGymError
from pivotgym.core.formats import Format, format_id
from pivotgym.core.messages import Action, Malformed, Message, Tool
from pivotgym.core.trajectory import Pivot, Sampling

if TYPE_CHECKING:
    from pivotgym.trainer.policy import Policy, Sample


T = TypeVar("T")


@dataclass(frozen=True)
class SampledAction:
    """One sampled action.

    Attributes:
        action: What the text was read as; an error where the engine failed, which masks the sample, or where the state
            is longer than the context (`TooLarge`).
        text: The policy's text, without the stop marker.
        temperature: At which it was sampled.
        token_ids: The sampled ids, where the engine gives them: these, and no re-tokenised text, are trained on.
        logprobs: Their log-probabilities at that temperature, natural logarithm.
        tokens: How many were sampled, where the engine knows the number without the ids.
    """

    action: Action | Malformed | PivotGymError
    text: str
    temperature: float
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    tokens: int | None = None

    @property
    def truncated(self) -> bool:
        """Whether it was cut at the limit on new tokens."""
        return not isinstance(self.action, PivotGymError) and self.action.truncated

    @property
    def sampled_tokens(self) -> int:
        """How many tokens were sampled, as far as the engine knows."""
        return len(self.token_ids) or self.tokens or 0


@dataclass(frozen=True)
class Query:
    """A state to sample at: `key` names it and, with the seed, fixes its draws; one sample per temperature."""

    key: str
    messages: list[Message]
    tools: list[Tool]
    temperatures: tuple[float, ...]

    @classmethod
    def of(cls, pivot: Pivot, temperatures: tuple[float, ...]) -> Query:
        """The query for a pivot's state."""
        return cls(pivot.id, pivot.messages, pivot.tools, temperatures)


def draw_seed(sampling: Sampling, key: str, temperature: float, index: int) -> int:
    """The seed of one request to an engine that is asked with seeds: below 2**31, of its own for every sample."""
    return int(digest([sampling.seed, key, temperature, index])[:8], 16) >> 1


STATES_PER_LANE = 8
"""States to hand to an engine for each that it works at, so that the end of a batch idles little of it."""


def batch_size(engine: PolicyEngine, least: int) -> int:
    """How many states to hand over at once: at least `least`, and enough for an engine that works at many."""
    return max(least, STATES_PER_LANE * engine.in_flight if engine.in_flight > 1 else 1)


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in parts of `size`, in order."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


OnDone = Callable[[dict[int, list[SampledAction]]], None]


class PolicyEngine(Protocol):
    """Samples whole actions. Implementations: `LocalEngine`, `OpenAIEngine`, `RayEngine`."""

    @property
    def policy_id(self) -> str:
        """Fingerprint of the weights, stored in profiles."""

    @property
    def format_id(self) -> str:
        """Name and version of the text format, stored in profiles."""

    @property
    def in_flight(self) -> int:
        """How many states it works at side by side; callers hand over several times as many, so that none waits."""

    def prompt_tokens(self, messages: list[Message], tools: list[Tool]) -> int:
        """Length of the rendered state in tokens."""

    def sample(
        self, queries: Sequence[Query], sampling: Sampling, *, on_done: OnDone | None = None
    ) -> list[list[SampledAction]]:
        """Sample actions at each state, in order; `sampling.temperature` is overridden by the queries'.

        Args:
            queries: The states.
            sampling: Top-p, limit on new tokens and seed.
            on_done: Called with {query index: actions} as soon as some states are finished.

        Raises:
            PolicyFailed: If the engine broke altogether; of a failure at single samples their actions tell.
        """


class LocalEngine:
    """In-process sampling with a `Policy`, the state computed once for all its actions."""

    def __init__(self, policy: Policy, fmt: Format) -> None:
        self.policy = policy
        self.fmt = fmt
        self._fingerprint: str | None = None

    @property
    def policy_id(self) -> str:
        """See `PolicyEngine`. Computed once; call `weights_changed` after training."""
        if self._fingerprint is None:
            self._fingerprint = self.policy.fingerprint()
        return self._fingerprint

    @property
    def format_id(self) -> str:
        """See `PolicyEngine`."""
        return format_id(self.fmt)

    @property
    def in_flight(self) -> int:
        """See `PolicyEngine`."""
        return 1

    def weights_changed(self) -> None:
        """Forget the fingerprint after the policy was updated."""
        self._fingerprint = None

    def state_ids(self, messages: list[Message], tools: list[Tool]) -> list[int]:
        """Token ids of the rendered state, shape [state tokens]."""
        return self._encode(self.fmt.render(messages, tools))

    def action_ids(self, action: Action) -> list[int]:
        """Token ids of an action's text with its stop marker: what SFT trains on."""
        return self._encode(self.fmt.render_action(action))

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.policy.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def prompt_tokens(self, messages: list[Message], tools: list[Tool]) -> int:
        """See `PolicyEngine`."""
        return len(self.state_ids(messages, tools))

    def sample(
        self, queries: Sequence[Query], sampling: Sampling, *, on_done: OnDone | None = None
    ) -> list[list[SampledAction]]:
        """See `PolicyEngine`."""
        from pivotgym.trainer.policy import SamplingParams, StateRequest, sample

        requests = [
            StateRequest(query.key, tuple(self.state_ids(query.messages, query.tools)), query.temperatures)
            for query in queries
        ]

        def report(batch: dict[int, list[Sample]]) -> None:
            if on_done is not None:
                on_done({index: [self._read(item) for item in samples] for index, samples in batch.items()})

        sampled = sample(
            self.policy,
            requests,
            SamplingParams(
                max_new_tokens=sampling.max_new_tokens,
                top_p=sampling.top_p,
                stop_token_ids=self.policy.stop_token_ids,
            ),
            seed=sampling.seed,
            on_batch=report,
        )
        return [[self._read(item) for item in samples] for samples in sampled]

    def _read(self, sample: Sample) -> SampledAction:
        ids = list(sample.token_ids)
        stopped = sample.finish_reason == "stop"
        text = str(self.policy.tokenizer.decode(ids[:-1] if stopped else ids, skip_special_tokens=False))
        action = self.fmt.parse(text)
        if not stopped:
            action = action.model_copy(update={"truncated": True})
        return SampledAction(action, text, sample.temperature, tuple(ids), tuple(sample.logprobs))
