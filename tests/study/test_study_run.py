"""The runner, end to end on a toy."""

import pytest
from toy_study import ToySource, toy_config

from pivotgym.study.run import Study, run_study


def quiet(line):
    pass


def study(out, *, arms=None, domains=("here",), seeds=1, **changes):
    config = toy_config(**changes)
    arms, domains, seeds = config.chosen(arms, domains, seeds)
    return Study(out, config, ToySource(), arms, domains, seeds)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Every arm once."""
    out = tmp_path_factory.mktemp("study")
    return out, {row.arm: row for row in run_study(study(out), say=quiet)}


def test_every_arm_leaves_a_line_with_every_measure(whole):
    _, rows = whole

    assert set(rows) == set(toy_config().arms)
    for row in rows.values():
        assert set(row.measures) == {"success", "pivot_reward", "retention", "kl", "rank_correlation", "text_nll"}
