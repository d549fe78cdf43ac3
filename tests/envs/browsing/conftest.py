"""A corpus of a few pages, and a cache folder of the tests' own."""

import json

import pytest

from pivotgym.envs.base import sources


def _page(url, title, text, **more):
    return {"url": f"https://{url}", "title": title, "text": text, **more}


BARWICK = "Barwick was founded in 1203 on the river Wend."
CALMERE = "Calmere was founded in 1303 on the river Wend."
PAGES = [
    _page("a.example/wend", "Wend", "The Wend is a river. Two towns lie on it."),
    _page("a.example/barwick", "Barwick", BARWICK),
    _page("a.example/calmere", "Calmere", CALMERE, redirects=["https://a.example/old-calmere"]),
    _page("mirror.example/barwick", "Barwick", BARWICK),
    _page("a.example/heron", "heron", "The heron is a bird."),
    _page("a.example/tern", "tern", "The tern is a bird."),
]


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIVOTGYM_CORPORA", str(tmp_path_factory.mktemp("corpora")))
        yield


@pytest.fixture
def pages_file(tmp_path):
    file = tmp_path / "towns.jsonl"
    file.write_text("".join(json.dumps(page) + "\n" for page in PAGES))
    return file


@pytest.fixture
def towns(pages_file):
    sources.configure({"corpus": pages_file})
    yield
    sources.forget("corpus")
