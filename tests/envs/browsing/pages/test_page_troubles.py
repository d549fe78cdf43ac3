"""What goes wrong on a page: the policy's fault, the page's own, and ours."""

import asyncio
import os
import re
import signal

import pytest
from page_steps import at, do, seen

from pivotgym.core.errors import WorldFailed
from pivotgym.core.trajectory import Origin
from pivotgym.envs.browsing.pages import browser as browsers
from pivotgym.envs.browsing.pages.browser import Browser
from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.world import PageWorld


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (("click", {"id": 99}), "id: element 99 is not on this page"),
        (("click", {}), "required argument 'id' is missing"),
        (("click", {"id": "x"}), "argument 'id' does not fit its schema"),
        (("click", {"id": 2**40}), "id: expected a number below 2"),
        (("fly", {}), "no tool is called 'fly'"),
        (("press", {"key": "Hyper+Q+Q"}), "key: expected a character or one of"),
        (("click_xy", {"x": -1, "y": 5}), "x, y: expected a point within 1024 x 768, got -1, 5"),
        (("tab_focus", {"index": 7}), r"index: no tab is \[7\]; open are \[1\]"),
        (("fill", {"id": 5, "text": "\ud800"}), "text: expected text, got half of a surrogate pair"),
        (("fill", {"id": 5, "text": "x" * 100_001}), "text: expected at most 100000 characters, got 100001"),
        (
            ("scroll", {"direction": "sideways"}),
            "direction: expected one of .'down', 'up', 'right', 'left'., got 'sideways'",
        ),
    ],
)
def test_a_call_that_cannot_be_run_is_invalid_with_its_reason(opened, call, reason):
    effects = do(opened(), call)
    assert effects.invalid is not None
    assert re.search(reason, effects.invalid)
    assert effects.observations[0].startswith(f"Error: {effects.invalid}")
    assert effects.state == effects.before


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (("goto", {"url": "https://elsewhere.test/"}), "is off-site; only addresses of http://book.test can be opened"),
        (("goto", {"url": "file:///etc/passwd"}), "is off-site"),
        (("goto", {"url": "javascript:alert(1)"}), "is off-site"),
        (("goto", {"url": "http://["}), "is off-site"),
        (("select", {"id": 5, "value": "x"}), "it is not a list of options"),
        (("select", {"id": 7, "value": "Ugly"}), 'it has no option "Ugly"; it has "Good|Bad"'),
        (("fill", {"id": 10, "text": "x"}), "it is no field to fill (button submit)"),
        (("click", {"id": 7}), "a list of options is not opened by a click"),
    ],
)
def test_what_the_browser_refuses_fails_with_its_reason(opened, call, reason):
    effects = do(opened(), call)
    assert effects.invalid is None
    assert effects.failed == [True]
    assert reason in effects.observations[0]


def test_a_link_off_the_site_leaves_the_page_as_it_is(opened):
    world = opened(page="<a href='http://127.0.0.1:1/x'>out</a>")
    text = seen(world, ("click", at(world, "link")))
    assert "Note: off-site and not opened: http://127.0.0.1:1/x" in text
    assert "URL: http://book.test/first" in text


def test_a_pop_up_becomes_a_tab_in_front(opened):
    world = opened(page="<button onclick=\"window.open('/thanks')\">Pop</button>")
    text = seen(world, ("click", at(world, "button")))
    assert "Note: a new tab [2] opened" in text
    assert "URL: http://book.test/thanks" in text
    fork = world.fork()
    assert seen(fork).splitlines()[0] == "URL: http://book.test/thanks"
    fork.close()


def test_dialogs_are_accepted_and_told(opened):
    page = (
        "<button onclick=\"alert('hi'); this.textContent = confirm('sure?') + ' ' + prompt('who?', 'me')\">Ask</button>"
    )
    world = opened(page=page)
    text = seen(world, ("click", at(world, "button")))
    assert "Note: a dialog (alert) said 'hi'; it was accepted" in text
    assert "Note: a dialog (confirm) said 'sure?'; it was accepted" in text
    assert 'button "true me"' in text


def test_a_redirect_is_followed_with_its_cookie(opened, book):
    book.pages["/old"] = lambda request: Response(b"", 302, {"Location": "/thanks", "Set-Cookie": "old=1; Path=/"})
    text = seen(opened(), ("goto", {"url": "/old"}))
    assert "URL: http://book.test/thanks" in text
    assert "cookie old=1" in text


def test_a_redirect_off_the_site_is_not_followed(opened, book):
    book.pages["/out"] = lambda request: Response(b"", 302, {"location": "http://elsewhere.test/"})
    text = seen(opened(), ("goto", {"url": "/out"}))
    assert "Note: off-site and not opened: http://elsewhere.test/" in text
    assert "URL: http://book.test/\n" in text


@pytest.mark.slow
def test_endless_redirects_end(opened, book):
    book.pages["/loop"] = lambda request: Response(b"", 302, {"location": "/loop"})
    text = seen(opened(), ("goto", {"url": "/loop"}))
    assert "Note: the page redirects more than 20 times" in text
    assert "This page redirects too many times" in text


@pytest.mark.slow
def test_a_page_that_hangs_loses_its_tab_and_others_live_on(opened):
    page = "<a href=/thanks target=_blank>more</a><button onclick='while (true);'>Hang</button>"
    world, other = opened(page=page, deadline_s=5.0), opened()
    do(world, ("click", at(world, "link")), ("tab_focus", {"index": 1}))
    text = seen(world, ("click", at(world, "button")))
    assert "Note: tab [1] did not answer any more and was closed" in text
    assert "URL: http://book.test/thanks" in text
    assert "Guest book" in seen(other)


def test_a_tab_that_crashes_is_closed_and_others_live_on(opened, chromium):
    world, other = opened(), opened()
    tab = world._session.tab

    async def crash():
        await asyncio.wait({asyncio.ensure_future(tab.cdp.send("Page.crash"))}, timeout=2)

    chromium.call(crash())
    assert "Note: tab [1] crashed" in seen(world)
    assert "No tab is open." in seen(world)
    assert "Title: Thanks" in seen(world, ("tab_new", {"url": "/thanks"}))
    assert "Guest book" in seen(other)


@pytest.mark.slow
def test_a_browser_that_dies_ends_its_sessions_with_an_error_and_is_started_again():
    browser = Browser(warm=0)
    try:
        world = PageWorld(browser)
        world.start(Origin(kind="site", site="guestbook"), 0)
        kept = world.fork()
        os.kill(browser.pid(), signal.SIGKILL)
        with pytest.raises(WorldFailed, match="browser: it ended while the session lived in it"):
            do(world, ("look", {}))
        assert "Guest book" in seen(kept)
        assert browser.launches == 2
        world.close()
        kept.close()
    finally:
        browser.close()


@pytest.fixture
def alone(chromium, monkeypatch):
    """A browser that no other test uses, which waits for no context to close."""
    browser = Browser(warm=0)
    monkeypatch.setattr(browsers, "CLOSE_S", 0.2)
    yield browser
    browser.close()


@pytest.mark.slow
def test_a_browser_that_answers_nothing_is_ended_and_another_started(alone, monkeypatch):
    seat = alone.call(alone.take())
    os.kill(alone.pid(), signal.SIGSTOP)
    with monkeypatch.context() as impatient:
        impatient.setattr(browsers, "START_S", 1.0)
        alone.call(alone.release(seat))
    assert alone.open_contexts == 0
    assert not alone.call(alone.take()).lost
    assert alone.launches == 2


@pytest.mark.slow
def test_a_context_that_does_not_close_costs_no_other_its_browser(alone, monkeypatch):
    seat, other = alone.call(alone.take()), alone.call(alone.take())
    may_close, close = asyncio.Event(), seat.context.close

    async def waits():
        await may_close.wait()
        await close()

    monkeypatch.setattr(seat.context, "close", waits)
    alone.call(alone.release(seat))
    assert (alone.open_contexts, other.lost) == (2, False)
    alone._loop.call_soon_threadsafe(may_close.set)
    alone.call(alone.release(other))
    assert alone.launches == 1


def test_a_site_that_breaks_is_an_error_of_ours(opened, book):
    def broken(request):
        raise ValueError("oops")

    world = opened()
    book.pages["/broken"] = broken
    with pytest.raises(WorldFailed, match=r"site GuestBook: it failed to answer: ValueError\('oops'\)"):
        do(world, ("goto", {"url": "/broken"}))
