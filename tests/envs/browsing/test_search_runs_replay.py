"""The recorded WebDancer and FireAct runs, where they lie beside the repository."""

from pathlib import Path

import pytest

from pivotgym.core.readers.chat import read_chat
from pivotgym.envs.base import sources
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.browsing import domain
from pivotgym.envs.conformance.verdict_bench import VerdictBench, metrics
from pivotgym.envs.conformance.verdict_cases import read_cases
from pivotgym.trainer.extract import cut

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
RUNS = SHARED / "trajectories" / "browsing"
pytestmark = pytest.mark.skipif(not RUNS.is_dir(), reason="the shared data is not here")


@pytest.fixture(scope="module")
def runtime():
    sources.configure({"corpus": RUNS / "search_corpus.jsonl"})
    made = Runtime(domain())
    yield made
    made.close()
    sources.forget("corpus")


@pytest.mark.parametrize("name", ["webdancer_search", "fireact_hotpotqa"])
def test_every_candidate_of_every_run_is_worth_its_own_reward(runtime, name):
    runs = list(read_chat(RUNS / f"{name}.jsonl"))
    pivots = [cut(run, turn) for run in runs for turn in runtime.domain.candidates(run)]
    assert len(pivots) > len(runs)
    assert {runtime.check(pivot).reward for pivot in pivots} == {1.0}


def test_webdancer_searches_carry_their_evidence():
    runs = list(read_chat(RUNS / "webdancer_search.jsonl"))
    assert sum(bool((run.accepted or {}).get("0")) for run in runs) > len(runs) / 4
    assert {run.origin.kind for run in runs} == {"corpus"}


def test_labelled_cases_agree(runtime):
    cases = [
        case for case in read_cases(SHARED / "verifier_cases" / "browsing.jsonl") if not case.kind.startswith("mw_")
    ]
    found = metrics(VerdictBench().run(cases)["pivotgym"])
    assert found["errors"] == 0
    assert found["balanced_accuracy"] >= 0.9
    assert found["false_accept_rate"] <= 0.03
