"""The policy engine over an OpenAI-compatible server: vLLM, SGLang, llama.cpp, a hosted model.

Owns: sampling actions with bounded concurrency, natively called tools or text in one of our formats, and what a
server's failure means for a sample. Does not own: requests and retries (`core/chat_api`), formats (`core/formats`).

A failure of the server takes the place of the action and is masked; a request that the server refuses for good ends
the run. Each request has a seed of its own, from the state and the sample; how far a server keeps to it is its matter.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from typing import Any

from pivotgym.core.canonical import digest
from pivotgym.core.chat_api import AsyncChatClient, ChatClient, Choice, Completion
from pivotgym.core.errors import (
    ConfigError,
    InfrastructureError,
    InputError,
    NotFound,
    PivotGymError,
    PolicyFailed,
    TooLarge,
    Unauthorized,
)
from pivotgym.core.formats import Format, format_id
from pivotgym.core.formats.hermes import split_thinking
from pivotgym.core.messages import Action, Malformed, Message, Tool
from pivotgym.core.trajectory import Sampling
from pivotgym.trainer.background import iterate
from pivotgym.trainer.engine import OnDone, Query, SampledAction, draw_seed
from pivotgym.trainer.settings import EngineSettings

NATIVE = "native/1"
"""In the place of a format's name and version where the server writes the prompt and reads the calls."""


class OpenAIEngine:
    """Samples through a server. One request asks for all samples of a state where the server gives several.

    Args:
        settings: Where the server is and how it is asked.
        fmt: The text format; `None` for natively called tools.

    Raises:
        ConfigError: If the settings name no server, a format is missing or too much, or there is no API key where the
            settings say.
    """

    def __init__(self, settings: EngineSettings, fmt: Format | None = None) -> None:
        if settings.base_url is None or settings.model is None:
            raise ConfigError("engine: expected base_url and model for kind 'openai', got none")
        if (fmt is None) != settings.native_tools:
            raise ConfigError("engine: expected a text format with native_tools false, and none with native_tools true")
        self._settings, self._fmt = settings, fmt
        self._where: dict[str, Any] = {
            "base_url": settings.base_url,
            "model": settings.model,
            "api_key_env": settings.api_key_env,
            "api_key_file": settings.api_key_file,
            "timeout_s": settings.timeout_s,
            "retries": settings.retries,
            "deadline_s": settings.deadline_s,
        }
        self._counter = ChatClient(**self._where)
        self._gives_several = True

    @property
    def policy_id(self) -> str:
        """The model's name, with a digest of `extra_body` where there is one: other fields make another policy."""
        extra = self._settings.extra_body
        return f"{self._settings.model}" + (f"+{digest(extra)[:12]}" if extra else "")

    @property
    def format_id(self) -> str:
        """See `PolicyEngine`."""
        return NATIVE if self._fmt is None else format_id(self._fmt)

    @property
    def in_flight(self) -> int:
        """See `PolicyEngine`."""
        return self._settings.concurrency

    def prompt_tokens(self, messages: list[Message], tools: list[Tool]) -> int:
        """What the server counts when asked for one token; a state that it refuses as too long is longer than any.

        Raises:
            PolicyFailed: If the server does not count.
        """
        query = Query("", messages, tools, (0.0,))
        path, fields = self._request(query, Sampling(max_new_tokens=1), 0.0)
        try:
            answer = self._counter.complete(**fields) if path == "complete" else self._counter.chat(**fields)
        except TooLarge:
            return sys.maxsize
        if answer.prompt_tokens is None:
            raise PolicyFailed(
                f"{self._settings.base_url}: expected `usage.prompt_tokens` in the answer, got none",
                hint="this server cannot count the tokens of a state",
            )
        return answer.prompt_tokens

    def sample(
        self, queries: Sequence[Query], sampling: Sampling, *, on_done: OnDone | None = None
    ) -> list[list[SampledAction]]:
        """See `PolicyEngine`. `on_done` runs in the caller's thread while the server goes on with other states."""
        results: list[list[SampledAction]] = [[] for _ in queries]
        with closing(iterate(lambda: self._states(queries, sampling))) as running:
            for finished in running:
                for index, actions in finished:
                    results[index] = actions
                if on_done is not None:
                    on_done(dict(finished))
        return results

    async def _states(
        self, queries: Sequence[Query], sampling: Sampling
    ) -> AsyncIterator[tuple[int, list[SampledAction]]]:
        """The states' actions, each with its index, in the order in which they are finished."""
        gate = asyncio.Semaphore(self._settings.concurrency)
        async with AsyncChatClient(**self._where) as client:

            async def one(index: int) -> tuple[int, list[SampledAction]]:
                return index, await _State(self, client, gate, queries[index], sampling).actions()

            tasks = [asyncio.create_task(one(index)) for index in range(len(queries))]
            try:
                for task in asyncio.as_completed(tasks):
                    yield await task
            finally:
                for pending in tasks:
                    pending.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _request(self, query: Query, sampling: Sampling, temperature: float) -> tuple[str, dict[str, Any]]:
        """The client's method and its arguments for one state."""
        fields: dict[str, Any] = {
            "temperature": temperature,
            "top_p": sampling.top_p,
            self._settings.limit_field: sampling.max_new_tokens,
        }
        if self._fmt is None:
            what: dict[str, Any] = {"messages": query.messages, "tools": query.tools}
            return "chat", {**what, **fields, **self._settings.extra_body}
        # Servers put the token that begins a prompt before it themselves.
        prompt = self._fmt.render(query.messages, query.tools).removeprefix(self._fmt.bos)
        return "complete", {"prompt": prompt, "stop": list(self._fmt.stop), **fields, **self._settings.extra_body}

    def _read(self, choice: Choice, temperature: float, tokens: int | None) -> SampledAction:
        text = choice.message.text
        action = read_native(choice.message) if self._fmt is None else self._fmt.parse(text)
        if choice.finish_reason == "content_filter":
            return SampledAction(
                PolicyFailed("the server kept the action back: finish_reason 'content_filter'"), text, temperature
            )
        if choice.finish_reason == "length":
            action = action.model_copy(update={"truncated": True})
        return SampledAction(action, text, temperature, tokens=tokens)


class _State:
    """The samples of one state."""

    def __init__(
        self, engine: OpenAIEngine, client: AsyncChatClient, gate: asyncio.Semaphore, query: Query, sampling: Sampling
    ) -> None:
        self._engine, self._client, self._gate = engine, client, gate
        self._query, self._sampling = query, sampling

    async def actions(self) -> list[SampledAction]:
        """One per temperature of the query, in order."""
        counts = Counter(self._query.temperatures)
        groups = await asyncio.gather(*(self._draw(temperature, count) for temperature, count in counts.items()))
        drawn = {temperature: iter(group) for temperature, group in zip(counts, groups, strict=True)}
        return [next(drawn[temperature]) for temperature in self._query.temperatures]

    async def _draw(self, temperature: float, count: int) -> list[SampledAction]:
        made: list[SampledAction] = []
        if count > 1 and self._engine._gives_several:
            made = await self._several(temperature, count)
            # Fewer than asked for: this server does not give several, or not so many.
            self._engine._gives_several &= len(made) == count
        rest = (self._ask(temperature, index, 1) for index in range(len(made), count))
        return [*made, *(action for part in await asyncio.gather(*rest) for action in part)]

    async def _several(self, temperature: float, count: int) -> list[SampledAction]:
        """The samples of one request; none where the server refuses the request, be it for asking for several."""
        try:
            return await self._ask(temperature, 0, count)
        except (Unauthorized, NotFound):
            raise
        except InputError:
            return []

    async def _ask(self, temperature: float, first: int, count: int) -> list[SampledAction]:
        path, fields = self._engine._request(self._query, self._sampling, temperature)
        own = {
            "n": count if count > 1 else None,
            "seed": draw_seed(self._sampling, self._query.key, temperature, first),
        }
        try:
            async with self._gate:
                ask = self._client.complete if path == "complete" else self._client.chat
                answer: Completion = await ask(**{**own, **fields})
        except (InfrastructureError, TooLarge) as error:
            return [SampledAction(self._failure(error), "", temperature)] * count
        choices = answer.choices[:count]
        tokens = None if answer.completion_tokens is None else answer.completion_tokens // len(choices)
        return [self._engine._read(choice, temperature, tokens) for choice in choices]

    def _failure(self, error: PivotGymError) -> PivotGymError:
        text = f"state {self._query.key!r}: {error.message}"
        if isinstance(error, TooLarge):
            return TooLarge(text, hint="extract with a lower max_prompt_tokens")
        return PolicyFailed(text, hint=error.hint, details={"code": error.code})


def read_native(message: Message) -> Action | Malformed:
    """The action that a server's message is, without the ids of its calls, which would tell equal actions apart."""
    reasoning, content = (message.reasoning, message.text) if message.reasoning else split_thinking(message.text)
    if content is None:
        return Malformed(text=message.text, reason="expected an action after <think>, got thinking that never ends")
    calls = tuple(call.model_copy(update={"id": None}) for call in message.tool_calls or ())
    if not calls and not content.strip():
        return Malformed(text=message.text, reason="expected an action, got no text and no call")
    return Action(content=content.strip(), tool_calls=calls, reasoning=reasoning)
