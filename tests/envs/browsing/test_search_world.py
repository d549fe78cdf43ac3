"""The search world over a small corpus: what tools show, what counts as state, and what a pivot pays."""

import json

import pytest

from pivotgym.core.errors import InputError, MissingDependency, NotFound, PivotRefused, WrongState
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin, Pivot, Step
from pivotgym.envs.base import sources
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.browsing import domain
from pivotgym.envs.browsing.search.world import SearchWorld

ORIGIN = Origin.model_validate({"kind": "corpus", "corpus": "towns.jsonl"})
BARWICK, CALMERE = "https://a.example/barwick", "https://a.example/calmere"


def act(name, **arguments):
    return Action.model_validate({"tool_calls": [{"name": name, "arguments": arguments}]})


@pytest.fixture
def world(towns):
    made = SearchWorld()
    made.start(ORIGIN, 0)
    return made


@pytest.fixture
def runtime(towns):
    made = Runtime(domain())
    yield made
    made.close()


def pivot(reference, **fields):
    fields = {"messages": [], "origin": ORIGIN, **fields}
    return Pivot(id="run:0", domain="browsing", reference=reference, **fields)


def show(world, action):
    return world.run(action).observations[0]


def test_a_search_shows_title_address_and_snippet(world):
    shown = show(world, act("search", query=["Calmere founded"]))
    assert shown.startswith("A search for 'Calmere founded' found 3 results:\n\n## Web Results\n1. [Calmere](")
    assert "Calmere was founded in 1303" in shown


def test_a_batch_shows_each_query(world):
    shown = show(world, act("search", query=["Calmere", "nowhere"]))
    assert shown.split("\n=======\n")[1] == "No results found for 'nowhere'. Try other words."


def test_a_page_is_opened_by_any_of_its_addresses(world):
    assert show(world, act("visit", url=["a.example/old-calmere"], goal="when")).startswith(f"Calmere\n{CALMERE}\n\n")


def test_an_unknown_page_is_an_error_of_the_tool(world):
    effects = world.run(act("open", url="https://a.example/none"))
    assert (effects.failed, effects.observations) == ([True], ["Error: no page is known at https://a.example/none"])


def test_words_are_found_on_the_page_in_front(world):
    world.run(act("open", url="https://a.example/wend"))
    assert show(world, act("find", text="two towns")) == "- Two towns lie on it."
    assert show(world, act("find", text="castle")) == "'castle' was not found on the page."


def test_to_find_words_a_page_must_be_open_or_named(world):
    assert show(world, act("find", text="a")) == "Error: no page is open; open one first, or name it in `url`"
    assert show(world, act("find", text="1203", url=BARWICK)) == "- Barwick was founded in 1203 on the river Wend."


def test_a_tool_that_is_not_there_is_an_error(world):
    assert show(world, act("fly", to="a")) == "Error: there is no tool called 'fly' here"
    assert show(world, act("search")) == "Error: search: expected queries in 'query', got none"


def test_searches_change_nothing_and_pages_do(world):
    before = world.digest()
    world.run(act("search", query=["Calmere"]))
    assert world.digest() == before
    world.run(act("open", url=CALMERE))
    assert world.digest() != before


def test_the_order_of_pages_does_not_count_but_for_the_last(world):
    other, third = world.fork(), world.fork()
    for one, urls in ((world, "abc"), (other, "bac"), (third, "acb")):
        for url in urls:
            one.run(act("open", url={"a": BARWICK, "b": CALMERE, "c": "https://a.example/tern"}[url]))
    assert world.digest() == other.digest() != third.digest()


def test_forks_are_independent(world):
    fork = world.fork()
    fork.run(act("finish", answer="1203"))
    assert (fork.over(), world.over()) == (True, False)


def test_nothing_follows_an_answer(world):
    world.run(act("finish", answer="1203"))
    assert show(world, act("search", query="a")) == "Error: the answer was given, no call can follow"


def test_long_pages_are_cut_and_passages_for_the_goal_come_first(tmp_path):
    text = "Nothing here. " * 600 + "The bell weighs nine tonnes."
    file = tmp_path / "long.jsonl"
    file.write_text(f'{{"url": "https://a.example/", "title": "Long", "text": "{text}"}}\n')
    sources.configure({"corpus": file})
    try:
        world = SearchWorld()
        world.start(Origin.model_validate({"kind": "corpus", "corpus": "long"}), 0)
        shown = show(world, act("visit", url="https://a.example/", goal="weight of the bell: tonnes"))
    finally:
        sources.forget("corpus")
    assert "Passages for the goal:\n- The bell weighs nine tonnes.\n" in shown
    assert shown.endswith(f"[cut: {len(text) - 6000} more characters]")


def test_queries_that_reach_the_same_are_equivalent(runtime):
    at = pivot(act("search", query=["Calmere foundation"]))
    same = runtime.verify(at, act("search", query=["town of Calmere"]))
    assert (same.outcome, same.method, same.executed) == ("equivalent", "search_results", True)
    assert runtime.verify(at, act("search", query=["heron"])).outcome == "different"


def test_evidence_that_the_pivot_carries_must_be_reached(runtime):
    at = pivot(act("search", query=["river Wend town"]), accepted={"pages": ["http://a.example/wend/"]})
    missed = runtime.verify(at, act("search", query=["Calmere founded"]))
    assert missed.outcome == "different"
    assert "it does not find a.example/wend, which the trajectory goes on to use" in missed.reason


def test_a_page_with_the_same_text_or_a_redirect_is_the_same_page(runtime):
    assert (
        runtime.verify(pivot(act("open", url=BARWICK)), act("open", url="https://mirror.example/barwick")).reward == 1
    )
    assert runtime.verify(pivot(act("open", url=CALMERE)), act("open", url="https://a.example/old-calmere")).reward == 1
    assert runtime.verify(pivot(act("open", url=BARWICK)), act("open", url=CALMERE)).reward == 0


def test_pages_of_one_snippet_are_two_pages(tmp_path):
    rows = [{"url": f"https://a.example/{name}", "title": "A will", "snippet": "He signed it."} for name in "ab"]
    (tmp_path / "wills.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources.configure({"corpus": tmp_path / "wills.jsonl"})
    runtime = Runtime(domain())
    try:
        opened = act("open", url="https://a.example/a")
        at = pivot(opened, origin=Origin.model_validate({"kind": "corpus", "corpus": "wills.jsonl"}))
        assert runtime.verify(at, act("open", url="https://www.a.example/a")).reward == 1
        assert runtime.verify(at, act("open", url="https://a.example/b")).reward == 0
    finally:
        runtime.close()
        sources.forget("corpus")


def test_pages_that_the_corpus_lacks_are_compared_by_address(runtime):
    at = pivot(act("open", url="https://far.example/a"))
    assert runtime.verify(at, act("open", url="https://FAR.example/a/")).reward == 1
    assert runtime.verify(at, act("open", url="https://far.example/b")).reward == 0


def test_a_search_after_the_answer_reaches_nothing(runtime):
    late = act("finish", answer="a").tool_calls + act("search", query=["Calmere"]).tool_calls
    first = act("search", query=["Calmere"]).tool_calls + act("finish", answer="a").tool_calls
    at = pivot(
        Action(tool_calls=act("search", query=["town Calmere"]).tool_calls + act("finish", answer="a").tool_calls)
    )
    assert runtime.verify(at, Action(tool_calls=first)).reward == 1
    assert runtime.verify(at, Action(tool_calls=late)).reward == 0


def test_finding_the_same_passage_is_the_same(runtime):
    opened = [Step(action=act("open", url=BARWICK))]
    at = pivot(act("find", text="founded in 1203"), prefix=opened)
    assert runtime.verify(at, act("find", text="Barwick founded", url=BARWICK)).reward == 1
    assert runtime.verify(at, act("find", text="castle")).reward == 0


def test_an_experts_action_checks_out(runtime):
    assert runtime.check(pivot(act("search", query=["Calmere"]))).reward == 1


def test_a_recorded_observation_that_differs_refuses_the_pivot(runtime):
    step = Step(action=act("search", query=["Calmere"]), observations=("what a live engine found",))
    with pytest.raises(PivotRefused, match="the replay differs from the recording"):
        runtime.verify(pivot(act("open", url=BARWICK), prefix=[step]), act("open", url=CALMERE))


def test_observations_recorded_elsewhere_are_not_compared(runtime):
    step = Step(action=act("open", url=BARWICK), observations=("as a live engine showed it",))
    elsewhere = Origin.model_validate({**ORIGIN.model_dump(), "recorded": "elsewhere"})
    at = pivot(act("find", text="founded in 1203"), prefix=[step], origin=elsewhere)
    assert runtime.verify(at, act("find", text="Barwick founded")).reward == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "miniwob"}, "expected the kind 'corpus', got 'miniwob'"),
        ({"kind": "corpus"}, "corpus: expected a corpus's name, got None"),
        ({"kind": "corpus", "corpus": "../etc"}, "corpus: expected a name of letters"),
        ({"kind": "corpus", "corpus": "towns", "index": 1}, "no field is called 'index'"),
        ({"kind": "corpus", "corpus": "towns", "recorded": "here"}, "recorded: expected 'elsewhere', got 'here'"),
    ],
)
def test_origins_with_wrong_fields_are_told(towns, fields, message):
    with pytest.raises(InputError, match=message):
        SearchWorld().start(Origin.model_validate(fields), 0)


def test_a_corpus_of_another_name_is_not_taken(towns):
    with pytest.raises(NotFound, match=r"it has none called 'other.jsonl'"):
        SearchWorld().start(Origin.model_validate({"kind": "corpus", "corpus": "other.jsonl"}), 0)


def test_without_the_source_the_message_says_how_to_configure_it():
    with pytest.raises(MissingDependency, match="source 'corpus': not configured") as caught:
        SearchWorld().start(ORIGIN, 0)
    assert "--source corpus=FOLDER" in (caught.value.hint or "")


def test_a_world_that_is_not_started_says_so():
    with pytest.raises(WrongState, match="not started"):
        SearchWorld().digest()
