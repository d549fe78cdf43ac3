"""The shop's tasks by their goals and outcomes, without a browser."""

import subprocess
import sys
from collections import Counter

import pytest

from pivotgym.core.messages import Message
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base.contract import Task
from pivotgym.envs.browsing.pages.contract import Request
from pivotgym.envs.browsing.pages.sites.shop import ADDRESS, Shop
from pivotgym.envs.browsing.pages.sites.shop.checking import changes, fulfilled, record
from pivotgym.envs.browsing.pages.sites.shop.state import begin
from pivotgym.envs.browsing.pages.tasks import shop
from pivotgym.envs.browsing.pages.tasks.shop.oracles import PROGRAMS

ORIGIN = {"kind": "site", "site": "shop", "seed": 1, "signed_in": True}
TICKED = ("wrapped", "default", "topic", "newsletter")
"""Facts that a goal tells in other words than the page."""
TASKS = {task.id: task for task in shop.tasks()}


def wanting(wanted, question="Do it.", **more):
    return Task(
        id="one",
        origin=Origin.model_validate(ORIGIN),
        messages=[Message(role="user", content=question)],
        tools=[],
        metadata={"wanted": wanted, **more},
    )


def after(*forms):
    """The state after some forms `(path, body)` were sent by the browser that is signed in."""
    site = Shop()
    site.start(ORIGIN, 0)
    cookie = site.handle(Request("GET", f"{ADDRESS}/")).headers["set-cookie"].partition(";")[0]
    for path, body in forms:
        site.handle(Request("POST", f"{ADDRESS}{path}", {"cookie": cookie}, body.encode()))
    return site.state


WEEKLY = ("/account/newsletter", "newsletter=weekly")
WANTS_WEEKLY = {"accounts/1/newsletter": "weekly"}


def test_there_are_two_tasks_of_eighteen_kinds():
    kinds = Counter(task.metadata["kind"] for task in TASKS.values())
    assert len(kinds) == 18
    assert set(kinds.values()) == {2}


def test_each_kind_has_its_oracle():
    assert {task.metadata["kind"] for task in TASKS.values()} <= set(PROGRAMS)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_nothing_and_any_answer_alone_pay_nothing(task):
    site = Shop()
    site.start(task.origin.model_dump(), 0)
    assert site.outcome(task, {}) == 0.0
    assert site.outcome(task, {"answer": "yes"}) == 0.0


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_what_a_goal_asks_for_stands_in_its_text(task):
    text = task.messages[-1].text.lower()
    told = {name: value for name, value in task.metadata["facts"].items() if name not in TICKED}
    assert [name for name, value in told.items() if value.lower() not in text] == []


def test_listing_tasks_starts_no_browser():
    code = (
        "from pivotgym.envs.browsing import domain; import os, sys; domain().tasks(); "
        "children = open(f'/proc/self/task/{os.getpid()}/children').read(); "
        "sys.exit(bool(children.strip()) or 'playwright' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_exactly_what_is_wanted_pays():
    assert fulfilled(wanting(WANTS_WEEKLY), after(WEEKLY), None)


def test_something_else_beside_it_pays_nothing():
    assert not fulfilled(wanting(WANTS_WEEKLY), after(WEEKLY, ("/newsletter", "email=a%40b.example")), None)


def test_something_else_that_is_left_open_does_not_count():
    done = after(WEEKLY, ("/newsletter", "email=a%40b.example"))
    assert fulfilled(wanting(WANTS_WEEKLY, open=["subscribers/*"]), done, None)


def test_another_value_pays_nothing():
    assert not fulfilled(wanting(WANTS_WEEKLY), after(("/account/newsletter", "newsletter=monthly")), None)


def test_what_is_wanted_counts_even_where_it_is_left_open():
    wanted = wanting(WANTS_WEEKLY, open=["accounts/1/*"])
    assert not fulfilled(wanted, after(("/account/newsletter", "newsletter=monthly")), None)


def test_what_was_deleted_is_a_change():
    gone = changes(record(begin(1)), record(after(("/account/addresses/2/delete", ""))))
    assert set(gone.values()) == {""}
    assert {path.rpartition("/")[0] for path in gone} == {"accounts/1/addresses/2"}


def test_the_same_order_twice_is_not_the_same():
    one = next(one for one in begin(1).goods.values() if not one.sizes and one.left("", one.colours[0]) > 3)
    buy = ("/cart/add", f"product={one.slug}&colour={one.colours[0]}&count=1")
    order = ("/checkout", "address=1&shipping=standard&payment=invoice&terms=on")
    start = record(begin(1))
    once, twice = (changes(start, record(after(*[buy, order] * times))) for times in (1, 2))
    assert once.items() < twice.items()


@pytest.mark.parametrize(
    ("answer", "pays"),
    [("€43.70", True), ("43.70 euros", True), ("It was €43.70.", True), ("€34.70", False), ("", False), (None, False)],
)
def test_an_answer_is_judged_by_its_value(answer, pays):
    asks = wanting({}, "How much did I pay?", answers=["€43.70", "43.70", "43.70 euros"])
    assert fulfilled(asks, begin(1), answer) is pays


def test_a_question_allows_no_changes():
    asks = wanting({}, "How much did I pay?", answers=["€43.70"])
    assert not fulfilled(asks, after(WEEKLY), "€43.70")
