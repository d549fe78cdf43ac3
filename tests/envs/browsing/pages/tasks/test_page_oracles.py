"""Oracles in a real Chromium: what they do pays, and what is known to be wrong does not."""

import pytest

from pivotgym.core.errors import WorldFailed
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.browsing import domain
from pivotgym.envs.browsing.pages.sites import miniwob as pages
from pivotgym.envs.browsing.pages.tasks import miniwob, shop
from pivotgym.envs.browsing.pages.tasks.miniwob.oracles import PROGRAMS
from pivotgym.envs.browsing.pages.tasks.pilot import Pilot
from pivotgym.envs.conformance.tasks import gold_trajectories, play, validate
from pivotgym.trainer.extract import cut

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]
# A part of them: all are played by `pivotgym tasks validate browsing`.
SHOP = [task.id for task in shop.tasks()][::5]
MINIWOB = [f"miniwob/{page}-{number}" for page in sorted(PROGRAMS) for number in range(1, miniwob.EACH + 1)][::8]


@pytest.fixture(scope="module")
def runtime():
    pages.fetch()
    made = Runtime(domain())
    yield made
    made.close()
    made.domain.close()


def checked(runtime, name):
    found = validate(runtime, runtime.task(name), times=1)
    return [(run.name, run.outcomes, run.error) for run in found.runs if not run.ok]


@pytest.mark.parametrize("name", ["shop/newsletter-1", "miniwob/click-button-1"])
def test_a_task_pays_its_oracle_and_nothing_else(runtime, name):
    assert checked(runtime, name) == []


@pytest.mark.parametrize("name", SHOP)
def test_each_task_of_the_shop_pays_its_oracle_and_no_wrong_run(runtime, name):
    assert checked(runtime, name) == []


@pytest.mark.parametrize("name", MINIWOB)
def test_each_page_of_miniwob_pays_its_oracle_and_no_wrong_run(runtime, name):
    assert checked(runtime, name) == []


def test_an_oracles_run_becomes_pivots_that_replay(runtime):
    [run] = gold_trajectories(runtime, [runtime.task("shop/drop_address-1")])
    turns = runtime.domain.candidates(run)
    assert turns == [1, 2, 3, 4]
    for turn in turns:
        assert runtime.check(cut(run, turn)).reward == 1


def test_an_oracle_that_does_not_fit_its_page_is_a_failure_of_ours(runtime):
    world = runtime.domain.world()
    world.start(Origin.model_validate({"kind": "site", "site": "shop", "seed": 1}), 0)
    pilot = Pilot(world)
    with pytest.raises(WorldFailed, match=r"oracle: there is no button 'Buy all' on http://shop.test/"):
        pilot.click("button", "Buy all")
    with pytest.raises(WorldFailed, match=r"oracle: click .* was refused"):
        pilot.do("click", id=9999)
    world.close()


def test_an_action_of_the_second_step_depends_on_the_page_of_the_first(runtime):
    """The oracle reads numbers of elements from what it sees; another task's run does not fit."""
    task = runtime.task("miniwob/odd-or-even-1")
    other = runtime.domain.gold(runtime.task("miniwob/odd-or-even-2"))
    assert play(runtime, task, other).outcome == 0.0
    assert all(isinstance(action, Action) for action in runtime.domain.gold(task)[0])
