"""States of the shop: built once, then restored without replaying, also after the cache has dropped them."""

import pytest
from page_steps import action, seen

from pivotgym.core.messages import Message
from pivotgym.core.trajectory import Origin, Pivot, Step
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.base.states import StateCache
from pivotgym.envs.browsing import domain
from pivotgym.envs.browsing.pages import browser
from pivotgym.envs.browsing.pages.actions import TOOLS
from pivotgym.envs.browsing.pages.sites.shop import Shop
from pivotgym.envs.browsing.pages.world import PageWorld

SHOP = Origin(kind="site", site="shop", seed=3)
STEPS = [Step(action=action(("goto", {"url": "/contact"}))), Step(action=action(("goto", {"url": "/search?q=lamp"})))]


@pytest.fixture
def asked(chromium, monkeypatch):
    """The addresses that are asked of any shop."""
    monkeypatch.setattr(browser, "_shared", chromium)
    found, handle = [], Shop.handle
    monkeypatch.setattr(Shop, "handle", lambda shop, request: found.append(request.url) or handle(shop, request))
    return found


def pages(asked):
    """Without style sheets and icons, which a restored page may load again."""
    return [url for url in asked if "/static" not in url and not url.endswith((".css", ".ico", ".svg"))]


@pytest.mark.slow
def test_a_second_session_on_a_pivot_replays_nothing(asked):
    states = StateCache(PageWorld)
    first = states.get(SHOP, STEPS)
    shown, before, replayed = seen(first), len(pages(asked)), states.replayed
    for _ in range(2):
        again = states.get(SHOP, STEPS)
        assert seen(again) == shown
        assert again.digest() == first.digest()
        again.close()
    assert pages(asked)[before:] == []
    assert states.replayed == replayed == 2
    first.close()
    states.clear()


@pytest.mark.slow
def test_a_state_that_the_cache_dropped_is_built_again_as_it_was(asked):
    states = StateCache(PageWorld, max_states=1)
    first, other = states.get(SHOP, STEPS), states.get(SHOP, STEPS[:1])
    again = states.get(SHOP, STEPS)
    assert again.digest() == first.digest() != other.digest()
    for world in (first, other, again):
        world.close()
    states.clear()


@pytest.mark.slow
def test_a_second_verdict_runs_the_candidate_alone(asked):
    runtime = Runtime(domain())
    pivot = Pivot(
        id="shop:1",
        domain="browsing",
        messages=[Message(role="user", content="Open the help page.")],
        tools=TOOLS,
        origin=SHOP,
        prefix=STEPS,
        reference=action(("goto", {"url": "/help"})),
    )
    assert runtime.verify(pivot, action(("goto", {"url": "http://shop.test/help"}))).outcome == "equivalent"
    before, replayed = len(pages(asked)), runtime.states.replayed
    assert runtime.verify(pivot, action(("goto", {"url": "/contact"}))).outcome == "different"
    assert pages(asked)[before:] == ["http://shop.test/contact"]
    assert runtime.states.replayed == replayed
    runtime.close()
