"""A session turn by turn, as one sequence of token ids in which the policy's own are marked.

Owns: the sequence, and when it ends. Does not own: sampling (handed in), the session (the environment server).

The ids sampled stay as they were: what the environment says is rendered and tokenised alone and put behind them, so
nothing that trains was ever read back from text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from pivotgym.core.errors import PolicyFailed
from pivotgym.core.formats import Format
from pivotgym.core.messages import Message, Tool
from pivotgym.servers.client import AsyncSession
from pivotgym.trainer.openrlhf.rollouts import Played, Rollouts, Tokenizer, checked
from pivotgym.trainer.openrlhf.rows import Row

Sampler = Callable[[list[int], int], Awaitable[Any]]
"""(token ids so far, turn) -> one output of vLLM: `token_ids`, `finish_reason`, `logprobs`."""


async def play_episode(
    rollouts: Rollouts, row: Row, played: Played, sample: Sampler, tokenizer: Tokenizer
) -> float | None:
    """Play one episode into `played.output`.

    Args:
        rollouts: Settings, format and client.
        row: Where it begins.
        played: Its output's ids, action ranges and log-probabilities are written; they are whole after every turn.
        sample: Draws one action, at most `max_new_tokens` long.
        tokenizer: The policy's.

    Returns:
        The reward of the last step; 0 for an episode that came to the end of its room or of its turns.

    Raises:
        TooLarge: If no action fits behind the start.
        InfrastructureError: If the environment or the engine failed.
    """
    start: dict[Literal["pivot_id", "task_id"], str] = {f"{row.kind}_id": row.id}  # type: ignore[dict-item]
    opened = await rollouts.timed(played, rollouts.client.session(**start, horizon="episode"))  # type: ignore[arg-type]
    try:
        return await _turns(rollouts, opened, played, sample, tokenizer)
    finally:
        await rollouts.timed(played, opened.close())


async def _turns(
    rollouts: Rollouts, session: AsyncSession, played: Played, sample: Sampler, tokenizer: Tokenizer
) -> float | None:
    output, known, fmt = played.output, rollouts.settings, rollouts.format
    tools = [Tool.model_validate(tool) for tool in session.info["tools"]]
    messages = [Message.model_validate(message) for message in session.info["messages"]]
    ids = rollouts.encode(fmt.render(messages, tools), tokenizer)
    rollouts.check_room(len(ids), "the start of the episode")
    logprobs = [0.0] * len(ids) if output["rollout_log_probs"] is not None else None
    output.update(observation_tokens=ids, rollout_log_probs=logprobs, truncated=True)
    for turn in range(known.max_turns):
        drawn = await sample(list(ids), turn)
        new = list(drawn.token_ids)
        if not new or drawn.finish_reason not in ("stop", "length"):
            raise PolicyFailed(f"turn {turn}: expected an action, the engine ended it with {drawn.finish_reason!r}")
        output["action_ranges"].append((len(ids), len(ids) + len(new)))
        ids += new
        if logprobs is not None:
            logprobs += [drawn.logprobs[place][token].logprob for place, token in enumerate(new)]
        stopped = drawn.finish_reason == "stop"
        action = rollouts.read(new, stopped=stopped, tokenizer=tokenizer)
        result = await rollouts.timed(played, session.step(action))
        if result.terminated or result.truncated:
            output["truncated"] = not result.terminated
            return checked(result.reward)
        heard = [Message.model_validate(message) for message in result.info["messages"]]
        between = rollouts.encode(answer_text(fmt, heard, tools, stopped=stopped), tokenizer)
        if len(ids) + len(between) + known.max_new_tokens > known.max_len:
            break
        ids += between
        if logprobs is not None:
            logprobs += [0.0] * len(between)
    return 0.0


def answer_text(fmt: Format, messages: list[Message], tools: list[Tool], *, stopped: bool) -> str:
    """What stands between the policy's last action and its next, in the words of the format.

    Found by rendering the conversation with a mark in place of that action: the rest cannot depend on how its text was
    written, so nothing has to be read back.

    Args:
        fmt: The format.
        messages: The conversation; the last assistant message is the action.
        tools: What can be called.
        stopped: Whether the sampled ids already end with the stop text, which is then left out here.
    """
    last = max(place for place, message in enumerate(messages) if message.role == "assistant")
    mark = "@@action@@"
    while any(mark in message.text for message in messages):
        mark += "@"
    marked = [*messages[:last], Message(role="assistant", content=mark), *messages[last + 1 :]]
    rest = fmt.render(marked, tools).rpartition(mark)[2]
    if stopped:
        rest = next((rest.removeprefix(end) for end in fmt.stop if rest.startswith(end)), rest)
    return rest
