"""Generated tasks as data: nothing is run."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import ConfigError, NotFound
from pivotgym.envs.terminal.inline import planned
from pivotgym.envs.terminal.tasks import catalogue
from pivotgym.envs.terminal.tasks.families.schedules import jobs

FAMILIES = sorted(catalogue.FAMILIES)
any_seed = st.integers(0, 999_999_999)


def test_there_are_at_least_thirty_tasks_of_eight_families():
    families = Counter(task_id.partition("/")[0] for task_id in catalogue.ids())
    assert len(families) >= 8
    assert sum(families.values()) >= 30


def test_ids_are_unique():
    assert len(set(catalogue.ids())) == len(catalogue.ids())


@given(family=st.sampled_from(FAMILIES), seed=any_seed)
def test_equal_seeds_make_equal_tasks(family, seed):
    assert catalogue.FAMILIES[family].exercise(seed) == catalogue.FAMILIES[family].exercise(seed)


@given(family=st.sampled_from(FAMILIES), seed=any_seed)
def test_every_seed_makes_a_task_that_the_domain_can_start(family, seed):
    task = catalogue.task(f"{family}/{seed}")
    assert all(entry.path.startswith("/") for entry in planned(task.origin))
    assert 2 <= len(task.gold[0]) <= task.max_steps


@given(family=st.sampled_from(FAMILIES), seed=any_seed)
def test_checks_have_names_of_their_own(family, seed):
    names = [check.name for check in catalogue.FAMILIES[family].exercise(seed).checks]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("family", FAMILIES)
def test_seeds_vary_the_instruction_the_start_and_the_checks(family):
    made = [catalogue.FAMILIES[family].exercise(seed) for seed in range(12)]
    assert len({one.instruction for one in made}) > 6
    assert len({str(one.start) for one in made}) == 12
    assert len({str(one.checks) for one in made}) == 12


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_a_cheat_and_an_alternative(family):
    made = catalogue.FAMILIES[family].exercise(0)
    assert made.cheats
    assert made.alternative
    assert made.alternative != made.gold


def test_a_task_does_not_carry_its_checks():
    task = catalogue.task("logs/0")
    assert task.metadata == {"family": "logs"}
    report = next(check for check in catalogue.find("logs/0").checks if check.name == "report")
    assert report.text not in str(task.origin) + task.messages[-1].text


@pytest.mark.parametrize("task_id", ["logs", "logs/x", "logs/-1", "logs/01", "nothing/0", ""])
def test_an_unknown_task_is_named_with_what_there_is(task_id):
    with pytest.raises(NotFound, match=r"expected 'family/seed' with a family of .* and a number, got"):
        catalogue.find(task_id)


def test_a_setting_offers_other_seeds(monkeypatch):
    monkeypatch.setenv(catalogue.SEEDS, "10-11")
    assert [task_id for task_id in catalogue.ids() if task_id.startswith("logs/")] == ["logs/10", "logs/11"]


@pytest.mark.parametrize("text", ["3", "4-3", "0-1000", "a-b", "-1-2"])
def test_seeds_of_another_form_are_refused(monkeypatch, text):
    monkeypatch.setenv(catalogue.SEEDS, text)
    with pytest.raises(ConfigError, match=r"PIVOTGYM_TERMINAL_SEEDS: expected FIRST-LAST, at most 1000 seeds, got"):
        catalogue.ids()


def test_a_family_whose_programs_are_missing_is_left_out(monkeypatch):
    monkeypatch.setattr(catalogue.shutil, "which", lambda program, path: None if program == "git" else program)
    assert not any(task_id.startswith("git_restore/") for task_id in catalogue.ids())
    assert "logs/0" in catalogue.ids()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("*/15 8-17 * * 1-5 x", "0,15,30,45  8,9,10-17 * * mon-fri x"),
        ("0 0 * * 0 x", "@weekly x"),
        ("0 0 * * 7 x", "0 0 * * SUN x"),
        ("# c\nA=1\n5 4 * jan * x  y", "5 4 1-31 1 * x y"),
        ("1 2 * * * a\n3 4 * * * b", "3 4 * * * b\n1 2 * * * a"),
    ],
)
def test_crontabs_that_run_the_same_at_the_same_times_are_equal(one, other):
    assert jobs(one) == jobs(other)


@pytest.mark.parametrize("line", ["61 * * * * x", "* * * x", "*/0 * * * * x", "5-1 * * * * x", "a * * * * x"])
def test_a_line_that_cron_does_not_take_is_refused(line):
    with pytest.raises(ValueError, match=r"crontab|invalid literal"):
        jobs(line)


@given(st.text())
def test_reading_any_crontab_gives_jobs_or_a_value_error(text):
    try:
        found = jobs(text)
    except ValueError:
        return
    assert all(len(times) == 5 for _, times in found)
