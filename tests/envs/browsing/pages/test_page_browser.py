"""The browser itself: finding it, its absence, its pool, and its end with the process that started it."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from page_steps import seen

from pivotgym.core.errors import ConfigError, Full, MissingDependency
from pivotgym.core.trajectory import Origin
from pivotgym.envs.browsing import domain
from pivotgym.envs.browsing.pages import browser
from pivotgym.envs.browsing.pages.browser import Browser
from pivotgym.envs.browsing.pages.chromium import executable, missing
from pivotgym.envs.browsing.pages.world import PageWorld

SERVER = """
    import sys, time
    from pivotgym.envs.browsing.pages.browser import Browser
    browser = Browser(warm=0)
    browser.call(browser.take())
    print(browser.pid(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PIVOTGYM_CHROMIUM", raising=False)


def test_without_chromium_the_error_has_the_command(nowhere):
    with pytest.raises(MissingDependency, match="no Chromium is installed on this machine") as raised:
        executable()
    assert "apt-get install chromium" in raised.value.hint


def test_without_playwright_the_error_has_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright", None)
    monkeypatch.setenv("PIVOTGYM_CHROMIUM", sys.executable)
    assert missing() == "pages: the package playwright is not installed (pip install 'pivotgym[browser]')"


def test_a_setting_that_names_no_program_is_an_error(monkeypatch):
    monkeypatch.setenv("PIVOTGYM_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(ConfigError, match="PIVOTGYM_CHROMIUM: expected the path of a Chromium, found no program"):
        executable()


def test_the_setting_comes_first(monkeypatch):
    monkeypatch.setenv("PIVOTGYM_CHROMIUM", sys.executable)
    assert executable() == sys.executable


def test_without_chromium_searches_are_served_and_pages_say_what_is_missing(nowhere, monkeypatch):
    monkeypatch.setattr(browser, "_shared", Browser())
    served = domain()
    assert served.ready() is None
    assert "no Chromium is installed" in served.details()["pages"]["missing"]
    search = served.world()
    search.start(Origin(kind="corpus", corpus="almanac"), 0)
    with pytest.raises(MissingDependency, match="no Chromium"):
        served.world().start(Origin(kind="site", site="guestbook"), 0)


def test_listing_a_domain_starts_no_browser(monkeypatch):
    monkeypatch.setattr(browser, "_shared", None)
    domain().details()
    assert browser._shared is None


def test_a_session_gets_a_context_that_nobody_had(chromium, opened):
    seats = [opened()._session.seat for _ in range(3)]
    assert len({id(seat.context) for seat in seats}) == 3


def test_a_closed_world_frees_its_context(chromium, opened):
    world = opened()
    seat = world._session.seat
    world.close()
    world.close()
    for _ in range(200):
        if seat not in chromium._seats:
            break
        time.sleep(0.05)
    assert seat not in chromium._seats


def test_too_many_sessions_are_refused_for_now(chromium):
    crowded = Browser(warm=0, most=1)
    try:
        first, second = PageWorld(crowded), PageWorld(crowded)
        first.start(Origin(kind="site", site="guestbook"), 0)
        with pytest.raises(Full, match="pages: 1 contexts are open already"):
            second.start(Origin(kind="site", site="guestbook"), 0)
        first.close()
    finally:
        crowded.close()


def test_a_context_is_one_tab_and_no_page_of_chromium_itself(chromium, opened):
    opened()

    async def kinds():
        cdp = await chromium._chromium.new_browser_cdp_session()
        found = await cdp.send("Target.getTargets")
        await cdp.detach()
        return {one["type"] for one in found["targetInfos"]}

    assert chromium.call(kinds()) == {"page"}


@pytest.mark.slow
def test_contexts_are_made_ahead_only_while_nobody_waits(chromium, monkeypatch):
    monkeypatch.setattr(browser, "QUIET_S", 100.0)
    ahead = Browser(warm=2)

    async def taken():
        await ahead.take()
        await asyncio.sleep(0.2)
        return ahead.open_contexts

    try:
        assert ahead.call(taken()) == 1
        for _ in range(600):
            if ahead.open_contexts == 3:
                break
            time.sleep(0.05)
        assert ahead.open_contexts == 3
    finally:
        ahead.close()


@pytest.mark.slow
def test_many_sessions_that_begin_at_once_all_get_a_context(chromium):
    crowded = Browser(warm=0)
    try:
        with ThreadPoolExecutor(12) as pool:
            seats = list(pool.map(lambda _: crowded.call(crowded.take()), range(12)))
        assert len(set(seats)) == 12
    finally:
        crowded.close()


@pytest.mark.slow
def test_a_closed_browser_starts_again_when_it_is_needed():
    again = Browser(warm=0)
    if missing():
        pytest.skip(missing())
    try:
        again.call(again.take())
        again.close()
        world = PageWorld(again)
        world.start(Origin(kind="site", site="guestbook"), 0)
        assert "Guest book" in seen(world)
        world.close()
    finally:
        again.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_chromium_ends_with_its_server(chromium, how):
    server = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    pid = int(server.stdout.readline())
    family = _descendants(pid)
    server.send_signal(how)
    server.wait()
    for _ in range(300):
        if not any(_runs(one) for one in family):
            break
        time.sleep(0.1)
    assert [one for one in family if _runs(one)] == []
    server.stdout.close()


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _descendants(pid):
    """A process and all below it."""
    found = [pid]
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if parent == pid:
                found += _descendants(int(entry))
    return found
