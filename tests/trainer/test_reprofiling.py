"""A saturated run profiles its candidates anew and goes on with the pivots that are left, also after a kill."""

import json

import pytest
from even_domain import make_pivots
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pivotgym.core.errors import InputError, VerifierFailed
from pivotgym.core.jsonl import read_records
from pivotgym.core.trajectory import Pivot
from pivotgym.trainer.reprofiling import Reprofiler, saturation
from pivotgym.trainer.scoring import FailureGuard
from pivotgym.trainer.settings import FilterConfig, GrpoSettings, ProfileConfig, ReprofileSettings
from pivotgym.trainer.training import Grpo, read_log

GRPO = GrpoSettings(steps=5, pivots_per_step=4, group_size=6, max_new_tokens=12, lr=1e-3, checkpoint_every=100)
ALWAYS = ReprofileSettings(mean_above=0.0, window=2, at_most=1)
PROFILE = ProfileConfig(k=4, max_new_tokens=12, batch=4)
KEEP_SOME = FilterConfig(rule="pivots", lambda_diff=2.0)


def rows(*values):
    return [{"step": n + 1, "reward_mean": mean, "group_variance": var} for n, (mean, var) in enumerate(values)]


def reprofiler(out, settings=ALWAYS, rule=KEEP_SOME, candidates=None):
    return Reprofiler(candidates or make_pivots(12), out, settings, PROFILE, rule)


def run(engine, scorer, out, settings=ALWAYS, rule=KEEP_SOME):
    return Grpo(make_pivots(8), engine, scorer, out, GRPO, reprofiler=reprofiler(out, settings, rule))


class Killed(Exception):
    pass


class Dying:
    """A scorer that is gone after some calls, as a killed process is."""

    def __init__(self, scorer, calls):
        self.scorer, self.calls = scorer, calls

    def __getattr__(self, name):
        if self.calls == 0:
            raise Killed
        self.calls -= 1
        return getattr(self.scorer, name)


def test_a_high_mean_over_the_window_saturates():
    settings = ReprofileSettings(mean_above=0.8, variance_below=None, window=2)

    assert saturation(rows((0.1, 0.2), (0.9, 0.2), (0.9, 0.2)), settings).startswith("mean group reward 0.900 over 2")
    assert saturation(rows((0.9, 0.2), (0.9, 0.2), (0.6, 0.2)), settings) is None


def test_a_low_variance_within_groups_saturates():
    settings = ReprofileSettings(mean_above=None, variance_below=0.05, window=2)

    assert saturation(rows((0.1, 0.2), (0.1, 0.04), (0.1, 0.02)), settings).startswith("variance within groups 0.0300")
    assert saturation(rows((0.1, 0.04), (0.1, 0.04), (0.1, 0.2)), settings) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.25)), max_size=4))
def test_fewer_steps_than_the_window_never_saturate(values):
    assert saturation(rows(*values), ReprofileSettings(window=5)) is None


def test_steps_before_the_last_renewal_do_not_count(tmp_path, engine, scorer):
    made = reprofiler(tmp_path, ALWAYS.model_copy(update={"at_most": 5}))
    log = rows(*[(0.9, 0.1)] * 6)
    assert made.due(2, log) is not None
    made.refresh(2, "said so", make_pivots(8), engine, scorer, FailureGuard())

    assert made.due(2, log) is None
    assert made.due(3, log) is None
    assert made.due(4, log) is not None


def test_steps_that_are_to_be_done_again_do_not_count(tmp_path):
    assert reprofiler(tmp_path).due(1, rows(*[(0.9, 0.1)] * 6)) is None


def test_it_happens_so_many_times_at_the_most(tmp_path, engine, scorer):
    made = reprofiler(tmp_path)
    made.refresh(2, "said so", make_pivots(8), engine, scorer, FailureGuard())

    assert made.due(6, rows(*[(0.9, 0.1)] * 6)) is None


def test_training_goes_on_with_the_pivots_that_are_left(tmp_path, engine, scorer):
    told = []

    training = run(engine, scorer, tmp_path)
    training.run(on_renewal=told.append)

    [renewal] = told
    folder = tmp_path / "reprofiled" / "step-000002"
    kept = list(read_records(folder / "pivots.jsonl", Pivot))
    assert (renewal.step, renewal.candidates, renewal.before, renewal.kept) == (2, 12, 8, len(kept))
    assert [pivot.id for pivot in training.pivots] == [pivot.id for pivot in kept]
    assert [row["pivots"] for row in read_log(tmp_path / "log.jsonl")] == [8, 8, len(kept), len(kept), len(kept)]
    assert json.loads((folder / "report.json").read_text())["reason"].startswith("mean group reward")


def test_the_profiles_are_those_of_the_policy_as_it_was_then(tmp_path, engine, scorer):
    first = engine.policy_id
    training = run(engine, scorer, tmp_path)
    training.run()

    policies = {pivot.profile.policy for pivot in training.pivots}
    assert len(policies) == 1
    assert not policies & {first, engine.policy_id}


def test_every_pivot_left_is_taken_once_an_epoch(tmp_path, engine, scorer):
    training = run(engine, scorer, tmp_path)
    training.run()
    count = len(training.pivots)

    seen = [pivot.id for step in range(2, 2 + count) for pivot in training.batch(step)]

    assert {seen.count(pivot.id) for pivot in training.pivots} == {GRPO.pivots_per_step}


def test_where_the_filter_keeps_none_training_goes_on_as_before(tmp_path, engine, scorer):
    told = []
    training = run(engine, scorer, tmp_path, rule=FilterConfig(rule="drop_easy", lambda_diff=1e-9))
    training.run(on_renewal=told.append)

    assert told[0].kept == 0
    assert [pivot.id for pivot in training.pivots] == [pivot.id for pivot in make_pivots(8)]


def test_without_it_nothing_is_profiled_anew(tmp_path, engine, scorer):
    Grpo(make_pivots(8), engine, scorer, tmp_path, GRPO).run()

    assert not (tmp_path / "reprofiled").exists()


@pytest.mark.parametrize("calls", [3, 4])
def test_a_run_killed_while_profiling_ends_where_the_whole_run_does(tmp_path, engine, make_engine, scorer, calls):
    whole = run(engine, scorer, tmp_path / "whole")
    whole.run()
    with pytest.raises(Killed):
        run(make_engine(), Dying(scorer, calls), tmp_path / "parted").run()
    begun = tmp_path / "parted" / "reprofiled" / "step-000002" / "profile.jsonl"
    before = begun.read_text()
    assert 0 < len(before.splitlines()) < 12

    resumed = run(make_engine(), scorer, tmp_path / "parted")
    assert resumed.step == 2
    resumed.run()

    assert begun.read_text().startswith(before)
    assert [pivot.id for pivot in resumed.pivots] == [pivot.id for pivot in whole.pivots]
    assert resumed.engine.policy_id == engine.policy_id


def test_a_run_killed_later_goes_on_with_the_refreshed_pivots(tmp_path, engine, make_engine, scorer):
    def stop(step, total, metrics):
        if step == 3:
            raise Killed

    run(engine, scorer, tmp_path / "whole").run()
    with pytest.raises(Killed):
        run(make_engine(), scorer, tmp_path / "parted").run(stop)
    resumed = run(make_engine(), scorer, tmp_path / "parted")
    resumed.run()

    assert resumed.engine.policy_id == engine.policy_id


def test_failing_verdicts_stop_it_and_lose_nothing(tmp_path, engine, scorer):
    training = run(engine, scorer, tmp_path)
    made, guard = training.reprofiler, FailureGuard(max_share=0.0, least=1)

    longer = made.profile.model_copy(update={"max_new_tokens": 40, "k": 24})
    made.profile = longer
    with pytest.raises(VerifierFailed, match="more than the allowed share"):
        made.refresh(0, "said so", training.pivots, engine, scorer, guard)

    assert made.newest(0) is None


@pytest.mark.parametrize("candidates", [make_pivots(2) + make_pivots(1)])
def test_candidates_must_be_told_apart(tmp_path, candidates):
    with pytest.raises(InputError, match="candidates: expected at least one, with unique ids, got 3"):
        reprofiler(tmp_path, candidates=candidates)


def test_one_level_at_least_is_needed():
    with pytest.raises(ValidationError, match="expected at least one level, got null for both"):
        ReprofileSettings(mean_above=None, variance_below=None)
