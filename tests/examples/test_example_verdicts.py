"""The examples for other projects, each against a real server, without those projects."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pivotgym.cli.main import run_app
from pivotgym.core.errors import NotFound, WorldFailed
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.browsing import domain
from pivotgym.envs.browsing.domain import Browsing
from pivotgym.envs.browsing.world import BrowsingWorld
from pivotgym.servers.serve import BackgroundServer

EXAMPLES = Path(__file__).parents[2] / "examples"
PIVOT = "almanac/larger-0:0"
SAME = '<tool_call>{"name": "search", "arguments": {"query": ["Barhythe: inhabitants?"]}}</tool_call>'
OTHER = '<tool_call>{"name": "search", "arguments": {"query": ["a lighthouse"]}}</tool_call>'
BROKEN = '<tool_call>{"name": "search"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the first pivot that the README's commands make."""
    made = tmp_path_factory.mktemp("examples")
    task = next(task for task in domain().tasks() if task.id == PIVOT.rpartition(":")[0])
    pivot = Pivot(
        id=PIVOT,
        domain="browsing",
        messages=task.messages,
        tools=task.tools,
        origin=task.origin,
        reference=task.gold[0][0],
    )
    (made / "pivots.jsonl").write_text(pivot.model_dump_json() + "\n")
    return made


@pytest.fixture(scope="module")
def url(folder):
    with BackgroundServer(domain(), pivots=[folder / "pivots.jsonl"]) as server:
        yield server.url


@pytest.fixture
def example(url, monkeypatch):
    """Loads an example by its file, as a trainer does."""
    monkeypatch.setenv("PIVOTGYM_URL", url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("PIVOTGYM_TOKEN", raising=False)

    def load(name):
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def run(*command, url):
    env = {**os.environ, "PIVOTGYM_URL": url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_readmes_commands_make_that_pivot(folder, tmp_path):
    gold, pivots = str(tmp_path / "gold.jsonl"), tmp_path / "pivots.jsonl"
    assert run_app(["tasks", "gold", "browsing", "--task", "almanac/larger-0", "-o", gold]) == 0
    assert run_app(["extract", gold, "-o", str(pivots), "--set", "domain=browsing"]) == 0
    made, known = (
        Pivot.model_validate_json(file.read_text().splitlines()[0]) for file in (pivots, folder / "pivots.jsonl")
    )
    assert (made.id, made.digest) == (known.id, known.digest)


def test_rows_hold_the_prompt_and_the_pivots_id(folder, url):
    run(sys.executable, EXAMPLES / "rows.py", folder / "pivots.jsonl", "-o", folder / "rows.jsonl", url=url)
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert rows[0]["pivot_id"] == PIVOT
    assert "Barhythe or Ismere" in rows[0]["prompt"]
    assert rows[0]["prompt"].endswith("<|im_start|>assistant\n")


@pytest.mark.parametrize("wrap", [str, lambda text: [{"role": "assistant", "content": text}]], ids=["text", "messages"])
def test_trl_gets_a_reward_for_each_completion(example, wrap):
    completions = [wrap(SAME), wrap(OTHER), wrap(BROKEN)]
    rewards = example("trl_reward").pivot_reward(
        completions=completions, pivot_id=[PIVOT] * 3, prompts=[""] * 3, completion_ids=[[]] * 3
    )
    assert rewards == [1.0, 0.0, 0.0]


def test_trl_gets_a_reward_for_a_message_with_calls(example):
    called = {"type": "function", "function": {"name": "search", "arguments": {"query": ["Barhythe inhabitants"]}}}
    message = {"role": "assistant", "content": "", "tool_calls": [called]}
    assert example("trl_reward").pivot_reward([[message]], [PIVOT]) == [1.0]


def test_verl_scores_a_sample(example):
    score = example("verl_reward").compute_score
    assert score("almanac", SAME, PIVOT) == {"score": 1.0, "invalid": 0.0}
    assert score("almanac", OTHER, PIVOT, extra_info={"index": 1}) == {"score": 0.0, "invalid": 0.0}
    assert score(data_source="almanac", solution_str=BROKEN, ground_truth=PIVOT) == {"score": 0.0, "invalid": 1.0}


def test_a_pivot_that_the_server_does_not_know_is_an_error_and_no_reward(example):
    with pytest.raises(NotFound, match="no/such:0"):
        example("trl_reward").pivot_reward([SAME], ["no/such:0"])
    with pytest.raises(NotFound, match="no/such:0"):
        example("verl_reward").compute_score("almanac", SAME, "no/such:0")


class Full(BrowsingWorld):
    """A world on a machine without room."""

    def run(self, action):
        raise WorldFailed("the disk is full")


class Failing(Browsing):
    """The domain on that machine."""

    def world(self):
        return Full()


def test_a_failure_of_the_server_is_no_reward(folder, example, monkeypatch):
    with BackgroundServer(Failing(), pivots=[folder / "pivots.jsonl"]) as server:
        monkeypatch.setenv("PIVOTGYM_URL", server.url)
        assert example("trl_reward").pivot_reward([SAME, OTHER], [PIVOT] * 2) == [1.0, None]
        with pytest.raises(WorldFailed, match="the disk is full"):
            example("verl_reward").compute_score("almanac", OTHER, PIVOT)


def test_openrlhf_posts_to_the_reward_route(folder, url):
    run(sys.executable, EXAMPLES / "rows.py", folder / "pivots.jsonl", "-o", folder / "rows.jsonl", url=url)
    row = json.loads((folder / "rows.jsonl").read_text().splitlines()[0])
    for text, reward in ((SAME, 1.0), (OTHER, 0.0)):
        body = {"query": [row["prompt"] + text], "prompts": [row["prompt"]], "labels": [row["pivot_id"]]}
        answer = httpx.post(url + "/reward", json=body, trust_env=False)
        assert answer.json()["rewards"] == [reward], answer.text


def test_nemo_gym_rows_are_verified(folder, url):
    rows = str(folder / "nemo.jsonl")
    assert run_app(["convert", str(folder / "pivots.jsonl"), "--to", "nemo_gym", "-o", rows]) == 0
    assert run(sys.executable, EXAMPLES / "nemo_gym_verify.py", rows, url=url).split() == ["1.0"]


def test_nemo_gym_another_action_gets_nothing(example, folder):
    run_app(["convert", str(folder / "pivots.jsonl"), "--to", "nemo_gym", "-o", str(folder / "nemo.jsonl")])
    row = json.loads((folder / "nemo.jsonl").read_text().splitlines()[0])
    call = {"type": "function_call", "name": "search", "call_id": "c", "arguments": '{"query": ["a lighthouse"]}'}
    answer = example("nemo_gym_verify").verify(row, [call])
    assert (answer["reward"], answer["verdict"]["outcome"]) == (0.0, "different")


@pytest.mark.slow
def test_openenvs_client_gets_the_reward_of_each_action(url):
    pytest.importorskip("openenv", reason="openenv-core is not installed")
    told = run(sys.executable, EXAMPLES / "openenv_client.py", PIVOT, url=url).splitlines()
    assert [line.rpartition(" -> ")[2] for line in told] == ["1 equivalent", "0 different"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_one_verdict_and_many(url):
    first, second, batch = map(json.loads, run("bash", EXAMPLES / "curl.sh", url=url).splitlines())
    assert (first["reward"], first["executed"]) == (1.0, False)
    assert (second["reward"], second["executed"]) == (0.0, True)
    assert [one["reward"] for one in batch["results"][0]] == [1.0, 0.0]
    assert batch["results"][1][0]["error"]["code"] == "not_found"
