"""Verdicts on pages through the domain's real runtime: what ends the same is equivalent, however it was done."""

import pytest
from page_steps import action

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Action, Message
from pivotgym.core.trajectory import Origin, Pivot, Step
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.browsing import domain
from pivotgym.envs.browsing.pages import browser, sites
from pivotgym.envs.browsing.pages.actions import REFERENCED, TOOLS
from pivotgym.envs.browsing.pages.contract import Response

FILLED = [("fill", {"id": 5, "text": "Ann"})]


@pytest.fixture(scope="module")
def runtime(chromium):
    patch = pytest.MonkeyPatch()
    patch.setattr(browser, "_shared", chromium)
    made = Runtime(domain())
    yield made
    made.close()
    patch.undo()


def pivot(expert, *prefix, tools=TOOLS, **origin):
    """A pivot on the guest book."""
    return Pivot(
        id="guestbook:1",
        domain="browsing",
        messages=[Message(role="user", content="Sign the guest book.")],
        tools=tools,
        origin=Origin(**{"kind": "site", "site": "guestbook", **origin}),
        prefix=[Step(action=action(call)) for call in prefix],
        reference=expert if isinstance(expert, Action) else action(expert),
    )


@pytest.mark.parametrize(
    ("prefix", "expert", "candidate", "outcome"),
    [
        (FILLED, ("click", {"id": 10}), ("press", {"key": "Enter", "id": 5}), "equivalent"),
        (FILLED, ("click", {"id": 10}), ("click", {"id": 9}), "different"),
        (FILLED, ("click", {"id": 10}), ("look", {}), "different"),
        ([], ("click", {"id": 9}), ("click", {"id": 8}), "equivalent"),
        ([], ("select", {"id": 7, "value": "Bad"}), ("select", {"id": 7, "value": "b"}), "equivalent"),
        ([], ("select", {"id": 7, "value": "Bad"}), ("select", {"id": 7, "value": "Good"}), "different"),
        ([], ("fill", {"id": 5, "text": "Ann"}), ("fill", {"id": 5, "text": "ann"}), "different"),
        ([], ("goto", {"url": "/thanks"}), ("goto", {"url": "http://book.test/thanks"}), "equivalent"),
        ([], ("goto", {"url": "/thanks"}), ("goto", {"url": "http://other.test/thanks"}), "different"),
        ([], ("click", {"id": 5}), ("look", {}), "different"),
        ([], ("look", {}), ("goto", {"url": "http://other.test/"}), "different"),
        ([], ("done", {"answer": "21 inches"}), ("done", {"answer": "21"}), "equivalent"),
        ([], ("done", {"answer": "21"}), ("done", {"answer": "22"}), "different"),
        ([], ("done", {}), ("done", {"answer": "all done"}), "equivalent"),
        ([], ("click", {"id": 10}), ("click", {"id": 99}), "invalid"),
        ([], ("click", {"id": 10}), ("click", {"ref": 10}), "invalid"),
    ],
)
def test_a_candidate_is_judged_by_where_it_ends(runtime, prefix, expert, candidate, outcome):
    assert runtime.verify(pivot(expert, *prefix), action(candidate)).outcome == outcome


def test_a_click_by_coordinates_inside_the_element_is_a_click_on_it(runtime, book):
    book.pages["/first"] = "<style>*{margin:0}</style><button style='width:80px;height:20px'>a</button><script>\
document.querySelector('button').onclick = (e) => e.target.textContent = 'hit'</script>"
    clicked = pivot(("click", {"id": 1}), first="/first", site="scripted")
    assert runtime.verify(clicked, action(("click_xy", {"x": 70, "y": 5}))).outcome == "equivalent"
    assert runtime.verify(clicked, action(("click_xy", {"x": 90, "y": 5}))).outcome == "different"


def test_two_calls_may_do_what_the_expert_does_in_one(runtime):
    expert = action(("fill", {"id": 5, "text": "Ann"}), ("click", {"id": 10}))
    candidate = action(("fill", {"id": 5, "text": "Ann"}), ("press", {"key": "Enter"}))
    verdict = runtime.verify(pivot(expert), candidate)
    assert (verdict.outcome, verdict.method, verdict.executed) == ("equivalent", "page_state", True)


def test_the_same_calls_are_accepted_without_a_browser(runtime):
    verdict = runtime.verify(pivot(("click", {"id": 10})), action(("click", {"id": 10})))
    assert (verdict.outcome, verdict.method, verdict.executed) == ("equivalent", "same_calls", False)


def test_saying_something_is_not_acting(runtime):
    verdict = runtime.verify(pivot(("click", {"id": 10})), Action(content="I click on Sign."))
    assert (verdict.outcome, verdict.reason) == (
        "different",
        "the expert acts on the page, this action only says something",
    )


def test_an_action_without_text_and_call_is_invalid(runtime):
    assert runtime.verify(pivot(("click", {"id": 10})), Action()).outcome == "invalid"


def test_what_differs_is_told(runtime):
    verdict = runtime.verify(pivot(("goto", {"url": "/thanks"})), action(("goto", {"url": "/other"})))
    assert verdict.reason == "it ends elsewhere than the expert's action: url, tabs, tree, document differ"
    assert verdict.evidence["url"] == ["http://book.test/thanks", "http://book.test/other"]


def test_an_expert_whose_own_action_cannot_be_run_is_refused(runtime):
    with pytest.raises(PivotRefused, match="the expert's own action cannot be run"):
        runtime.verify(pivot(("click", {"id": 99})), action(("click", {"id": 10})))


GAME = """<style>*{margin:0}</style><input id=f onfocus="this.dataset.f=1"><button id=b>Go</button><script>
window.result = {done: false, reward: 0};
document.querySelector('#b').onclick = () => { window.result = {done: true, reward: f.value.length > 2 ? 1 : -1};
  document.body.append(f.value); };</script>"""
REFS = {"1": {"css": "#f"}, "2": {"css": "#b", "bbox": [500, 300, 40, 20]}}


@pytest.fixture
def game(book, monkeypatch):
    class Game(sites.SITES["scripted"]):
        def ended_script(self):
            return "JSON.stringify(window.result)"

    monkeypatch.setitem(sites.SITES, "game", Game)
    book.pages["/first"] = GAME
    return {"site": "game", "first": "/first", "refs": REFS, "tools": REFERENCED}


@pytest.mark.parametrize(("text", "outcome"), [("abc", "equivalent"), ("xyz", "equivalent"), ("ab", "different")])
def test_what_follows_decides_where_the_states_differ(runtime, game, text, outcome):
    follows = [{"name": "click", "arguments": {"ref": 2}}]
    typed = pivot(("type", {"ref": 1, "text": "uvw"}), continuation=follows, **game)
    verdict = runtime.verify(typed, action(("type", {"ref": 1, "text": text})))
    assert (verdict.outcome, verdict.method) == (outcome, "page_result")


def test_without_what_follows_another_text_is_another_state(runtime, game):
    typed = pivot(("type", {"ref": 1, "text": "uvw"}), **game)
    assert runtime.verify(typed, action(("type", {"ref": 1, "text": "xyz"}))).outcome == "different"


def test_a_point_of_the_recording_is_found_in_this_layout(runtime, game):
    prefix = [("type", {"ref": 1, "text": "abc"})]
    clicked = pivot(("click", {"ref": 2}), *prefix, **game)
    assert runtime.verify(clicked, action(("click_xy", {"x": 505, "y": 318}))).outcome == "equivalent"
    assert runtime.verify(clicked, action(("click_xy", {"x": 505, "y": 418}))).outcome == "different"


def test_an_element_the_recording_does_not_know_is_invalid(runtime, game):
    verdict = runtime.verify(pivot(("click", {"ref": 2}), **game), action(("click", {"ref": 9})))
    assert (verdict.outcome, verdict.reason) == ("invalid", "ref: no element of this page is 9; known are 1, 2")


def test_without_an_origin_the_text_decides(runtime):
    row = pivot(("click", {"id": 10})).model_copy(update={"origin": Origin(kind="none")})
    same, other = (runtime.verify(row, action(("click", {"id": one}))) for one in (10, 9))
    assert (same.outcome, other.outcome, other.method, other.executed) == (
        "equivalent",
        "different",
        "same_arguments",
        False,
    )


def test_a_proven_pivot_is_deterministic(runtime):
    assert runtime.check(pivot(("click", {"id": 10}), *FILLED)).reward == 1.0


def test_each_state_of_a_prefix_is_kept(runtime, book):
    book.pages["/first"] = lambda request: Response(b"<a href=/>in</a>")
    runtime.prepare(pivot(("click", {"id": 10}), ("click", {"id": 1}), *FILLED, first="/first"))
    replayed = runtime.states.replayed
    runtime.prepare(pivot(("click", {"id": 9}), ("click", {"id": 1}), *FILLED, first="/first"))
    assert runtime.states.replayed == replayed
