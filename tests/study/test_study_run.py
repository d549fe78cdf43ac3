"""The runner, end to end on a toy: real servers, a real policy, one arm of each kind."""

import shutil

import pytest
from toy_study import ToySource, toy_config

from pivotgym.core.errors import ConfigError
from pivotgym.study.report import write_report
from pivotgym.study.results import read_results
from pivotgym.study.run import Study, run_study

ARMS = ["base", "sft", "cand_strict", "pivotrl", "adv_text", "e2e", "pivotrl_e2e", "s3ft", "prefix_rft"]

pytestmark = pytest.mark.slow


def quiet(line):
    pass


def study(out, *, arms=ARMS, domains=("here",), seeds=1, **changes):
    config = toy_config(**changes)
    return Study(out, config, ToySource(), *config.chosen(arms, domains, seeds))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Every kind of arm once."""
    out = tmp_path_factory.mktemp("study")
    return out, {row.arm: row for row in run_study(study(out), say=quiet)}


@pytest.fixture
def copy(whole, tmp_path):
    """The same study's folder, to go on with."""
    return shutil.copytree(whole[0], tmp_path / "study")


def test_every_arm_leaves_a_line_with_every_measure(whole):
    _, rows = whole

    assert set(rows) == set(ARMS)
    for row in rows.values():
        assert set(row.measures) == {"success", "pivot_reward", "retention", "kl", "rank_correlation", "text_nll"}


def test_the_base_is_no_distance_from_itself(whole):
    base = whole[1]["base"].measures

    assert set(base["kl"].values()) == {0.0}
    assert set(base["rank_correlation"].values()) == {1.0}


def test_every_arm_but_the_base_has_moved(whole):
    still = [arm for arm, row in whole[1].items() if max(row.measures["kl"].values()) == 0]

    # No action of the toy's policy is ever the expert's own words, so strict groups teach nothing.
    assert still == ["base", "cand_strict"]


def test_all_arms_are_measured_on_the_same_tasks_and_pivots(whole):
    for measure in ("success", "pivot_reward", "retention", "kl", "text_nll"):
        assert len({frozenset(row.measures[measure]) for row in whole[1].values()}) == 1


def test_profiling_is_counted_where_it_is_used(whole):
    rows, config = whole[1], toy_config()

    assert rows["pivotrl"].profiling.turns == rows["s3ft"].profiling.turns == 12 * config.profile.k
    assert rows["cand_strict"].profiling.turns == rows["e2e"].profiling.turns == 0


def test_turns_of_single_action_rl_are_its_samples(whole):
    grpo = toy_config().grpo

    for arm in ("cand_strict", "pivotrl", "prefix_rft"):
        assert whole[1][arm].training.turns == grpo.steps * grpo.pivots_per_step * grpo.group_size


def test_an_arm_that_starts_from_another_carries_its_costs(whole):
    rows = whole[1]

    assert rows["pivotrl_e2e"].profiling == rows["pivotrl"].profiling
    assert rows["pivotrl_e2e"].training.turns > rows["pivotrl"].training.turns
    assert rows["pivotrl_e2e"].curve[1].cost.turns > rows["pivotrl"].cost.turns


def test_end_to_end_rl_ends_when_its_turns_are_used_up(whole):
    turns, settings = whole[1]["e2e"].training.turns, toy_config().episodes

    assert settings.turns <= turns < settings.turns + settings.tasks_per_step * settings.group_size * 3


def test_a_curve_goes_from_the_base_to_the_end(whole):
    for arm, row in whole[1].items():
        costs = [point.cost.turns for point in row.curve]
        assert costs == sorted(costs)
        assert costs[0] == 0
        assert costs[-1] == row.cost.turns or arm in ("base", "s3ft")


def test_a_lax_reward_is_found_out_by_execution(whole):
    audit = whole[1]["adv_text"].audit

    # NeMo Gym's rule pays every message for a message; the toy pays those with an even first character.
    assert audit.checked_accepted > 0
    assert 0 < audit.false_accepts < audit.checked_accepted


def test_a_strict_reward_misses_what_execution_accepts(whole):
    audit = whole[1]["cand_strict"].audit

    assert (audit.accepted, audit.checked_rejected > 0, audit.false_rejects > 0) == (0, True, True)


def test_execution_is_not_audited_by_itself(whole):
    assert whole[1]["pivotrl"].audit is None


def test_a_finished_study_is_not_run_again(copy):
    before = (copy / "raw" / "here-0.jsonl").read_bytes()

    run_study(study(copy), say=quiet)

    assert (copy / "raw" / "here-0.jsonl").read_bytes() == before


def test_a_kill_loses_the_arm_it_was_in(copy):
    lines = (copy / "raw" / "here-0.jsonl").read_text().splitlines(keepends=True)
    (copy / "raw" / "here-0.jsonl").write_text("".join(lines[:-1]) + lines[-1][:50])

    rows = run_study(study(copy), say=quiet)

    assert (copy / "raw" / "here-0.jsonl").read_text().splitlines(keepends=True)[:-1] == lines[:-1]
    assert {row.arm for row in rows} == set(ARMS)


def test_a_folder_of_other_settings_is_refused(copy):
    with pytest.raises(ConfigError, match=r"expected arm '.*' to be run with these settings, got others"):
        run_study(study(copy, sft={"lr": 0.5}), say=quiet)


def test_the_report_is_made_from_the_lines_alone(whole, tmp_path):
    page = write_report(read_results(whole[0] / "raw"), toy_config(), tmp_path, command="pivotgym bench study OUT")

    text = page.read_text()
    assert all(toy_config().arms[arm].title in text for arm in ARMS)
    assert {name.name for name in (tmp_path / "plots").iterdir()} >= {
        "claims.svg",
        "here-success.svg",
        "here-turns.svg",
    }
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == len(ARMS)


def test_processes_run_what_one_does(whole, tmp_path):
    arms = ["base", "sft", "pivotrl"]

    rows = run_study(study(tmp_path, arms=arms), workers=2, say=quiet)

    # Sums of floats depend on the number of threads, and a draw at the edge of two tokens on them.
    assert {row.arm for row in rows} == set(arms)
    assert {row.arm: row.training.turns for row in rows} == {arm: whole[1][arm].training.turns for arm in arms}
