import pytest
from even_domain import make_pivots

from pivotgym.core import Pivot
from pivotgym.core.errors import DigestMismatch, InputError
from pivotgym.core.jsonl import read_records
from pivotgym.core.samples import PivotSamples, samples_file
from pivotgym.trainer.profiling import profile
from pivotgym.trainer.settings import ProfileConfig

CONFIG = ProfileConfig(k=4, max_new_tokens=12, batch=2)


def test_every_candidate_gets_k_rewards(engine, scorer, tmp_path):
    report = profile(make_pivots(6), engine, scorer, tmp_path / "p.jsonl", CONFIG)

    profiled = list(read_records(tmp_path / "p.jsonl", Pivot))
    assert [pivot.id for pivot in profiled] == [pivot.id for pivot in make_pivots(6)]
    assert {len(pivot.profile.rewards) for pivot in profiled} == {4}
    assert (report.profiled, report.resumed) == (6, 0)


def test_some_states_have_variance(engine, scorer, tmp_path):
    profile(make_pivots(12), engine, scorer, tmp_path / "p.jsonl", CONFIG)

    assert any(pivot.profile.variance > 0 for pivot in list(read_records(tmp_path / "p.jsonl", Pivot)))


def test_verifier_failures_are_masked_and_counted(engine, scorer, tmp_path):
    config = CONFIG.model_copy(update={"k": 16, "max_new_tokens": 40})

    report = profile(make_pivots(12), engine, scorer, tmp_path / "p.jsonl", config)

    masked = [pivot.profile.rewards.count(None) for pivot in list(read_records(tmp_path / "p.jsonl", Pivot))]
    assert report.failed_samples >= sum(masked) > 0


def test_interrupted_profile_goes_on_and_ends_where_the_whole_one_does(engine, scorer, tmp_path):
    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile(make_pivots(10), engine, scorer, tmp_path / "parted.jsonl", CONFIG, on_progress=stop)
    report = profile(make_pivots(10), engine, scorer, tmp_path / "parted.jsonl", CONFIG)
    profile(make_pivots(10), engine, scorer, tmp_path / "whole.jsonl", CONFIG)

    assert (report.resumed, report.profiled) == (4, 6)
    assert (tmp_path / "parted.jsonl").read_text() == (tmp_path / "whole.jsonl").read_text()


def test_half_written_line_is_cut_off_and_made_again(engine, scorer, tmp_path):
    profile(make_pivots(4), engine, scorer, tmp_path / "p.jsonl", CONFIG)
    whole = (tmp_path / "p.jsonl").read_bytes()
    (tmp_path / "p.jsonl").write_bytes(whole[:-40])

    report = profile(make_pivots(4), engine, scorer, tmp_path / "p.jsonl", CONFIG)

    assert report.resumed == 3
    assert (tmp_path / "p.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "what"), [({"temperature": 0.5}, "sampling"), ({"seed": 9}, "sampling"), ({}, "policy")]
)
def test_profile_of_another_run_is_refused(engine, scorer, tmp_path, change, what):
    profile(make_pivots(2), engine, scorer, tmp_path / "p.jsonl", CONFIG)
    if what == "policy":
        next(engine.policy.model.parameters()).data.add_(1)
        engine.weights_changed()

    with pytest.raises(DigestMismatch, match=f"made for another {what}"):
        profile(make_pivots(2), engine, scorer, tmp_path / "p.jsonl", CONFIG.model_copy(update=change))


def test_repeated_candidate_is_refused(engine, scorer, tmp_path):
    with pytest.raises(InputError, match="expected unique ids"):
        profile(make_pivots(1) * 2, engine, scorer, tmp_path / "p.jsonl", CONFIG)


def test_actions_and_their_verdicts_are_kept_beside_the_profile(engine, scorer, tmp_path):
    config = CONFIG.model_copy(update={"k": 8})
    profile(make_pivots(4), engine, scorer, tmp_path / "p.jsonl", config)

    rewards = {pivot.id: pivot.profile.rewards for pivot in read_records(tmp_path / "p.jsonl", Pivot)}
    kept = {row.pivot_id: row.samples for row in read_records(samples_file(tmp_path / "p.jsonl"), PivotSamples)}

    assert {name: tuple(sample.verdict.reward for sample in row) for name, row in kept.items()} == rewards
    assert all(sample.action is not None for row in kept.values() for sample in row)


def test_error_in_the_place_of_a_verdict_is_kept(engine, scorer, tmp_path):
    config = CONFIG.model_copy(update={"k": 16, "max_new_tokens": 40})
    profile(make_pivots(12), engine, scorer, tmp_path / "p.jsonl", config)

    rewards = {pivot.id: pivot.profile.rewards for pivot in read_records(tmp_path / "p.jsonl", Pivot)}
    kept = {row.pivot_id: row.samples for row in read_records(samples_file(tmp_path / "p.jsonl"), PivotSamples)}
    masked = [sample for row in kept.values() for sample in row if sample.verdict is None]

    assert masked
    assert all(sample.error["retryable"] for sample in masked)
    assert {name: [sample.verdict is None for sample in row] for name, row in kept.items()} == {
        name: [reward is None for reward in row] for name, row in rewards.items()
    }
