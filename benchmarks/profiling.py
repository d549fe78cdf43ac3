"""Samples and tokens per second of profiling, beside the raw engine's own generation rate.

    VLLM_CPU_KVCACHE_SPACE=1 python benchmarks/profiling.py MODEL_FOLDER --engine local|openai|ray \
        [--pivots 24] [--k 8] [--tokens 32] [--verdict-ms 20] [--repeats 3]

In an environment made by `make openrlhf-cpu`. Profiles states of a few hundred tokens against an environment server on
loopback whose verdicts take `--verdict-ms` each. The raw rate is that of the engine alone on the same prompts with the
same limits: `trainer.policy.sample` for `local`, `vllm.LLM.generate` for `openai` (a vLLM server) and `ray`. Actions
that end by themselves end; rates are of sampled tokens. Raw and profiling runs take turns. Profiling's time is from the
first request at the engine to the last line of the profile: starting engines is not in it.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from pivotgym.core import Action, Pivot, Verdict
from pivotgym.core.chat_api import ChatClient
from pivotgym.core.errors import InfrastructureError
from pivotgym.core.formats import get_format
from pivotgym.core.messages import Message
from pivotgym.envs.base.contract import Domain, World
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.engine import LocalEngine, PolicyEngine, Query
from pivotgym.trainer.openai_engine import OpenAIEngine
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.profiling import profile
from pivotgym.trainer.ray_engine import RayEngine, engine_arguments
from pivotgym.trainer.ray_sampler import VllmSampler
from pivotgym.trainer.scoring import ClientScorer
from pivotgym.trainer.settings import EngineSettings, ProfileConfig, RaySettings

FORMAT = get_format("smollm")
BEGUN = "PIVOTGYM_BENCH_BEGUN"


class Slow:
    """A comparator whose verdicts take their time, as those of an environment that executes do."""

    name = "slow"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def screen(self, pivot: Pivot, action: Action) -> None:
        """See `Comparator`."""
        return

    def compare(self, pivot: Pivot, expert: object, candidate: object) -> Verdict:
        """See `Comparator`."""
        raise AssertionError("nothing is executed here")

    def by_rule(self, pivot: Pivot, action: Action) -> Verdict:
        """See `Comparator`."""
        time.sleep(self.seconds)
        right = len(action.content) % 2 == 0
        return Verdict(
            reward=float(right), outcome="equivalent" if right else "different", method="slow", executed=False
        )


class NoWorld(World):
    """Executes nothing; the server only looks at what it can do."""

    def start(self, origin: object, seed: object) -> None:
        """See `World`."""

    def run(self, action: object) -> None:
        """See `World`."""

    def fork(self) -> None:
        """See `World`."""

    def digest(self) -> None:
        """See `World`."""


class SlowDomain(Domain):
    """Pivots without a world."""

    name = "slow"

    def __init__(self, seconds: float) -> None:
        self.comparator = Slow(seconds)

    def world(self) -> World:
        """See `Domain`."""
        return NoWorld()


class Timed(VllmSampler):
    """Writes down when the first states reach the engine."""

    async def __call__(self, batch: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """See `VllmSampler`."""
        with open(os.environ[BEGUN], "a") as file:
            file.write(f"{time.time()}\n")
        async for found in super().__call__(batch):
            yield found


def make_pivots(count: int) -> list[Pivot]:
    text = "The report of day {0} says that shipment {0} left the harbour with {0} boxes and a delay of {0} hours. "
    return [
        Pivot(
            id=f"run-{number}:0",
            domain="slow",
            messages=[Message(role="user", content=text.format(number) * 8 + "What does the report say?")],
            reference=Action(content="b"),
        )
        for number in range(count)
    ]


def raw_local(engine: LocalEngine, pivots: list[Pivot], config: ProfileConfig) -> float:
    """Tokens per second of sampling alone, in the batches that profiling makes."""
    begun, tokens = time.time(), 0
    for at in range(0, len(pivots), config.batch):
        queries = [Query.of(pivot, (config.temperature,) * config.k) for pivot in pivots[at : at + config.batch]]
        tokens += sum(one.sampled_tokens for group in engine.sample(queries, config.sampling) for one in group)
    return tokens / (time.time() - begun)


def raw_vllm(engine: Any, pivots: list[Pivot], config: ProfileConfig) -> float:
    """Tokens per second of `vllm.LLM.generate`."""
    from vllm import SamplingParams

    tokenizer = engine.get_tokenizer()
    prompts = [
        {"prompt_token_ids": tokenizer(FORMAT.render(pivot.messages, []), add_special_tokens=False)["input_ids"]}
        for pivot in pivots
    ]
    params = [
        SamplingParams(n=config.k, max_tokens=config.max_new_tokens, seed=at, logprobs=0, detokenize=False)
        for at in range(len(pivots))
    ]
    begun = time.time()
    outputs = engine.generate(prompts, params, use_tqdm=False)
    tokens = sum(len(action.token_ids) for output in outputs for action in output.outputs)
    return tokens / (time.time() - begun)


def profiled(
    engine: PolicyEngine, pivots: list[Pivot], client: Client, config: ProfileConfig, out: Path
) -> tuple[float, float]:
    """Tokens and samples per second of profiling."""
    begun_at, ended = out.with_suffix(".begun"), [0.0]
    os.environ[BEGUN] = str(begun_at)
    begun = time.time()
    report = profile(
        pivots,
        engine,
        ClientScorer(client),
        out,
        config,
        on_progress=lambda done, total: ended.append(time.time()),
    )
    if begun_at.exists():
        begun = float(begun_at.read_text().split()[0])
    wall = max(ended) - begun
    return report.sampled_tokens / wall, report.profiled * config.k / wall


def vllm_server(model: Path, settings: RaySettings) -> tuple[subprocess.Popen[bytes], str]:
    """Start vLLM's own server on loopback and give its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--dtype", "bfloat16"]
    command += ["--no-enable-chunked-prefill", "--served-model-name", "m", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--disable-uvicorn-access-log", "--max-model-len", str(settings.max_model_len)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/v1"
    client = ChatClient(base_url=url, model="m", retries=0)
    for _ in range(300):
        try:
            client.complete(prompt="a", max_tokens=1)
            return server, url
        except InfrastructureError:
            time.sleep(2)
    server.terminate()
    raise SystemExit("vLLM's server did not start within 10 minutes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--engine", choices=["local", "openai", "ray"], required=True)
    parser.add_argument("--pivots", type=int, default=24)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--shard", type=int, default=64)
    parser.add_argument("--verdict-ms", type=float, default=20.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    config = ProfileConfig(k=options.k, max_new_tokens=options.tokens, batch=8)
    pivots = make_pivots(options.pivots)
    with (
        tempfile.TemporaryDirectory() as folder,
        BackgroundServer(SlowDomain(options.verdict_ms / 1000)) as server,
        Client(server.url) as client,
    ):
        client.add_pivots(pivots)
        compare(options, pivots, client, config, Path(folder))


def compare(
    options: argparse.Namespace, pivots: list[Pivot], client: Client, config: ProfileConfig, folder: Path
) -> None:
    """Raw and profiling runs in turns, and what they come to."""
    settings = RaySettings(shard=options.shard, max_model_len=1024)
    raw: Callable[[], float]
    served: subprocess.Popen[bytes] | None = None
    if options.engine == "local":
        local = LocalEngine(Policy.load(options.model), FORMAT)
        raw = lambda: raw_local(local, pivots, config)  # noqa: E731
    else:
        from vllm import LLM

        alone = LLM(str(options.model), **engine_arguments(settings, "bfloat16", cuda=False))
        raw = lambda: raw_vllm(alone, pivots, config)  # noqa: E731
    if options.engine == "openai":
        served, url = vllm_server(options.model, settings)
        asked = EngineSettings(kind="openai", base_url=url, model="m", native_tools=False, concurrency=options.shard)

    def engine() -> PolicyEngine:
        if options.engine == "local":
            return local
        if options.engine == "openai":
            return OpenAIEngine(asked, FORMAT)
        return RayEngine(settings, options.model.resolve(), FORMAT, samples=None, sampler=Timed)

    try:
        pairs = []
        for turn in range(options.repeats + 1):
            rate = raw()
            tokens, samples = profiled(engine(), pivots, client, config, folder / f"{turn}.jsonl")
            print(
                f"{options.engine}: raw {rate:.1f} tokens/s, profiling {tokens:.1f} ({samples:.2f} samples/s)",
                flush=True,
            )
            pairs.append((rate, tokens, samples))
    finally:
        if served is not None:
            served.terminate()
    # The first turn warms up.
    rate, tokens, samples = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    share = statistics.median(tokens / rate for rate, tokens, _ in pairs[1:])
    print("| engine | raw tokens/s | profiling tokens/s | samples/s | share |\n|---|---|---|---|---|")
    print(f"| {options.engine} | {rate:.1f} | {tokens:.1f} | {samples:.2f} | {share:.1%} |")


if __name__ == "__main__":
    main()
