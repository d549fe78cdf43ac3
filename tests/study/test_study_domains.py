"""The study's domains: splits that share nothing, experts that pay in several ways, a real server that says so."""

import re
from contextlib import closing
from itertools import islice
from random import Random

import pytest

from pivotgym.core.errors import InputError, NotFound
from pivotgym.core.formats.chatml import END
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.tasks import play
from pivotgym.envs.sandbox.backends import default_backend
from pivotgym.study.domains import NAMES, study_domain, terminal, tool_use
from pivotgym.study.domains.commands import ERRANDS
from pivotgym.study.domains.shop import TOOLS, Shop
from pivotgym.study.text import names, plain, split_of
from pivotgym.trainer.extract import cut

MODULES = {"tool_use": tool_use, "terminal": terminal}
sandboxes = pytest.mark.skipif(default_backend().missing() is not None, reason="no sandbox can be opened here")
BOTH = ["tool_use", pytest.param("terminal", marks=[sandboxes, pytest.mark.slow])]


def stories_of(name, split, count):
    """The first stories of a split."""
    found = MODULES[name]._split(split)[:count]
    return [one.story for one in found] if name == "terminal" else list(found)


def words_in(task):
    return set(re.findall("[a-z]+", task.messages[1].text))


def test_an_unknown_domain_is_named():
    with pytest.raises(NotFound, match=r"domain: expected one of \['tool_use', 'terminal'\], got 'swe'"):
        study_domain("swe")


@pytest.mark.parametrize("name", NAMES)
def test_splits_ask_for_other_things(name):
    kinds = [{tuple(task.metadata["kind"]) for task in study_domain(name).tasks(split)} for split in ("train", "eval")]
    assert all(kinds)
    assert not kinds[0] & kinds[1]


def test_no_name_is_trained_on_and_evaluated_on():
    train, held, text = (set(names(split)) for split in ("train", "eval", "text"))
    assert min(len(train), len(held)) >= 40, "a task draws as many"
    assert not train & held
    assert train | held == text


@pytest.mark.parametrize("name", NAMES)
def test_tasks_use_the_names_of_their_split_alone(name):
    for split, other in (("train", "eval"), ("eval", "train")):
        said = set.union(*(words_in(task) for task in study_domain(name).tasks(split)))
        assert said & set(names(split))
        assert not said & set(names(other))


@pytest.mark.parametrize("name", NAMES)
def test_tasks_are_the_same_every_time(name):
    first = [task.id for task in study_domain(name).tasks("eval")]
    MODULES[name]._split.cache_clear()
    again = study_domain(name).tasks("eval")
    assert [task.id for task in again] == first
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("name", NAMES)
def test_experts_of_another_seed_do_it_in_another_way(name):
    def ways(seed):
        return [[str(one) for one in story.expert(Random(f"{seed}/{story.task.id}"))] for story in stories]

    stories = stories_of(name, "train", 40)
    assert ways(0) == ways(0)
    assert sum(one != other for one, other in zip(ways(0), ways(1), strict=True)) > 15


@pytest.mark.parametrize("name", BOTH)
def test_each_expert_pays_1_and_doing_nothing_0(name):
    domain = MODULES[name].domain()
    with closing(Runtime(domain)) as runtime:
        for story in stories_of(name, "eval", 4 if name == "terminal" else 80):
            paid = {play(runtime, story.task, attempt.actions).outcome for attempt in domain.attempts(story.task)}
            assert paid == {1.0}, story.task.id
            assert play(runtime, story.task, []).outcome == 0.0, story.task.id


@sandboxes
@pytest.mark.slow
def test_each_expert_of_the_terminal_pays():
    for split in ("train", "eval"):
        assert all(run.outcome == 1.0 for run in study_domain("terminal").experts(split, 7))


@pytest.mark.parametrize("name", BOTH)
def test_ways_of_one_thing_are_functionally_equivalent(name):
    """At each turn of an expert, the other spellings of the same thing earn what the expert's own earns."""
    domain = MODULES[name].domain()
    with closing(Runtime(domain)) as runtime:
        pairs = same_things(name)
        assert any(pivot.reference != action for pivot, action in pairs)
        assert {runtime.verify(pivot, action).reward for pivot, action in pairs} == {1.0}


def same_things(name):
    """Pivots with another expert's action there, where both did the same things in the same order."""
    found = []
    stories = {story.task.id: story for story in stories_of(name, "train", 2 if name == "terminal" else 20)}
    for run in MODULES[name].stories.experts(MODULES[name].domain(), stories.values(), "train", 0):
        task = stories[run.metadata["task"]].task
        own = [run.at(turn)[1] for turn in range(len(run.turns()) - 1)]
        others = (stories[task.id].expert(Random(seed)) for seed in range(1, 200))
        alike = (actions for actions in others if about(task, actions) == about(task, own) and actions != own)
        other = next(alike, own)
        found += [(cut(run, turn), action) for turn, action in enumerate(other)]
    return found


def about(task, actions):
    """What actions are about, whatever their spelling: the task's names in them."""
    known = words_in(task) & set(names("train"))
    return [sorted(word for word in known if word in str(action)) for action in actions]


@pytest.mark.parametrize("name", BOTH)
def test_text_asks_for_what_no_task_does(name):
    texts = list(islice(study_domain(name).text(0), 6))
    assert texts == list(islice(study_domain(name).text(0), 6))
    assert all(text.endswith(f"Done.{END}") for text in texts)
    asked = {task.messages[1].text for split in ("train", "eval") for task in study_domain(name).tasks(split)}
    assert not any(text.split("user\n")[1].split(END)[0] in asked for text in texts)


def test_plain_text_is_of_no_domain():
    texts = list(islice(plain(0), 5))
    assert texts == list(islice(plain(0), 5))
    assert all("<|" not in text and text[0].isupper() and text.endswith(".") for text in texts)


def test_a_kind_is_in_one_split_only():
    assert {split_of("/".join((one, other))) for one in ERRANDS for other in ERRANDS} == {"train", "eval", "text"}


@pytest.mark.parametrize("name", BOTH)
def test_the_server_plays_a_task_to_its_outcome(name):
    story = stories_of(name, "eval", 1)[0]
    with study_domain(name).serve() as client, client.session(task_id=story.task.id) as session:
        results = [session.step(action) for action in [*story.expert(Random(3)), Action(content="Done.")]]
    assert results[-1].terminated
    assert results[-1].reward == 1.0


def shop():
    """A shop with one order of two things."""
    found = Shop()
    customers = {"bako": {"12": {"city": "tiru", "items": {"lamp": 2, "cup": 1}}}}
    found.start(Origin(kind="study_shop", customers=customers), 0)
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("add", {"order": 12, "item": "cup"}), ("add", {"order": 12, "item": "cup", "quantity": 1})),
        (("add", {"order": 12, "item": "cup", "quantity": 2}), ("set", {"order": 12, "item": "cup", "quantity": 3})),
        (("drop", {"order": 12, "item": "cup"}), ("set", {"order": 12, "item": "cup", "quantity": 0})),
        (("wrap", {"order": 12}), ("wrap", {"order": 12, "paper": "plain"})),
        (("cancel", {"order": 12}), ("cancel", {"order": 12.0, "refund": "card"})),
    ],
)
def test_the_shop_has_two_ways(one, other):
    first, second = shop(), shop()
    assert first.call(*one) == second.call(*other) == "ok"
    assert first.digest() == second.digest() != shop().digest()


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("find", {"customer": "mona"}, "Error: no customer mona"),
        ("ship", {"order": 13, "city": "kolo"}, "Error: no order 13"),
        ("ship", {"order": "12", "city": "kolo"}, "Error: no order 12"),
        ("drop", {"order": 12, "item": "hat"}, "Error: no hat in 12"),
        ("swap", {"order": 12, "item": "hat", "new": "cup"}, "Error: no hat in 12"),
        ("set", {"order": 12, "item": "cup", "quantity": -1}, "Error: no quantity -1"),
        ("wrap", {"order": 12, "paper": "blue"}, "Error: no paper blue"),
        ("cancel", {"order": 12, "refund": "cash"}, "Error: no refund cash"),
        ("pay", {}, "Error: no tool pay"),
        ("ship", {"order": 12}, "Error: wrong arguments for ship"),
    ],
)
def test_the_shop_refuses_in_words(name, arguments, said):
    found = shop()
    assert found.call(name, arguments) == said
    assert found.failed(said)
    assert found.digest() == shop().digest()


def test_nothing_is_done_to_a_cancelled_order():
    found = shop()
    found.call("cancel", {"order": 12})
    assert found.call("wrap", {"order": 12}) == "Error: 12 is cancelled"


def test_the_shop_tells_an_order_in_one_line():
    assert shop().call("find", {"customer": "bako"}) == "12: 2 lamp, 1 cup to tiru"


def test_an_origin_of_another_form_is_refused():
    with pytest.raises(
        InputError, match=r"customers: expected \{name: \{number: \{city, items\}\}\}, got \"\{'bako': 3\}\""
    ):
        Shop().start(Origin(kind="study_shop", customers={"bako": 3}), 0)


def test_all_tools_of_the_shop_are_there():
    arguments = {"order": 12, "item": "cup", "quantity": 1, "new": "hat", "city": "kolo", "customer": "bako"}
    for tool in TOOLS:
        given = {name: arguments[name] for name in tool.parameters["required"]}
        assert not shop().call(tool.name, given).startswith("Error"), tool.name


def test_a_call_of_the_wrong_kind_is_no_fault_of_the_shop():
    world = tool_use.domain().world()
    world.start(stories_of("tool_use", "eval", 1)[0].task.origin, 0)
    effects = world.run(Action(tool_calls=(ToolCall(name="find", arguments={"customer": ["x"]}, id="c"),)))
    assert effects.failed == [True]
