import pytest
from even_domain import make_pivots

from pivotgym.core.errors import DigestMismatch
from pivotgym.core.jsonl import read_records
from pivotgym.trainer.comparison import arm_table, difference_table
from pivotgym.trainer.evaluation import EvalRow, clusters, evaluate
from pivotgym.trainer.settings import EvalConfig

CONFIG = EvalConfig(samples=3, low_samples=2, max_new_tokens=12, batch=2)


def test_every_pivot_gets_a_row_per_temperature(engine, scorer, tmp_path):
    rows = evaluate(make_pivots(6), engine, scorer, tmp_path / "e.jsonl", CONFIG, arm="sft")

    assert {(row.arm, len(row.rewards)) for row in rows} == {("sft", 3), ("sft@low", 2)}
    assert len(rows) == 12


def test_interrupted_evaluation_goes_on_without_repeating(engine, scorer, tmp_path):
    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(make_pivots(8), engine, scorer, tmp_path / "parted.jsonl", CONFIG, arm="a", on_progress=stop)
    evaluate(make_pivots(8), engine, scorer, tmp_path / "parted.jsonl", CONFIG, arm="a")
    evaluate(make_pivots(8), engine, scorer, tmp_path / "whole.jsonl", CONFIG, arm="a")

    assert (tmp_path / "parted.jsonl").read_text() == (tmp_path / "whole.jsonl").read_text()


def test_row_repeated_after_a_kill_counts_once(engine, scorer, tmp_path):
    file = tmp_path / "e.jsonl"
    evaluate(make_pivots(2), engine, scorer, file, CONFIG, arm="a")
    file.write_text(file.read_text() * 2)

    rows = list(read_records(file, EvalRow))

    assert sum(map(len, clusters(rows, "a").values())) <= 6


def test_rows_of_another_policy_are_refused(engine, scorer, tmp_path):
    evaluate(make_pivots(2), engine, scorer, tmp_path / "e.jsonl", CONFIG, arm="a")
    next(engine.policy.model.parameters()).data.add_(1)
    engine.weights_changed()

    with pytest.raises(DigestMismatch, match="in arm 'a' was made for another policy"):
        evaluate(make_pivots(2), engine, scorer, tmp_path / "e.jsonl", CONFIG, arm="a")


def row(arm, trajectory, rewards, executable=True, turn=0):
    return EvalRow(
        arm=arm,
        pivot_id=f"{trajectory}:{turn}",
        pivot_digest="d",
        trajectory_id=trajectory,
        executable=executable,
        policy="p",
        temperature=1.0,
        rewards=rewards,
    )


def test_masked_rewards_count_for_nothing():
    assert clusters([row("a", "t", [1.0, None])], "a") == {"t": [1.0]}


def test_parts_are_told_apart_by_execution():
    rows = [row("sft", "t", [1.0]), row("sft", "u", [0.0], executable=False)]

    (arm,) = arm_table([rows])

    assert (arm.parts["executed"].mean, arm.parts["not executed"].mean, arm.parts["all"].mean) == (1.0, 0.0, 0.5)


def test_seeds_are_pooled_by_trajectory():
    seeds = [[row("sft", "t", [1.0])], [row("sft", "t", [0.0])]]

    (arm,) = arm_table(seeds)

    assert (arm.parts["all"].mean, arm.parts["all"].n, arm.parts["all"].clusters) == (0.5, 2, 1)


def test_difference_is_second_minus_first():
    rows = [row("sft", str(n), [0.0]) for n in range(5)] + [row("grpo", str(n), [1.0]) for n in range(5)]

    (gap,) = difference_table([rows])

    assert (gap.first, gap.second, gap.parts["all"].mean, gap.parts["not executed"]) == ("sft", "grpo", 1.0, None)
