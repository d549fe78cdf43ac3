"""A site of two pages with a form, for the browser's own tests."""

import hashlib
import json
import sys
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from pivotgym.core.trajectory import Origin
from pivotgym.envs.browsing.pages import browser, sites
from pivotgym.envs.browsing.pages.chromium import missing
from pivotgym.envs.browsing.pages.contract import Response, Site
from pivotgym.envs.browsing.pages.world import PageWorld

# The helpers beside this file are imported by name.
sys.path.insert(0, str(Path(__file__).parent))


class GuestBook(Site):
    """A form, the entries made with it, and whatever further pages a test writes into `pages`."""

    name = "guestbook"
    addresses = ("http://book.test",)
    pages: ClassVar[dict] = {}
    asked: ClassVar[list] = []

    def __init__(self):
        self.entries = []

    def start(self, origin, seed):
        return "http://book.test" + origin.get("first", "/")

    def handle(self, request):
        self.asked.append((request.method, request.url))
        path = urlsplit(request.url).path
        if path in self.pages:
            page = self.pages[path]
            return page(request) if callable(page) else html(page)
        if path == "/" and request.method == "GET":
            items = "".join(f"<li>{entry}</li>" for entry in self.entries)
            return html(FORM.format(items=items))
        if path == "/sign" and request.method == "POST":
            form = parse_qs(request.body.decode())
            if not form.get("name"):
                return html("<title>Wrong</title><p role=alert>A name is missing</p>" + FORM.format(items=""), 422)
            self.entries = [*self.entries, f"{form['name'][0]} ({form.get('mood', ['?'])[0]})"]
            headers = {"location": "/thanks", "set-cookie": f"signed={len(self.entries)}; HttpOnly; Path=/"}
            return Response(b"", 303, headers)
        if path == "/thanks":
            cookie = request.headers.get("cookie", "none")
            return html(f"<title>Thanks</title><h1>Thanks</h1><p>cookie {cookie}</p><a href='/'>Again</a>")
        return html("<title>Not found</title><h1>Not found</h1>", 404)

    def fork(self):
        copy = type(self)()
        copy.entries = self.entries
        return copy

    def digest(self):
        return hashlib.sha256(json.dumps(self.entries).encode()).hexdigest()

    def outcome(self, task, ended):
        return float(len(self.entries) == 1)


class ScriptedBook(GuestBook):
    scripted = True


FORM = """<!doctype html><title>Guest book</title><h1>Guest book</h1><ul>{items}</ul>
<form method="post" action="/sign"><label>Name <input name="name"></label>
<label>Mood <select name="mood"><option value="g">Good</option><option value="b">Bad</option></select></label>
<label><input type="checkbox" name="news"> Send news</label><button>Sign</button></form>"""


def html(text, status=200):
    return Response(text.encode(), status)


def pytest_collection_modifyitems(items):
    why = missing()
    for item in items:
        if why and "chromium" in item.fixturenames:
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def chromium():
    """One Chromium for all tests of a worker."""
    shared = browser.Browser(warm=1)
    yield shared
    shared.close()


@pytest.fixture(autouse=True)
def _sites(monkeypatch):
    monkeypatch.setitem(sites.SITES, "guestbook", GuestBook)
    monkeypatch.setitem(sites.SITES, "scripted", ScriptedBook)
    monkeypatch.setattr(GuestBook, "pages", {})
    monkeypatch.setattr(GuestBook, "asked", [])


@pytest.fixture
def book():
    """The site's class: further `pages` by path, and the requests `asked` of it."""
    return GuestBook


@pytest.fixture
def opened(chromium):
    """Opens worlds: `opened(site="guestbook", page=HTML, **fields)`."""
    worlds = []

    def start(*, site="guestbook", page=None, deadline_s=20.0, **fields):
        world = PageWorld(chromium, deadline_s)
        worlds.append(world)
        if page is not None:
            GuestBook.pages["/first"] = page
            fields["first"] = "/first"
        world.start(Origin(kind="site", site=site, **fields), 0)
        return world

    yield start
    for world in worlds:
        world.close()
