"""The page in a real Chromium: each view at two widths, by keyboard, with and without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateways import RunningGateway
from run_folders import log_line, profiled, write_run
from toy_domain import StoreDomain, make_pivot

from pivotgym.core.jsonl import Appender
from pivotgym.core.messages import Action, Message
from pivotgym.envs.browsing.pages import chromium
from pivotgym.servers.serve import BackgroundServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.missing() is not None, reason=f"needs a browser: {chromium.missing()}"),
]
EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
LONG = "word" * 500
PIVOT = "/ui/runs/demo/pivots/toy%2Fa:0"
VIEWS = [
    "/ui",
    "/ui/runs",
    "/ui/runs/demo",
    "/ui/runs/demo/pivots",
    PIVOT,
    "/ui/runs/demo/pivots/long:0",
    "/ui/runs/none",
    "/ui/sign-in",
]
BLUE = json.dumps({"name": "set", "arguments": {"key": "color", "value": "blue"}})


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-dev-shm-usage"]
        with driver.chromium.launch(executable_path=chromium.executable(), args=flags) as running:
            yield running


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    talk = [Message(role="user", content=LONG), Message(role="assistant", content=EVIL)]
    long = profiled(0, id="long:0", messages=talk, reference=Action(content=LONG), prefix=[])
    pivots = [*(profiled(number) for number in range(60)), long]
    return write_run(tmp_path / "demo", pivots)


@pytest.fixture
def url(demo: Path) -> Iterator[str]:
    with (
        BackgroundServer(StoreDomain(), pivots=map(make_pivot, range(3))) as server,
        RunningGateway(f"toy={server.url}", runs=demo.parent) as running,
    ):
        yield running.url


def opened(browser: Any, url: str, **options: Any) -> Any:
    """A page with all that Chromium complains of in `complaints`."""
    page = browser.new_context(**options).new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
    page.goto(url)
    return page


def refusals(page: Any) -> list[str]:
    """Complaints that are no answer of an error status, which Chromium reports, too."""
    return [said for said in page.complaints if "server responded with a status" not in said]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_is_wider_than_the_window(browser: Any, url: str, width: int, scheme: str) -> None:
    page = opened(browser, url, viewport={"width": width, "height": 800}, color_scheme=scheme)
    widths = {}
    for path in VIEWS:
        page.goto(url + path)
        widths[path] = page.evaluate("document.documentElement.scrollWidth")

    assert widths == dict.fromkeys(VIEWS, width)
    assert refusals(page) == []


@pytest.mark.parametrize("path", VIEWS)
def test_view_can_be_read_by_a_screen_reader(browser: Any, url: str, path: str) -> None:
    page = opened(browser, url + path)
    levels = page.eval_on_selector_all("h1, h2, h3", "found => found.map(one => Number(one.tagName[1]))")

    assert page.locator("main").count() == page.locator("header").count() == page.locator("h1").count() == 1
    assert all(after <= before + 1 for before, after in zip([0, *levels], levels, strict=False))
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("svg[role=img]:not([aria-label])").count() == 0
    unnamed = "found => found.filter(one => one.type !== 'hidden' && !one.labels.length).map(one => one.outerHTML)"
    assert page.eval_on_selector_all("input, select, textarea", unnamed) == []
    assert page.locator("section:not([aria-labelledby])").count() == 0


def test_keyboard_leads_to_the_box_and_the_verdict_is_shown(browser: Any, url: str) -> None:
    page = opened(browser, url + PIVOT)
    page.locator("nav[aria-label='On this page'] a", has_text="Try an action").focus()
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "text":
            break
    page.keyboard.press("Control+A")
    page.keyboard.type(BLUE)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tried .verdict")

    assert "different" in page.inner_text("#tried")
    assert page.input_value("#text") == BLUE
    assert page.url == url + PIVOT + "#try"


def test_first_tab_skips_to_the_content(browser: Any, url: str) -> None:
    page = opened(browser, url + "/ui")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_box_starts_with_the_experts_action_which_is_equivalent(browser: Any, url: str) -> None:
    page = opened(browser, url + PIVOT)
    page.click("text=Get the verdict")
    page.wait_for_selector("#tried .verdict")

    assert "equivalent" in page.inner_text("#tried")


def test_action_that_is_none_is_refused_in_place(browser: Any, url: str) -> None:
    page = opened(browser, url + PIVOT)
    page.fill("#text", "{oops")
    page.click("text=Get the verdict")
    page.wait_for_selector("#tried .trouble")

    assert "it begins like JSON and is none" in page.inner_text("#tried")


def test_all_but_live_curves_works_without_javascript(browser: Any, url: str) -> None:
    page = opened(browser, url + "/ui", java_script_enabled=False)
    page.click("text=demo")
    assert page.locator("figure svg polyline").count() > 0
    page.click(".doors >> text=Pivots")
    page.fill("#q", "a:1")
    page.click("text=Show")
    page.click("text=toy/a:12")
    page.fill("#text", BLUE)
    page.click("text=Get the verdict")

    assert "different" in page.inner_text("#tried")


def test_curves_follow_the_run(browser: Any, url: str, demo: Path) -> None:
    page = opened(browser, url + "/ui/runs/demo")
    before = page.inner_text("h2 .note")
    with Appender(demo / "grpo" / "log.jsonl") as log:
        log.append(log_line(13))
    page.wait_for_selector("h2 .note:has-text('step 13')")

    assert before == "step 12"
    assert page.inner_text("#news") == "grpo: step 13"
    assert refusals(page) == []


def test_hostile_text_does_nothing(browser: Any, url: str) -> None:
    page = opened(browser, url + "/ui/runs/demo/pivots/long:0")
    page.fill("#text", EVIL)
    page.click("text=Get the verdict")
    page.wait_for_selector("#tried > *")

    assert page.title() == "long:0 · PivotGym"
    assert EVIL in page.inner_text(".chat")
    assert page.locator("main img, main script").count() == 0


def test_report_runs_no_script(browser: Any, url: str) -> None:
    page = opened(browser, url + "/ui/runs/demo/report")

    assert (page.title(), page.inner_text("h1")) == ("The report", "The report")


def test_who_signs_in_stays_signed_in(browser: Any, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the-token")
    settings = {"token_file": tmp_path / "token", "runs": demo.parent, "wait": False}
    with RunningGateway("toy=http://127.0.0.1:9", **settings) as running:
        page = opened(browser, f"{running.url}/ui/runs/demo")
        asked = page.inner_text("h1")
        page.keyboard.type("the-token")  # the field has the focus
        page.keyboard.press("Enter")
        page.wait_for_selector("#live")
        page.click("text=Pivots >> nth=0")
        seen = page.inner_text("h1")
        page.click("text=Sign out")

        assert (asked, seen, page.inner_text("h1")) == ("Sign in", "Pivots", "Sign in")
