"""What holds for any call and any white space: the table of tools, and the document that is compared."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_steps import seen

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Message, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Pivot
from pivotgym.envs.base.contract import Task
from pivotgym.envs.browsing.pages import actions, sites
from pivotgym.envs.browsing.pages.contract import Site
from pivotgym.envs.browsing.pages.world import PageWorld
from pivotgym.verifiers.pages import PARTS, PLACES, PageComparator, differing

NAMES = sorted(tool.name for tool in actions.TOOLS)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.none())
ARGUMENTS = st.dictionaries(st.sampled_from(["id", "text", "x", "y", "url", "key", "index", "?"]) | st.text(), VALUES)
STATES = st.fixed_dictionaries({part: st.sampled_from("ab") for part in (*PARTS, *PLACES)})


@given(st.sampled_from(NAMES) | st.text(max_size=5), ARGUMENTS, st.booleans())
def test_any_call_has_a_problem_or_none(name, arguments, by_ref):
    found = actions.problem(ToolCall(name=name, arguments=arguments), by_ref)
    assert found is None or (isinstance(found, str) and found)
    if name not in {*NAMES, "type"}:
        assert found is not None


def reached(before, after):
    detail = {"before": {**before, "answer": None}, "after": {**after, "answer": None}, "notes": [], "calls": [{}]}
    detail["before"]["ended"] = detail["after"]["ended"] = {}
    return Effects(observations=[""], state="", before="", failed=[False], detail=detail)


PIVOT = Pivot(
    id="p:0",
    domain="browsing",
    messages=[Message(role="user", content="Do it.")],
    origin=Origin(kind="site", site="shop"),
    reference={"tool_calls": [{"name": "look", "arguments": {}}]},
)


@given(STATES, STATES, STATES)
def test_equal_is_what_ends_in_equal_parts(before, ours, theirs):
    expert, candidate = reached(before, ours), reached(before, theirs)
    assert differing(expert, expert) == []
    verdict = PageComparator().compare(PIVOT, expert, candidate)
    parts = [part for part in PARTS if part != "ended"]
    if any(ours[part] != theirs[part] for part in parts):
        assert verdict.outcome == "different"
    elif all(ours[part] == theirs[part] for part in PLACES):
        assert verdict.outcome == "equivalent"


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(
    st.text(alphabet=" \n\t", max_size=4), st.permutations(["b", "a", "c"]), st.permutations(['id="x"', 'lang="en"'])
)
def test_white_space_and_order_of_attributes_and_classes_do_not_count(chromium, space, classes, attributes):
    found = []
    for text in (
        '<p class="a b c" id="x" lang="en">one two</p>',
        f'<p class="{" ".join(classes)}" {" ".join(attributes)}>{space}one {space}two{space}</p>',
    ):
        sites.SITES["guestbook"].pages["/first"] = text
        world = PageWorld(chromium)
        world.start(Origin(kind="site", site="guestbook", first="/first"), 0)
        seen(world)
        found.append(world.state.parts)
        world.close()
    assert found[0] == found[1]


def test_a_site_without_tasks_refuses_them():
    site = sites.site_of({"kind": "site", "site": "guestbook"})
    task = Task("book/1", Origin(kind="site", site="guestbook"), [], [])
    with pytest.raises(PivotRefused, match="the site 'guestbook' has no tasks"):
        Site.outcome(site, task, {})
