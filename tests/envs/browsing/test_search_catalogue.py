"""Corpora by name."""

import subprocess
import sys

import pytest

from pivotgym.core.errors import ConfigError
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.browsing.search import almanac
from pivotgym.envs.browsing.search.catalogue import cache_folder, corpus, read_pages
from pivotgym.envs.browsing.search.index import build
from pivotgym.envs.browsing.search.world import SearchWorld

DIGEST = """
import sys
from pivotgym.envs.base import sources
from pivotgym.envs.browsing.search.catalogue import corpus
sources.configure({"corpus": sys.argv[1]})
print(corpus("towns.jsonl").about.digest)
"""


def test_a_plain_file_is_indexed_once(towns):
    first = corpus("towns.jsonl")
    assert corpus("towns") is not first  # the index remembers the name it was asked under
    assert corpus("towns.jsonl") is first
    assert first.about.digest == corpus("towns").about.digest


def test_a_built_corpus_is_found_by_its_own_name_and_its_folders(pages_file, tmp_path):
    build(read_pages(pages_file), tmp_path / "built", name="towns.jsonl")
    sources.configure({"corpus": tmp_path / "built"})
    try:
        assert corpus("towns.jsonl") is corpus("built") is corpus("towns")
    finally:
        sources.forget("corpus")


def test_a_folder_holds_several(pages_file, tmp_path):
    build(read_pages(pages_file), tmp_path / "built", name="b")
    sources.configure({"corpus": tmp_path})
    try:
        assert corpus("built").about.pages == corpus("towns.jsonl").about.pages == corpus("towns").about.pages == 6
    finally:
        sources.forget("corpus")


def test_a_file_that_changes_is_another_corpus(towns, pages_file):
    origin = Origin.model_validate({"kind": "corpus", "corpus": "towns.jsonl"})
    before = SearchWorld().identity(origin)
    with pages_file.open("a") as file:
        file.write('{"url": "https://a.example/new", "title": "new"}\n')
    assert SearchWorld().identity(origin) != before


def test_the_projects_own_corpus_needs_no_source():
    found = corpus(almanac.NAME)
    assert found.about.pages == len(almanac.pages())
    assert {len(group) for group in (almanac.almanac().towns, almanac.almanac().people)} == {24, 72}


def test_the_almanac_has_one_page_per_address():
    addresses = [url for page in almanac.pages() for url in (page.url, *page.redirects)]
    assert len(addresses) == len(set(addresses))


def test_several_processes_build_one_index(towns, tmp_path, monkeypatch):
    monkeypatch.setenv("PIVOTGYM_CORPORA", str(tmp_path / "cache"))
    command = [sys.executable, "-c", DIGEST, str(sources.path("corpus"))]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    digests = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert len(digests) == 1
    assert len([path for path in cache_folder().iterdir() if path.is_dir()]) == 1


def test_a_cache_folder_that_cannot_be_made_is_told(towns, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PIVOTGYM_CORPORA", str(tmp_path / "file" / "cache"))
    with pytest.raises(ConfigError, match="the cache folder cannot be written"):
        corpus("towns.jsonl")
