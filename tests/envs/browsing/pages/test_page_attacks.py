"""Pages that misbehave and calls that make no sense: told as such, and nothing else suffers."""

import threading

import pytest
from page_steps import at, do, number, seen

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.browsing.pages.contract import Response
from pivotgym.envs.browsing.pages.session import TABS


def test_what_is_no_element_is_invalid(opened):
    world = opened()
    for given in (0, -1, 1.5, "x", None, True, 2**31, -(2**63), [5], {"id": 5}, 4_000):
        effects = do(world, ("click", {"id": given}))
        assert effects.invalid is not None, given
        assert effects.state == effects.before


def test_a_number_of_another_tab_is_invalid(opened):
    world = opened(page="<p>only this</p>")
    do(world, ("tab_new", {"url": "/"}))
    assert seen(world, ("click", {"id": 10})).count("[") > 1
    assert do(world, ("tab_focus", {"index": 1}), ("click", {"id": 10})).invalid is not None


ELSEWHERE = [
    "javascript:alert(1)",
    "data:text/html,<p>x",
    "file:///etc/passwd",
    "about:blank",
    "chrome://version",
    "blob:http://book.test/x",
    "view-source:http://book.test/",
    "http://book.test:8080/",
    "https://book.test/",
    "http://book.test@elsewhere.test/",
    "//elsewhere.test/",
    "http://127.0.0.1/",
    "http://book.test.elsewhere.test/",
]


def test_addresses_that_are_not_the_sites_are_not_opened(opened):
    world = opened()
    for url in ELSEWHERE:
        assert do(world, ("goto", {"url": url})).failed == [True], url
        assert do(world, ("tab_new", {"url": url})).failed == [True], url
    assert [page["url"] for page in world.state.reading.tabs.values()] == ["http://book.test/"]


LIVELY = {
    "alerts": '<button onclick="for (let i = 0; i < 30; i++) alert(i)">go</button>',
    "leaving": "<button onclick=\"location.href='/thanks'\">go</button><script>onbeforeunload = () => 'stay'</script>",
    "frames": "<iframe src=/thanks></iframe><iframe src=http://elsewhere.test/></iframe><button>go</button>",
    "own frame": "<iframe src=/first></iframe><button>go</button>",
    "print": "<button onclick='print()'>go</button>",
    "history": "<button onclick=\"for (let i = 0; i < 300; i++) history.pushState({}, '', '/first?' + i)\">go</button>",
    "worker": "<button onclick=\"navigator.serviceWorker.register('/sw.js')\">go</button>",
    "timers": "<button>go</button><script>setInterval(() => document.title += 'x', 0)</script>",
    "microtasks": "<button onclick='(async () => { for (let i = 0; i < 1e5; i++) await 0 })()'>go</button>",
    "shadow": "<x-y></x-y><button>go</button><script>document.querySelector('x-y').attachShadow({mode: 'open'})"
    ".innerHTML = '<p>deep</p>'</script>",
    "canvas": "<canvas width=50 height=50></canvas><button>go</button>",
    "dead script": "<script>throw new Error('x')</script><button onclick='nothing()'>go</button>",
    "closes itself": "<button onclick='window.close()'>go</button>",
    "empties itself": "<button onclick='document.documentElement.remove()'>go</button>",
    "write": "<button onclick=\"document.open(); document.write('<p>new'); document.close()\">go</button>",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LIVELY)
def test_a_lively_page_is_acted_on_and_read(opened, name):
    world, other = opened(page=LIVELY[name]), opened(first="/")
    text = seen(world, ("click", at(world, "button")))
    assert "did not answer" not in text
    assert "URL: http://book.test/" in text or "No tab is open." in text
    assert "Guest book" in seen(other)


@pytest.mark.slow
def test_a_page_of_many_elements_is_shown_in_part(opened):
    world = opened(page="<ul>" + "".join(f"<li>{i}</li>" for i in range(10_000)) + "</ul><button>last</button>")
    text = seen(world)
    assert text.endswith("… (the page is longer than what is shown)")


def test_a_page_that_replaces_what_reading_needs_is_an_error(opened):
    with pytest.raises(WorldFailed, match=r"cannot be read|TypeError"):
        opened(page="<script>Array.from = Object.entries = Object.keys = () => 1; Promise = null</script>")


LOOPS = {
    "refreshes": "<meta http-equiv=refresh content='0'>",
    "reloads": "<body onload='location.reload()'>",
    "goes to itself": "<script>location.href = '/loop?' + Math.random()</script>",
    "sends itself": "<form id=form action=/loop></form><script>form.submit()</script>",
    "frame": "<iframe src=/frame></iframe>",
}


@pytest.mark.parametrize(
    "name", ["reloads", *(pytest.param(one, marks=pytest.mark.slow) for one in LOOPS if one != "reloads")]
)
def test_a_page_that_loads_itself_without_end_is_stopped(opened, book, name):
    book.pages |= {"/loop": LOOPS[name], "/frame": "<script>location.reload()</script>"}
    world = opened()
    text = seen(world, ("goto", {"url": "/loop"}))
    assert "Note: the page loads itself more than 20 times and was stopped" in text or name == "frame"
    assert "did not answer" not in text
    assert len(book.asked) < 130
    assert "Title: Thanks" in seen(world, ("goto", {"url": "/thanks"}))


@pytest.mark.slow
def test_actions_on_one_page_may_load_many_documents_in_all(opened):
    world = opened()
    assert "Note" not in "".join(seen(world, ("goto", {"url": "/thanks"})) for _ in range(25))


@pytest.mark.slow
def test_a_page_nested_too_deep_ends_at_most_its_tab(opened):
    page = """<button onclick="let e = this; for (let i = 0; i < 3000; i++)
        e = e.appendChild(document.createElement('div'))">go</button>"""
    world, other = opened(page=page), opened(first="/")
    do(world, ("click", at(world, "button")))
    assert "Guest book" in seen(other)


@pytest.mark.slow
def test_windows_beyond_the_limit_are_closed(opened):
    page = "<button onclick=\"for (let i = 0; i < 20; i++) window.open('/thanks')\">go</button>"
    world = opened(page=page)
    text = seen(world, ("click", at(world, "button")))
    assert f"Note: a new tab was closed at once: {TABS} are open" in text
    assert len(world.state.reading.tabs) == TABS
    assert do(world, ("tab_new", {})).failed == [True]


@pytest.mark.slow
@pytest.mark.parametrize("address", ["/big", "http://elsewhere.test/"])
def test_a_window_that_never_opens_is_not_waited_for(opened, book, address):
    book.pages["/big"] = lambda request: Response(b"", 204)
    world = opened(page=f"<a href='{address}' target=_blank>go</a>")
    assert "URL: http://book.test/first" in seen(world, ("click", at(world, "link")))
    assert list(world.state.reading.tabs) == [1]


def test_downloads_are_refused_and_leave_the_page(opened, book):
    headers = {"content-type": "application/octet-stream", "content-disposition": "attachment; filename=a.bin"}
    book.pages["/file"] = lambda request: Response(b"a", 200, headers)
    world = opened(page="<a href=/file>go</a>")
    text = seen(world, ("click", at(world, "link")))
    assert "Note: a download was refused: http://book.test/file" in text
    assert "URL: http://book.test/first" in text


def test_no_files_are_chosen(opened):
    world = opened(page="<label>File <input type=file></label>")
    page = seen(world)
    given = next(int(line.split("[")[1].split("]")[0]) for line in page.splitlines() if "button" in line)
    assert do(world, ("click", {"id": given})).failed == [True]
    assert do(world, ("fill", {"id": given, "text": "/etc/passwd"})).failed == [True]


def test_what_is_edited_in_place_is_filled(opened):
    world = opened(page="<div contenteditable role=textbox aria-label=Note>old</div>")
    assert 'value="new"' in seen(world, ("fill", {"id": number(seen(world), "textbox", "Note"), "text": "new"}))


@pytest.mark.slow
def test_an_answer_of_ten_megabytes_is_shown_in_part(opened, book):
    book.pages["/big"] = lambda request: Response(b"<p>" + b"word " * 2_000_000)
    assert "word word" in seen(opened(), ("goto", {"url": "/big"}))


@pytest.mark.slow
def test_thirty_two_sessions_at_once_live_apart(opened):
    worlds = [opened() for _ in range(32)]
    told = {}

    def signs(place, world):
        do(world, ("fill", {"id": 5, "text": f"Ann {place}"}), ("click", {"id": 10}))
        told[place] = world.state.site.entries

    threads = [threading.Thread(target=signs, args=pair) for pair in enumerate(worlds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {place: [f"Ann {place} (g)"] for place in range(32)}
