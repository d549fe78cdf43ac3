"""The policy engine for whole jobs: vLLM engines under Ray Data, on one machine or several.

Owns: states to rows and rows to actions, starting Ray, keeping what was sampled on disk as it comes. Does not own: the
engines (`trainer/ray_sampler`), the file (`trainer/samples`), rewards.

Every state of a call is handed to Ray Data at once, so call it with many. Halves of shards come back as they are
finished and go to disk at once, on a thread: sampling waits neither for the disk nor for whoever asked. A state found
on disk is not sampled again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pivotgym.core.errors import ConfigError, MissingDependency, PivotGymError, PolicyFailed, TooLarge
from pivotgym.core.formats import Format, format_id
from pivotgym.core.messages import Message, Tool
from pivotgym.core.trajectory import Sampling
from pivotgym.trainer.background import iterate
from pivotgym.trainer.engine import OnDone, Query, SampledAction, chunks, draw_seed
from pivotgym.trainer.ray_sampler import VllmSampler
from pivotgym.trainer.samples import Draw, SampledState, SampleFile
from pivotgym.trainer.settings import RaySettings

WHOLE_JOB = 1_000_000
"""States that callers hand over at once: all of them, since the engines start with each call."""
HALVES = 2
"""Parts of a shard: as many as are at work in an engine at once."""


class RayEngine:
    """Samples with vLLM engines that start, and end, with each call of `sample`.

    Args:
        settings: Machines and memory.
        policy: A Hugging Face folder, at the same path on every machine.
        fmt: The text format.
        dtype: Of the computation.
        samples: File that keeps what was sampled (JSON Lines of `SampledState`); `None` keeps nothing.
        sampler: The actor's class, with `VllmSampler`'s arguments and rows.

    Raises:
        MissingDependency: If Ray or vLLM is not installed.
    """

    def __init__(
        self,
        settings: RaySettings,
        policy: Path,
        fmt: Format,
        *,
        dtype: str = "bfloat16",
        samples: Path | None = None,
        sampler: type[Any] = VllmSampler,
    ) -> None:
        needed = ["ray"] + (["vllm"] if settings.address is None and sampler is VllmSampler else [])
        if missing := [name for name in needed if find_spec(name) is None]:
            raise MissingDependency(
                f"engine.kind 'ray': not installed: {', '.join(missing)}",
                hint="with CUDA: pip install 'pivotgym[openrlhf]'; without: make openrlhf-cpu",
            )
        self._settings, self._folder, self._fmt, self._dtype = settings, policy, fmt, dtype
        self._file = SampleFile(samples) if samples is not None else None
        self._sampler = sampler

    @cached_property
    def policy_id(self) -> str:
        """SHA-256 over the folder's configuration and weight files (some 2 s per GB) and the type computed in."""
        sha = hashlib.sha256(self._dtype.encode())
        for path in [self._folder / "config.json", *sorted(self._folder.glob("*.safetensors"))]:
            sha.update(path.name.encode())
            with path.open("rb") as file:
                sha.update(hashlib.file_digest(file, "sha256").digest())
        return sha.hexdigest()

    @property
    def format_id(self) -> str:
        """See `PolicyEngine`."""
        return format_id(self._fmt)

    @property
    def in_flight(self) -> int:
        """See `PolicyEngine`."""
        return WHOLE_JOB

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self._folder)

    def prompt_tokens(self, messages: list[Message], tools: list[Tool]) -> int:
        """See `PolicyEngine`. Counted in this process."""
        return len(self._tokenizer(self._fmt.render(messages, tools), add_special_tokens=False)["input_ids"])

    def sample(
        self, queries: Sequence[Query], sampling: Sampling, *, on_done: OnDone | None = None
    ) -> list[list[SampledAction]]:
        """See `PolicyEngine`. `on_done` runs in the caller's thread while the engines go on.

        Raises:
            DigestMismatch: If the file of samples was made for another prompt, policy, format or sampling.
        """
        results: list[list[SampledAction]] = [[] for _ in queries]

        def report(found: dict[int, list[SampledAction]]) -> None:
            for index, actions in found.items():
                results[index] = actions
            if on_done is not None:
                on_done(found)

        prompts = [self._fmt.render(query.messages, query.tools) for query in queries]
        blank = [self._blank(query, prompt, sampling) for query, prompt in zip(queries, prompts, strict=True)]
        known = self._file.find({state.key: state for state in blank}) if self._file is not None else {}
        there = [index for index, query in enumerate(queries) if _complete(known.get(query.key), query)]
        for part in chunks(there, self._settings.shard):
            report({index: [draw.read(self._fmt) for draw in known[queries[index].key].draws] for index in part})
        found = set(there)
        rows = [_row(at, prompts[at], queries[at], sampling) for at in range(len(queries)) if at not in found]
        if rows:
            with closing(iterate(lambda: self._parts(rows, queries, blank, sampling))) as running:
                for parts in running:
                    report({index: actions for part in parts for index, actions in part.items()})
        return results

    def _blank(self, query: Query, prompt: str, sampling: Sampling) -> SampledState:
        return SampledState(
            key=query.key,
            prompt=hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest(),
            policy=self.policy_id,
            format=self.format_id,
            sampling=sampling,
            draws=(),
        )

    async def _parts(
        self, rows: list[dict[str, Any]], queries: Sequence[Query], blank: Sequence[SampledState], sampling: Sampling
    ) -> AsyncIterator[dict[int, list[SampledAction]]]:
        """Finished states as they come, on disk before they are given.

        Raises:
            PolicyFailed: If an engine broke.
        """
        try:
            with _running(self._settings.address):
                batches = self._batches(rows, sampling)
                # On a thread, so that a caller who stops need not wait for the next batch.
                while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                    actions: dict[int, list[SampledAction]] = {}
                    kept: list[SampledState] = []
                    for found in map(json.loads, map(str, batch["found"])):
                        actions[found["index"]] = self._read(found, queries[found["index"]], blank, kept)
                    if self._file is not None and kept:
                        self._file.append(kept)
                    yield actions
        except PivotGymError:
            raise
        except Exception as error:
            raise PolicyFailed(
                f"engine.kind 'ray': {type(error).__name__}: {_cause(error)}",
                hint="the same command goes on from what is on disk; Ray's logs are in its session folder",
            ) from error

    def _read(
        self, found: dict[str, Any], query: Query, blank: Sequence[SampledState], kept: list[SampledState]
    ) -> list[SampledAction]:
        """The actions of an actor's answer; its record is added to `kept`."""
        if "too_long" in found:
            error = _too_long(query.key, *found["too_long"])
            return [SampledAction(error, "", temperature) for temperature in query.temperatures]
        draws = _in_order(query.temperatures, [Draw.model_validate(one) for one in found["draws"]])
        kept.append(blank[found["index"]].model_copy(update={"draws": draws}))
        return [draw.read(self._fmt) for draw in draws]

    def _batches(self, rows: list[dict[str, Any]], sampling: Sampling) -> Iterator[dict[str, Any]]:
        """Ray Data's batches of answers, one for each half of a shard."""
        import ray

        cuda = self._check_gpus(ray.cluster_resources().get("GPU", 0))
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        context.raise_original_map_exception = True
        half = max(1, self._settings.shard // HALVES)
        states = ray.data.from_items(
            [{"state": json.dumps(row)} for row in rows], override_num_blocks=-(-len(rows) // half)
        )
        answers = states.map_batches(self._sampler, batch_size=half, **self._actors(sampling, cuda=cuda))
        return iter(answers.iter_batches(batch_size=None, prefetch_batches=0))

    def _check_gpus(self, there: float) -> bool:
        """Whether the engines run on GPUs."""
        needed = self._settings.engines * self._settings.tensor_parallel
        if there and there < needed:
            raise ConfigError(
                f"engine.ray.engines, engine.ray.tensor_parallel: expected at most {there:g} GPUs in the cluster, "
                f"got {self._settings.engines} engines of {self._settings.tensor_parallel}"
            )
        return bool(there)

    def _actors(self, sampling: Sampling, *, cuda: bool) -> dict[str, Any]:
        """The arguments of `map_batches` that say what runs where."""
        import ray

        from pivotgym.trainer.ray_start import worker_environment

        threads = max(1, (os.cpu_count() or 1) // self._settings.engines)
        return {
            "fn_constructor_kwargs": {
                "model": str(self._folder),
                "arguments": engine_arguments(self._settings, self._dtype, cuda=cuda),
                "top_p": sampling.top_p,
                "max_new_tokens": sampling.max_new_tokens,
            },
            "compute": ray.data.ActorPoolStrategy(size=self._settings.engines, max_tasks_in_flight_per_actor=HALVES),
            "max_concurrency": HALVES,
            "num_cpus": 1,
            "num_gpus": self._settings.tensor_parallel if cuda else 0,
            "runtime_env": {"env_vars": worker_environment(cuda=cuda, threads=threads)},
        }


def engine_arguments(settings: RaySettings, dtype: str, *, cuda: bool) -> dict[str, Any]:
    """The arguments of `vllm.AsyncEngineArgs` that the settings stand for."""
    made: dict[str, Any] = {
        "dtype": dtype,
        "tensor_parallel_size": settings.tensor_parallel,
        "max_model_len": settings.max_model_len,
        "enable_prefix_caching": settings.prefix_caching,
        "enforce_eager": settings.enforce_eager,
    }
    if cuda:
        made["gpu_memory_utilization"] = settings.gpu_memory_utilization
    else:
        # On a CPU vLLM cannot take back the draw of a prompt that is read in parts, so they are read whole.
        made["enable_chunked_prefill"] = False
    return made | settings.vllm


@contextmanager
def _running(address: str | None) -> Iterator[None]:
    """Ray, connected to or started, and left again; where it runs already it is used and left as it is."""
    import ray
    import torch

    from pivotgym.trainer.ray_start import CPU_PLACES, start_ray

    if ray.is_initialized():
        yield
        return
    if address is not None:
        ray.init(address=address, log_to_driver=False)
    else:
        places: dict[str, Any] = {"log_to_driver": False, "_node_ip_address": "127.0.0.1"}
        start_ray({}, places if torch.cuda.is_available() else {**places, "num_cpus": CPU_PLACES})
    try:
        yield
    finally:
        ray.shutdown()


def _row(index: int, prompt: str, query: Query, sampling: Sampling) -> dict[str, Any]:
    draws = [
        {"temperature": temperature, "count": count, "seed": draw_seed(sampling, query.key, temperature, 0)}
        for temperature, count in Counter(query.temperatures).items()
    ]
    return {"index": index, "prompt": prompt, "draws": draws}


def _in_order(temperatures: Sequence[float], draws: list[Draw]) -> tuple[Draw, ...]:
    by: dict[float, list[Draw]] = {}
    for draw in draws:
        by.setdefault(draw.temperature, []).append(draw)
    lanes = {temperature: iter(group) for temperature, group in by.items()}
    return tuple(next(lanes[temperature]) for temperature in temperatures)


def _complete(state: SampledState | None, query: Query) -> bool:
    return state is not None and tuple(draw.temperature for draw in state.draws) == query.temperatures


def _too_long(key: str, tokens: int, room: int) -> TooLarge:
    return TooLarge(
        f"state {key!r}: expected less than {room} tokens, got {tokens}", hint="extract with a lower max_prompt_tokens"
    )


def _cause(error: BaseException) -> str:
    """What the innermost error says: Ray puts the traces of every process before it."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    named = [at for at, line in enumerate(lines) if re.match(r"[\w.]*(Error|Exception)\b.*:", line)]
    return " ".join(lines[named[-1] if named else -1 :])[:500]
