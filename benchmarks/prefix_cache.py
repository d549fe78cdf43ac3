"""What sampling gains from vLLM's prefix cache when all samples of a state are asked for together.

    VLLM_CPU_KVCACHE_SPACE=1 python benchmarks/prefix_cache.py MODEL_FOLDER [--states 256 1024 4000] [--group 8]

In an environment made by `make openrlhf-cpu`. States of random tokens, each with G actions of exactly 32 tokens, bf16.
A row is one length with the cache on or off: vLLM's own hit rate (tokens found / tokens asked for, from its metrics;
(G - 1) / G is the best where nothing else is shared), and sampled tokens per second of wall and of processor time (on a
busy machine the better one). Each run has tokens of its own, so that the cache holds none of them before.
"""

import argparse
import os
import statistics
import time
from typing import Any

import psutil

ACTION_TOKENS = 32


def build(model: str, cached: bool, longest: int) -> Any:
    """An engine in this process."""
    from vllm import LLM

    return LLM(
        model,
        dtype="bfloat16",
        enable_prefix_caching=cached,
        enable_chunked_prefill=False,
        max_model_len=longest,
        max_num_batched_tokens=longest,
        disable_log_stats=False,
        enforce_eager=True,
    )


def counted(engine: Any) -> tuple[int, int]:
    """Tokens asked for in the prefix cache so far, and tokens found there."""
    values = {metric.name: getattr(metric, "value", 0) for metric in engine.get_metrics()}
    return values["vllm:prefix_cache_queries"], values["vllm:prefix_cache_hits"]


def cpu_seconds() -> float:
    """Processor time of this process and its children, which are vLLM's."""
    here = psutil.Process()
    return sum(one.cpu_times().user + one.cpu_times().system for one in [here, *here.children(recursive=True)])


def run(engine: Any, length: int, states: int, group: int, seed: int) -> tuple[float, float, float]:
    """The cache's hit rate, and sampled tokens per second of wall and of processor time, of one batch."""
    import torch
    from vllm import SamplingParams

    generator = torch.Generator().manual_seed(seed)
    vocabulary = engine.model_config.get_vocab_size()
    prompts = [
        {"prompt_token_ids": torch.randint(100, vocabulary - 100, (length,), generator=generator).tolist()}
        for _ in range(states)
    ]
    params = SamplingParams(n=group, max_tokens=ACTION_TOKENS, ignore_eos=True, seed=seed, detokenize=False)
    asked, found = counted(engine)
    begun, cpu = time.perf_counter(), cpu_seconds()
    outputs = engine.generate(prompts, params, use_tqdm=False)
    wall, cpu = time.perf_counter() - begun, cpu_seconds() - cpu
    tokens = sum(len(action.token_ids) for output in outputs for action in output.outputs)
    now_asked, now_found = counted(engine)
    return (now_found - found) / max(1, now_asked - asked), tokens / wall, tokens / cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--states", type=int, nargs="+", default=[256, 1024, 4000], help="lengths in tokens")
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4, help="states asked for at once")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    print("| state | G | cache | hit rate | tokens/s | tokens per CPU s |\n|---|---|---|---|---|---|", flush=True)
    for cached in (True, False):
        engine = build(options.model, cached, max(options.states) + ACTION_TOKENS)
        run(engine, 16, 1, options.group, seed=1)
        for length in options.states:
            runs = [
                run(engine, length, options.batch, options.group, 97 * length + one) for one in range(options.repeats)
            ]
            hits, wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
            cells = f"{length} | {options.group} | {'on' if cached else 'off'} | {hits:.3f} | {wall:.1f} | {cpu:.1f}"
            print(f"| {cells} |", flush=True)
        del engine


if __name__ == "__main__":
    main()
