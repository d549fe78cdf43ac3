import pytest
from even_domain import make_pivots

from pivotgym.core import Pivot
from pivotgym.core.errors import DigestMismatch, InputError
from pivotgym.core.jsonl import read_records
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
