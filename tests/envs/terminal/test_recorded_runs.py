"""Recorded runs of others: which can be rebuilt, and how far."""

import itertools
import json
from pathlib import Path

import pytest

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Action
from pivotgym.core.readers.chat import read_chat
from pivotgym.core.readers.nemo_gym import from_nemo_gym_row
from pivotgym.core.trajectory import Trajectory
from pivotgym.envs.base import sources
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.terminal import domain
from pivotgym.trainer.extract import extract

SHARED = Path(__file__).parents[4] / "shared" / "data"
recorded = pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not on this machine")


def runs(name: str) -> list[Trajectory]:
    return list(read_chat(SHARED / "trajectories" / "terminal" / name))


@pytest.fixture(scope="module")
def fixtures():
    sources.configure({"fixtures": SHARED / "verifier_cases" / "fixtures"})
    yield
    sources.forget("fixtures")


@recorded
def test_intercode_runs_are_sessions_on_their_fixture():
    origins = {(run.origin.kind, run.origin.get("shell")) for run in runs("intercode_bash.jsonl")}
    assert origins == {("filesystem", "session")}


@recorded
def test_every_turn_of_an_intercode_run_is_a_candidate():
    run = runs("intercode_bash.jsonl")[2]
    assert domain().candidates(run) == list(range(len(run.turns())))


@recorded
def test_ctf_runs_cannot_be_rebuilt():
    assert not any(domain().executable(run.origin) for run in runs("intercode_ctf_gpt4.jsonl"))


@recorded
def test_the_text_rule_decides_where_nothing_can_be_rebuilt():
    pivot = next(extract(runs("intercode_ctf_gpt4.jsonl")))
    verdict = Runtime(domain()).verify(pivot, pivot.reference)
    assert (verdict.reward, verdict.executed) == (1.0, False)


@recorded
def test_first_turns_of_intercode_runs_are_pivots(terminals, fixtures):
    runtime = Runtime(terminals)
    first = itertools.islice((pivot for pivot in extract(runs("intercode_bash.jsonl")) if pivot.turn == 0), 5)
    assert [runtime.check(pivot).reward for pivot in first] == [1.0] * 5
    runtime.close()


@recorded
@pytest.mark.slow
def test_most_turns_of_intercode_runs_replay(terminals, fixtures):
    runtime, refused, kept = Runtime(terminals), 0, 0
    for pivot in extract(runs("intercode_bash.jsonl")):
        try:
            runtime.prepare(pivot)
            kept += 1
        except PivotRefused:
            refused += 1
    runtime.close()
    assert kept > 4 * refused


def answer(keys: str) -> str:
    commands = [{"keystrokes": keys, "duration": 0.1}]
    return json.dumps({"analysis": "a", "plan": "p", "commands": commands, "task_complete": False})


def test_nvidias_terminal_rows_are_decided_by_the_text_rule():
    row = {
        "uuid": "u",
        "schema_version": "terminus2_pre_rp_pivot_sample_v1",
        "tool_name": "bash_command",
        "responses_create_params": {"input": [{"role": "user", "content": "Look around."}]},
        "expected_answer": answer("ls -la\n"),
        "metadata": {"harness": "terminus_2", "source_trajectory_uid": "t", "pivot_agent_turn_index": 0},
    }
    pivot = from_nemo_gym_row(row, name="row")
    runtime = Runtime(domain())
    rewards = [runtime.verify(pivot, Action(content=answer(keys))).reward for keys in ("ls -al\n", "rm -r .\n")]
    assert (pivot.domain, rewards) == ("terminal", [1.0, 0.0])
