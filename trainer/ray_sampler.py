"""One vLLM engine as an actor of Ray Data: rendered states in, sampled token ids out.

Owns: the engine, tokens to and from text on its machine. Does not own: which states come, what the texts mean
(`trainer/ray_engine`).

`ray.data.llm`, Ray's own batch inference, is not used: it keeps the first of a request's samples alone, so that a state
would travel once for each of its actions, and gives log-probabilities as a table of every token's candidates.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

Columns = dict[str, Any]
"""A batch of Ray Data: `state` and `found`, each a list of JSON texts; see `VllmSampler.__call__`."""


class VllmSampler:
    """Samples with `vllm.AsyncLLM`; several calls may be at work at once.

    Args:
        model: Folder of the policy, on this machine.
        arguments: Further arguments of `vllm.AsyncEngineArgs`.
        top_p: Mass of the nucleus.
        max_new_tokens: Limit of one action.
    """

    def __init__(self, model: str, arguments: dict[str, Any], top_p: float, max_new_tokens: int) -> None:
        from transformers import AutoTokenizer
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        # Log-probabilities at the temperature that was sampled at; with top_p < 1 they are of the nucleus.
        fields = {"model": model, "logprobs_mode": "processed_logprobs", "disable_log_stats": True, **arguments}
        self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**fields))
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._room = int(self._llm.model_config.max_model_len)
        self._fields = {
            "top_p": top_p,
            "max_tokens": max_new_tokens,
            "stop_token_ids": stop_ids(model, self._tokenizer),
        }

    async def __call__(self, batch: Columns) -> AsyncIterator[Columns]:
        """Sample at the states of a batch, all at once.

        Args:
            batch: `state`: JSON of `{index, prompt, draws: [{temperature, count, seed}]}`.

        Yields:
            `found`: JSON of `{index, draws: [{temperature, token_ids, logprobs, text, stopped}]}`, or of
            `{index, too_long: [tokens, limit]}`.
        """
        found = await asyncio.gather(*(self._state(json.loads(str(state))) for state in batch["state"]))
        yield {"found": [json.dumps(one) for one in found]}

    async def _state(self, state: dict[str, Any]) -> dict[str, Any]:
        ids = self._tokenizer(state["prompt"], add_special_tokens=False)["input_ids"]
        if len(ids) >= self._room:
            return {"index": state["index"], "too_long": [len(ids), self._room]}
        groups = await asyncio.gather(*(self._draw(ids, **draw) for draw in state["draws"]))
        return {"index": state["index"], "draws": [draw for group in groups for draw in group]}

    async def _draw(self, ids: Sequence[int], temperature: float, count: int, seed: int) -> list[dict[str, Any]]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            n=count,
            temperature=temperature,
            seed=seed,
            logprobs=0,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
            **self._fields,
        )
        request = self._llm.generate({"prompt_token_ids": list(ids)}, params, uuid.uuid4().hex)
        [answer] = [part async for part in request]
        return [self._read(output, temperature) for output in sorted(answer.outputs, key=lambda output: output.index)]

    def _read(self, output: Any, temperature: float) -> dict[str, Any]:
        ids, stopped = list(output.token_ids), output.finish_reason == "stop"
        return {
            "temperature": temperature,
            "token_ids": ids,
            "logprobs": [step[token].logprob for step, token in zip(output.logprobs, ids, strict=True)],
            "text": self._tokenizer.decode(ids[:-1] if stopped else ids, skip_special_tokens=False),
            "stopped": stopped,
        }


def stop_ids(model: str, tokenizer: Any) -> list[int]:
    """Token ids that end an action: of the model's generation settings, else the tokenizer's end of text."""
    path = Path(model) / "generation_config.json"
    found = json.loads(path.read_text()).get("eos_token_id") if path.is_file() else None
    found = tokenizer.eos_token_id if found is None else found
    if found is None:
        return []
    return [found] if isinstance(found, int) else list(found)
