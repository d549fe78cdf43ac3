import pytest
from openai_server import OpenAIServer, said

from pivotgym.cli.main import run_app
from pivotgym.cli.options import engine_overrides
from pivotgym.cli.resources import sampling_engine
from pivotgym.core import Action, Message, Pivot
from pivotgym.core.errors import ConfigError
from pivotgym.core.jsonl import read_records, write_records
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.config import load_config


@pytest.fixture
def candidates(tmp_path):
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
    return tmp_path / "candidates.jsonl"


@pytest.fixture(scope="module")
def environment_url():
    from pivotgym.envs.tool_use import domain

    with BackgroundServer(domain()) as server:
        yield server.url


def test_profile_and_evaluate_through_a_server(candidates, environment_url, tmp_path, capsys):
    with OpenAIServer(lambda *_: said("Yes.", "Yes.")) as server:
        to_server = [
            "--engine",
            "openai",
            "--base-url",
            server.url,
            "--model",
            "m",
            "--set",
            f"server={environment_url}",
        ]
        profile = ["profile", str(candidates), "--out", str(tmp_path / "p.jsonl"), "--set", "profile.k=2", *to_server]
        assert run_app(profile) == 0
        asked = len(server.bodies)
        assert run_app(profile) == 0
        assert len(server.bodies) == asked
        rows = ["evaluate", str(candidates), "--out", str(tmp_path / "e.jsonl"), "--set", "evaluate.samples=2"]
        assert run_app([*rows, *to_server]) == 0

    (made,) = {(pivot.profile.policy, pivot.profile.format) for pivot in read_records(tmp_path / "p.jsonl", Pivot)}
    assert made == ("m", "native/1")
    said_so = " ".join(capsys.readouterr().out.split())
    assert "3 candidates profiled (0 were there), 18 tokens sampled" in said_so
    assert "in every candidate all samples were the same" in said_so


def test_server_that_is_down_is_a_failure_and_not_a_reward(candidates, environment_url, tmp_path, capsys):
    options = ["--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--set", "engine.retries=0"]

    out = ["--out", str(tmp_path / "p.jsonl"), "--set", f"server={environment_url}"]
    assert run_app(["profile", str(candidates), *out, *options]) == 4

    assert "left out 3: every sample failed" in capsys.readouterr().out
    assert list(read_records(tmp_path / "p.jsonl", Pivot)) == []


def test_address_alone_implies_the_engine():
    assert engine_overrides(None, "http://h/v1", "m") == [
        'engine.kind="openai"',
        'engine.base_url="http://h/v1"',
        'engine.model="m"',
    ]


@pytest.mark.parametrize(
    ("sets", "format_id"),
    [
        (["engine.model=m"], "native/1"),
        (["engine.model=Qwen/Qwen3-8B", "engine.native_tools=false", "format=auto"], "qwen/2"),
        (["engine.model=m", "engine.native_tools=false", "format=llama-json"], "llama-json/2"),
    ],
)
def test_format_follows_the_configuration(sets, format_id):
    config = load_config(None, ["engine.kind=openai", "engine.base_url=http://h/v1", *sets])

    assert sampling_engine(config).format_id == format_id


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["engine.kind=openai"], "engine: .*expected base_url and model for kind 'openai', got none"),
        (["engine.kind=openai", "engine.model=m"], r"expected base_url and model .*, got \['model'\]"),
        (["engine.model=m"], "model: expected only with kind 'openai', got kind 'local'"),
        (["engine.concurrency=0"], "engine.concurrency"),
    ],
)
def test_half_a_server_is_no_engine(sets, message):
    with pytest.raises(ConfigError, match=message):
        load_config(None, sets)


def test_servers_model_is_not_named_by_policy():
    config = load_config(None, engine_overrides("openai", "http://h/v1", "m"))
    with pytest.raises(ConfigError, match="--policy: expected none with the engine 'openai'"):
        sampling_engine(config, "folder")


def test_whole_tasks_are_refused_with_a_batch_engine(tmp_path, capsys):
    asked = ["tasks", "play", "terminal", "--engine", "ray", "--out", str(tmp_path / "runs.jsonl")]

    assert run_app(asked) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "engine.kind: expected 'local' or 'openai' for whole tasks, got 'ray'" in said
