"""`pivotgym policy` with a real tiny model, as our own engine and commands use it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tiny_policies import make_text_policy

from pivotgym.cli.main import run_app
from pivotgym.core import Action, Message, Pivot
from pivotgym.core.formats import get_format
from pivotgym.core.jsonl import read_records, write_records
from pivotgym.core.messages import Tool
from pivotgym.core.trajectory import Sampling
from pivotgym.servers.policy.app import create_policy_server
from pivotgym.servers.policy.settings import PolicySettings
from pivotgym.servers.running import OnThread, uvicorn_server
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.engine import Query
from pivotgym.trainer.learn import OptimConfig, PolicyOptimizer, save_checkpoint
from pivotgym.trainer.openai_engine import OpenAIEngine
from pivotgym.trainer.served import ServedPolicy
from pivotgym.trainer.settings import EngineSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_text_policy().save(tmp_path_factory.mktemp("policy") / "tiny")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A policy server over a tiny random model that is named `tiny`."""
    settings = PolicySettings(port=0, model="tiny", max_tokens=64)
    served = ServedPolicy(folder, get_format("smollm"), dtype="float32")
    server = OnThread(lambda: uvicorn_server(create_policy_server(served, settings), settings), settings)
    yield f"{server.url}/v1"
    server.stop()


@contextmanager
def command(*options: str) -> Iterator[str]:
    """`pivotgym policy` as a process: its address."""
    code = "import sys; from pivotgym.cli.main import run_app; sys.exit(run_app(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, "policy", "--port", "0", *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stderr is not None
        found = next(found for line in process.stderr if (found := re.search(r"http://\S+:\d+", line)))
        yield found[0]
        process.terminate()


def engine(url: str, **settings: object) -> EngineSettings:
    return EngineSettings.model_validate({"kind": "openai", "base_url": url, "model": "tiny", **settings})


@pytest.mark.slow
def test_command_serves_the_newest_checkpoint_of_a_run(folder: Path, tmp_path: Path) -> None:
    with command("--policy", str(folder), "--run", str(tmp_path)) as url:
        (card,) = httpx.get(f"{url}/v1/models", trust_env=False).json()["data"]
        assert (card["id"], card["format"], card["max_model_len"]) == ("tiny", "smollm/1", 512)
        assert card["version"].startswith("start-")

        policy = make_text_policy(seed=1)
        save_checkpoint(tmp_path / "checkpoints", policy, PolicyOptimizer(policy, OptimConfig()), step=3)
        ends = time.monotonic() + 60
        while not card["version"].startswith("step-000003-"):
            assert time.monotonic() < ends
            time.sleep(0.2)
            (card,) = httpx.get(f"{url}/v1/models", trust_env=False).json()["data"]
        said = httpx.post(f"{url}/v1/completions", json={"prompt": "Say"}, trust_env=False, timeout=60).json()

    assert (said["model"], said["system_fingerprint"]) == ("tiny", card["version"])


@pytest.mark.parametrize("native", [True, False])
def test_our_engine_samples_through_it(url: str, native: bool) -> None:
    fmt = None if native else get_format("smollm")
    sampler = OpenAIEngine(engine(url, native_tools=native), fmt)
    messages, tools = [Message(role="user", content="Hi")], [Tool(name="look")]
    queries = [Query(f"q{number}", messages, tools, (1.0,) * 4) for number in range(3)]
    sampling = Sampling(max_new_tokens=8, seed=3)

    first = sampler.sample(queries, sampling)
    again = sampler.sample(queries, sampling)

    assert [[item.text for item in row] for row in first] == [[item.text for item in row] for row in again]
    assert len({item.text for row in first for item in row}) > 6
    assert sampler.prompt_tokens(messages, tools) > 20


def test_state_over_the_context_is_longer_than_any(url: str) -> None:
    sampler = OpenAIEngine(engine(url))

    assert sampler.prompt_tokens([Message(role="user", content="x" * 600)], []) == sys.maxsize


def test_profile_and_evaluate_through_it(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pivotgym.envs.tool_use import domain

    pivots = [
        Pivot(
            id=f"t{number}:0",
            domain="tool_use",
            messages=[Message(role="user", content=f"question {number}")],
            reference=Action(content="Yes."),
        )
        for number in range(3)
    ]
    write_records(tmp_path / "candidates.jsonl", pivots)
    with BackgroundServer(domain()) as environment:
        rest = ["--engine", "openai", "--base-url", url, "--model", "tiny", "--set", f"server={environment.url}"]
        profile = ["profile", str(tmp_path / "candidates.jsonl"), "--out", str(tmp_path / "p.jsonl"), *rest]
        assert run_app([*profile, "--set", "profile.k=4", "--set", "profile.max_new_tokens=8"]) == 0
        evaluate = ["evaluate", str(tmp_path / "candidates.jsonl"), "--out", str(tmp_path / "e.jsonl"), *rest]
        assert run_app([*evaluate, "--set", "evaluate.samples=2"]) == 0

    profiled = list(read_records(tmp_path / "p.jsonl", Pivot))
    assert [len(pivot.profile.rewards) for pivot in profiled if pivot.profile] == [4, 4, 4]
    assert {pivot.profile.policy for pivot in profiled if pivot.profile} == {"tiny"}
    said = " ".join(capsys.readouterr().out.split())
    assert "3 candidates profiled (0 were there)" in said
    assert "0 samples masked" in said


def test_policy_that_is_not_there_is_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run_app(["policy", "--policy", str(tmp_path / "none")]) == 3
    assert "policy: expected 'smollm2-135m-instruct' or a Hugging Face folder" in capsys.readouterr().err
