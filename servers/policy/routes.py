"""`/v1/models`, `/v1/completions`, `/v1/chat/completions`; `/health`, `/ready`, `/metrics`.

Owns: from a request to a job and from its result to an answer. Does not own: waiting for it (`batching`), or the
formats of messages and calls (`core/formats`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from pivotgym.core.errors import InputError, NotFound, PivotGymError, TooLarge
from pivotgym.core.messages import Action
from pivotgym.core.policy_server import JobResult, SampledText, SampleJob
from pivotgym.servers.endpoint import Call, RouteSpec
from pivotgym.servers.policy.schemas import (
    ChatAnswer,
    ChatChoice,
    ChatRequest,
    CompletionAnswer,
    CompletionChoice,
    CompletionRequest,
    ModelCard,
    ModelList,
    OpenAIError,
    Sampled,
    Usage,
)
from pivotgym.servers.policy.service import PolicyService
from pivotgym.servers.schemas import Health, Ready
from pivotgym.servers.wire import Reply, as_error, encode, error_reply, parse, read_json, reply

COMPLETION_TOKENS = 16
"""What a completion gets that names no limit, as with OpenAI."""

Handler = Callable[[PolicyService, Call], Awaitable[Reply]]


def _openai(handler: Handler) -> Handler:
    """Errors also as OpenAI's clients read them: under `error`, beside our own fields."""

    @wraps(handler)
    async def answered(service: PolicyService, call: Call) -> Reply:
        try:
            return await handler(service, call)
        except Exception as error:  # the boundary: whatever it is becomes an error with a code
            known = as_error(error)
            service.metrics.error(known.code)
            answer = error_reply(known)
            said = {**read_json(answer.body), "error": _error(known)}
            return Reply(encode(said), answer.status, answer.headers)

    return answered


def _error(error: PivotGymError) -> OpenAIError:
    return OpenAIError(
        message=str(error),
        type="invalid_request_error" if isinstance(error, InputError) else "server_error",
        code="context_length_exceeded" if isinstance(error, TooLarge) else error.code,
    )


@_openai
async def completions(service: PolicyService, call: Call) -> Reply:
    """Go on with a text."""
    request = parse(CompletionRequest, call.body)
    prompt = request.prompt if isinstance(request.prompt, str) else tuple(request.prompt)
    limit = request.max_tokens or COMPLETION_TOKENS
    wanted = request.logprobs is not None
    job = _job(service, request, prompt, limit, texts=wanted, special_tokens=request.add_special_tokens)
    result = await service.batcher.ask(job)
    choices = [
        CompletionChoice(
            index=index,
            text=sample.text,
            finish_reason=sample.finish_reason,
            logprobs=_completion_logprobs(sample) if wanted else None,
            prompt_token_ids=list(result.prompt_ids) if request.return_token_ids else None,
            token_ids=list(sample.token_ids) if request.return_token_ids else None,
        )
        for index, sample in enumerate(result.samples)
    ]
    return reply(
        CompletionAnswer(
            id=f"cmpl-{secrets.token_hex(12)}",
            created=int(time.time()),
            model=service.settings.model,
            system_fingerprint=result.version,
            choices=choices,
            usage=_usage(result),
        )
    )


@_openai
async def chat(service: PolicyService, call: Call) -> Reply:
    """Say the next message, in the model's own format."""
    request = parse(ChatRequest, call.body)
    fmt = service.engine.fmt
    tools = list(request.tools or ()) if request.tool_choice != "none" else []
    prompt = fmt.render(request.messages, tools)
    limit = request.max_completion_tokens or request.max_tokens or service.settings.max_tokens
    job = _job(service, request, prompt, limit, texts=bool(request.logprobs), stops=fmt.stop)
    result = await service.batcher.ask(job)
    choices = [
        ChatChoice(
            index=index,
            message=message,
            finish_reason="tool_calls"
            if "tool_calls" in message and sample.finish_reason == "stop"
            else sample.finish_reason,
            logprobs=_chat_logprobs(sample) if request.logprobs else None,
            token_ids=list(sample.token_ids) if request.return_token_ids else None,
        )
        for index, sample in enumerate(result.samples)
        for message in (_message(service, sample),)
    ]
    return reply(
        ChatAnswer(
            id=f"chatcmpl-{secrets.token_hex(12)}",
            created=int(time.time()),
            model=service.settings.model,
            system_fingerprint=result.version,
            choices=choices,
            usage=_usage(result),
            prompt_token_ids=list(result.prompt_ids) if request.return_token_ids else None,
        )
    )


def _job(
    service: PolicyService,
    request: Sampled,
    prompt: str | tuple[int, ...],
    limit: int,
    *,
    texts: bool,
    special_tokens: bool = False,
    stops: tuple[str, ...] = (),
) -> SampleJob:
    settings = service.settings
    if request.model not in (None, settings.model):
        raise NotFound(
            f"model: this server has {settings.model!r}, got {str(request.model)[:200]!r}", hint="GET /v1/models"
        )
    if request.n > settings.max_samples:
        raise InputError(f"n: expected at most {settings.max_samples}, got {request.n}")
    if limit > settings.max_tokens:
        raise InputError(f"max_tokens: expected at most {settings.max_tokens}, got {limit}")
    return SampleJob(
        prompt,
        request.n,
        limit,
        request.temperature,
        request.top_p,
        request.seed,
        tuple(dict.fromkeys((*stops, *request.stops))),
        tuple(request.stop_token_ids or ()),
        special_tokens,
        texts,
    )


def _message(service: PolicyService, sample: SampledText) -> dict[str, Any]:
    """The message that a text is; a text that is no action is its content."""
    action = service.engine.fmt.parse(sample.text)
    if not isinstance(action, Action):
        return {"role": "assistant", "content": sample.text}
    message: dict[str, Any] = {"role": "assistant", "content": action.content or None}
    if action.reasoning:
        message["reasoning"] = action.reasoning
    if action.tool_calls:
        message["tool_calls"] = [
            {**one.model_dump(), "id": f"call_{secrets.token_hex(12)}"} for one in action.tool_calls
        ]
    return message


def _usage(result: JobResult) -> Usage:
    prompt, sampled = len(result.prompt_ids), sum(len(sample.token_ids) for sample in result.samples)
    return Usage(prompt_tokens=prompt, completion_tokens=sampled, total_tokens=prompt + sampled)


def _completion_logprobs(sample: SampledText) -> dict[str, Any]:
    offsets, at = [], 0
    for text in sample.token_texts:
        offsets.append(at)
        at += len(text)
    return {
        "tokens": list(sample.token_texts),
        "token_logprobs": list(sample.logprobs),
        "top_logprobs": [{text: value} for text, value in zip(sample.token_texts, sample.logprobs, strict=True)],
        "text_offset": offsets,
    }


def _chat_logprobs(sample: SampledText) -> dict[str, Any]:
    content = [
        {"token": text, "logprob": value, "bytes": list(text.encode("utf-8", "replace")), "top_logprobs": []}
        for text, value in zip(sample.token_texts, sample.logprobs, strict=True)
    ]
    return {"content": content}


@_openai
async def models(service: PolicyService, call: Call) -> Reply:
    """The model that is served, and the version of its weights."""
    engine = service.engine
    card = ModelCard(
        id=service.settings.model,
        created=service.started,
        max_model_len=engine.context_length,
        version=engine.version,
        format=f"{engine.fmt.name}/{engine.fmt.version}",
    )
    return reply(ModelList(data=[card]))


async def health(service: PolicyService, call: Call) -> Reply:
    """The process answers."""
    return reply(Health())


async def ready(service: PolicyService, call: Call) -> Reply:
    """The weights are loaded."""
    return reply(Ready())


async def metrics(service: PolicyService, call: Call) -> Reply:
    """Prometheus' text format."""
    return Reply(service.metrics.page(), headers=((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),))


ROUTES = (
    RouteSpec("GET", "/v1/models", models, "What is served", response=ModelList),
    RouteSpec("POST", "/v1/completions", completions, "Go on", request=CompletionRequest, response=CompletionAnswer),
    RouteSpec("POST", "/v1/chat/completions", chat, "Say", request=ChatRequest, response=ChatAnswer),
    RouteSpec("GET", "/health", health, "The process is alive", response=Health),
    RouteSpec("GET", "/ready", ready, "The weights are loaded", response=Ready),
    RouteSpec("GET", "/metrics", metrics, "Prometheus metrics"),
)
