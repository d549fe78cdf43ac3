"""Whole jobs through Ray Data: real Ray, recorded draws in the place of vLLM's."""

import threading
import time

import pytest

pytest.importorskip("ray.data", reason="make openrlhf-cpu installs Ray")

import uvicorn
from even_domain import EvenDomain, make_pivots
from fastapi import FastAPI
from ray_rows import recorded_sampler
from tiny import save_tiny_policy

from pivotgym.core import Pivot
from pivotgym.core.errors import ConfigError, DigestMismatch, PolicyFailed
from pivotgym.core.formats import get_format
from pivotgym.core.jsonl import read_records
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.engine import LocalEngine, Query
from pivotgym.trainer.filter import filter_pivots
from pivotgym.trainer.openai_engine import OpenAIEngine
from pivotgym.trainer.policy import Policy, Sample
from pivotgym.trainer.profiling import profile
from pivotgym.trainer.ray_engine import RayEngine
from pivotgym.trainer.ray_start import CPU_PLACES, start_ray
from pivotgym.trainer.samples import SampledState
from pivotgym.trainer.scoring import ClientScorer
from pivotgym.trainer.settings import EngineSettings, FilterConfig, ProfileConfig, RaySettings

FORMAT = get_format("smollm")
PIVOTS = make_pivots(10)
CONFIG = ProfileConfig(k=4, max_new_tokens=6)
SHARD = RaySettings(shard=4)


@pytest.fixture(scope="module", autouse=True)
def ray():
    import ray

    start_ray({}, {"num_cpus": CPU_PLACES, "num_gpus": 0, "_node_ip_address": "127.0.0.1"})
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return save_tiny_policy(tmp_path_factory.mktemp("policy") / "tiny")


@pytest.fixture(scope="module")
def scorer():
    with BackgroundServer(EvenDomain()) as server, Client(server.url) as client:
        client.add_pivots(PIVOTS)
        yield ClientScorer(client)


@pytest.fixture(scope="module")
def local(policy):
    return LocalEngine(Policy.load(policy), FORMAT)


@pytest.fixture(scope="module")
def draws(local):
    """Prompt -> what the engine in this process sampled there: the record that all engines are given."""
    queries = [Query.of(pivot, (CONFIG.temperature,) * CONFIG.k) for pivot in PIVOTS]
    sampled = local.sample(queries, CONFIG.sampling)
    return {prompt(pivot): list(map(recorded, actions)) for pivot, actions in zip(PIVOTS, sampled, strict=True)}


def recorded(action):
    return {
        "temperature": action.temperature,
        "token_ids": action.token_ids,
        "logprobs": action.logprobs,
        "text": action.text,
        "stopped": not action.truncated,
    }


def prompt(pivot):
    return FORMAT.render(pivot.messages, pivot.tools)


def ray_engine(policy, draws, tmp_path, together=1, log="asked.log", **changes):
    settings = SHARD.model_copy(update=changes)
    sampler = recorded_sampler(draws, str(tmp_path / log), together)
    return RayEngine(settings, policy, FORMAT, samples=tmp_path / "samples.jsonl", sampler=sampler)


def asked(tmp_path, log="asked.log"):
    """How many states the actors were asked for, and how many actors there were."""
    file = tmp_path / log
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return len(lines), len({process for process, _ in lines})


def profiles(path):
    return {pivot.id: pivot for pivot in read_records(path, Pivot)}


class Replayed(LocalEngine):
    """The engine in this process, given the ids that it would have sampled."""

    def __init__(self, local, draws):
        super().__init__(local.policy, local.fmt)
        self.draws = draws

    def sample(self, queries, sampling, *, on_done=None):
        made = {}
        for index, query in enumerate(queries):
            drawn = self.draws[self.fmt.render(query.messages, query.tools)]
            made[index] = [
                self._read(Sample(draw["token_ids"], draw["logprobs"], "stop" if draw["stopped"] else "length"))
                for draw in drawn
            ]
        on_done(made)
        return list(made.values())


@pytest.fixture(scope="module")
def openai_server(local, draws):
    """A server that says what the recorded ids say."""
    app = FastAPI()

    @app.post("/v1/completions")
    def completions(body: dict):
        choices = []
        for index, draw in enumerate(draws[body["prompt"]]):
            ids = draw["token_ids"][:-1] if draw["stopped"] else draw["token_ids"]
            text = local.policy.tokenizer.decode(ids, skip_special_tokens=False)
            choices.append({"index": index, "text": text, "finish_reason": "stop" if draw["stopped"] else "length"})
        return {"choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": len(choices)}}

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()


def test_all_engines_make_the_same_profile_from_the_same_token_ids(
    policy, local, draws, scorer, openai_server, tmp_path
):
    served = EngineSettings(kind="openai", base_url=openai_server, model="m", native_tools=False)
    engines = {
        "local": Replayed(local, draws),
        "openai": OpenAIEngine(served, FORMAT),
        "ray": ray_engine(policy, draws, tmp_path),
    }
    rewards, kept = {}, {}
    for name, engine in engines.items():
        profile(PIVOTS, engine, scorer, tmp_path / f"{name}.jsonl", CONFIG)
        made = profiles(tmp_path / f"{name}.jsonl")
        rewards[name] = {at: (one.profile.rewards, one.profile.mean, one.profile.variance) for at, one in made.items()}
        kept[name] = {pivot.id for pivot in filter_pivots([made[pivot.id] for pivot in PIVOTS], FilterConfig())[0]}

    assert rewards["local"] == rewards["openai"] == rewards["ray"]
    assert kept["local"] == kept["openai"] == kept["ray"]
    assert 0 < len(kept["ray"]) < len(PIVOTS)


def test_what_is_sampled_is_kept_with_ids_and_log_probabilities(policy, draws, scorer, tmp_path):
    profile(PIVOTS, ray_engine(policy, draws, tmp_path), scorer, tmp_path / "p.jsonl", CONFIG)

    kept = {state.key: state for state in read_records(tmp_path / "samples.jsonl", SampledState)}
    assert {pivot.id: [draw["token_ids"] for draw in draws[prompt(pivot)]] for pivot in PIVOTS} == {
        key: [draw.token_ids for draw in state.draws] for key, state in kept.items()
    }
    assert all(len(draw.logprobs) == len(draw.token_ids) for state in kept.values() for draw in state.draws)


def test_a_stopped_job_goes_on_and_samples_nothing_on_disk_again(policy, draws, scorer, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile(PIVOTS, ray_engine(policy, draws, tmp_path), scorer, tmp_path / "p.jsonl", CONFIG, on_progress=stop)
    on_disk = sum(1 for _ in read_records(tmp_path / "samples.jsonl", SampledState))
    # A log of its own: what the first job's actors had at work may still come.
    engine = ray_engine(policy, draws, tmp_path, log="again.log")
    report = profile(PIVOTS, engine, scorer, tmp_path / "p.jsonl", CONFIG)

    assert on_disk > 0
    assert asked(tmp_path, "again.log")[0] == len(PIVOTS) - on_disk
    assert report.resumed + report.profiled == len(PIVOTS) == len(profiles(tmp_path / "p.jsonl"))


def test_actions_on_disk_without_a_verdict_are_scored_without_sampling(policy, draws, scorer, tmp_path):
    profile(PIVOTS, ray_engine(policy, draws, tmp_path), scorer, tmp_path / "first.jsonl", CONFIG)
    (tmp_path / "asked.log").unlink()
    profile(PIVOTS, ray_engine(policy, draws, tmp_path), scorer, tmp_path / "second.jsonl", CONFIG)

    assert profiles(tmp_path / "first.jsonl") == profiles(tmp_path / "second.jsonl")
    assert not (tmp_path / "asked.log").exists()


def test_a_state_half_written_by_a_kill_is_sampled_again(policy, draws, scorer, tmp_path):
    profile(PIVOTS, ray_engine(policy, draws, tmp_path), scorer, tmp_path / "first.jsonl", CONFIG)
    whole = (tmp_path / "samples.jsonl").read_bytes()
    (tmp_path / "samples.jsonl").write_bytes(whole[:-20])
    (tmp_path / "asked.log").unlink()
    profile(PIVOTS, ray_engine(policy, draws, tmp_path), scorer, tmp_path / "second.jsonl", CONFIG)

    assert asked(tmp_path)[0] == 1
    assert (tmp_path / "samples.jsonl").read_bytes() == whole


@pytest.mark.parametrize(("change", "what"), [({"seed": 9}, "sampling"), ({"max_new_tokens": 5}, "sampling")])
def test_samples_of_another_job_are_refused(policy, draws, scorer, tmp_path, change, what):
    profile(PIVOTS[:2], ray_engine(policy, draws, tmp_path), scorer, tmp_path / "first.jsonl", CONFIG)
    other = CONFIG.model_copy(update=change)

    with pytest.raises(DigestMismatch, match=f"were sampled for another {what}"):
        profile(PIVOTS[:2], ray_engine(policy, draws, tmp_path), scorer, tmp_path / "second.jsonl", other)


def test_states_longer_than_the_context_are_left_out_and_counted(policy, draws, scorer, tmp_path):
    long = draws | {prompt(PIVOTS[3]): 512}
    report = profile(PIVOTS, ray_engine(policy, long, tmp_path), scorer, tmp_path / "p.jsonl", CONFIG)

    assert (report.profiled, report.too_long) == (9, 1)


def test_several_engines_share_a_job(policy, draws, scorer, tmp_path):
    engine = ray_engine(policy, draws, tmp_path, together=2, engines=2)

    report = profile(PIVOTS, engine, scorer, tmp_path / "p.jsonl", CONFIG)

    assert (report.profiled, asked(tmp_path)) == (10, (10, 2))


def test_an_engine_that_breaks_ends_the_job_with_its_reason(policy, draws, scorer, tmp_path):
    broken = draws | {prompt(PIVOTS[9]): "out of memory"}

    with pytest.raises(PolicyFailed, match=r"engine\.kind 'ray'.*out of memory"):
        profile(PIVOTS, ray_engine(policy, broken, tmp_path), scorer, tmp_path / "p.jsonl", CONFIG)


def test_more_engines_than_gpus_are_refused(policy, draws, tmp_path):
    engine = ray_engine(policy, draws, tmp_path, engines=2, tensor_parallel=4)

    with pytest.raises(ConfigError, match=r"engine\.ray\.engines.*expected at most 4 GPUs.*got 2 engines of 4"):
        engine._check_gpus(4)


def test_the_policy_is_named_by_its_weights(policy, draws, tmp_path):
    copied = save_tiny_policy(tmp_path / "copied")
    other = save_tiny_policy(tmp_path / "other", seed=1)

    ids = [ray_engine(folder, draws, tmp_path).policy_id for folder in (policy, copied, other)]
    assert ids[0] == ids[1] != ids[2]


def test_tokens_are_counted_as_the_engine_in_this_process_does(policy, draws, local, tmp_path):
    engine = ray_engine(policy, draws, tmp_path)

    assert [engine.prompt_tokens(one.messages, []) for one in PIVOTS] == [
        local.prompt_tokens(one.messages, []) for one in PIVOTS
    ]
