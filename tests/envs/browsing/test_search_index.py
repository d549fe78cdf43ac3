"""Building and reading the index of a corpus."""

import contextlib
import json
import math
import random
import shutil
import subprocess
import sys
import time

import pytest

from pivotgym.core.errors import BadLine, ConfigError, InputError, NotFound, WorldFailed
from pivotgym.envs.browsing.search import index
from pivotgym.envs.browsing.search.catalogue import read_pages
from pivotgym.envs.browsing.search.index import Corpus, about, build
from pivotgym.envs.browsing.search.pages import Page, page_of

ENDLESS = """
import itertools, sys, time
from pathlib import Path
from pivotgym.envs.browsing.search.index import build
from pivotgym.envs.browsing.search.pages import Page
def pages():
    for number in itertools.count():
        time.sleep(0.001)
        yield Page(f"https://a.example/{number}", "page", "words")
build(pages(), Path(sys.argv[1]), name="endless")
"""
BUILD = """
import sys
from pathlib import Path
from pivotgym.envs.browsing.search.catalogue import read_pages
from pivotgym.envs.browsing.search.index import build
print(build(read_pages(Path(sys.argv[1])), Path(sys.argv[2]), name="towns").digest)
"""


def urls(corpus, query, limit=10):
    return [hit.page.url.rpartition("/")[2] for hit in corpus.search(query, limit)]


@pytest.fixture
def corpus(pages_file, tmp_path):
    build(read_pages(pages_file), tmp_path / "index", name="towns")
    return Corpus(tmp_path / "index")


def test_the_best_page_is_first(corpus):
    assert urls(corpus, "when was Calmere founded?")[0] == "calmere"


def test_equal_pages_come_in_the_order_of_the_corpus(tmp_path):
    build((Page(f"https://a.example/{n}", "same", "same words") for n in range(500)), tmp_path / "i", name="same")
    found = Corpus(tmp_path / "i")
    assert urls(found, "words") == [str(number) for number in range(10)]
    assert urls(found, "words", 200) == [str(number) for number in range(200)]


def test_scores_are_bm25(corpus):
    # N = 6, df = 1, tf = 2 (title and text); 6 of 53 words in 6 pages.
    [hit] = corpus.search("heron")
    idf, length = math.log(1 + 5.5 / 1.5), 0.25 + 0.75 * 6 / (53 / 6)
    assert hit.score == pytest.approx(idf * 2 * 2.2 / (2 + 1.2 * length), rel=1e-5)


@pytest.mark.parametrize(
    "query", ["", "?!", "the of", "nowhere", "a" * 5000, "x AND (y", "title:\"'", "\x00", "+a -b [c TO d}^2 ~3 *:*"]
)
def test_any_query_is_answered(corpus, query):
    assert isinstance(corpus.search(query), tuple)


def test_a_page_is_found_by_each_of_its_addresses(corpus):
    assert corpus.page("https://A.example/calmere/#top").title == "Calmere"
    assert corpus.page("http://a.example/old-calmere").title == "Calmere"
    assert corpus.page("https://a.example/nothing") is None


def test_the_digest_is_of_the_pages_not_of_the_file(pages_file, tmp_path):
    first = build(read_pages(pages_file), tmp_path / "one", name="towns")
    lines = [json.loads(line) for line in pages_file.read_text().splitlines()]
    pages_file.write_text("\n\n".join(json.dumps(dict(reversed(line.items()))) for line in lines))
    assert build(read_pages(pages_file), tmp_path / "two", name="other").digest == first.digest
    lines[0]["title"] = "Other"
    assert build(map(page_of, lines), tmp_path / "three", name="towns").digest != first.digest


def test_a_folder_that_is_no_corpus_is_not_touched(pages_file, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="is there and is no corpus"):
        build(read_pages(pages_file), tmp_path / "mine", name="towns")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_bad_line_leaves_the_old_corpus_and_nothing_else(corpus, pages_file, tmp_path):
    before = about(tmp_path / "index")
    with pages_file.open("a") as file:
        file.write('{"title": "no address"}\n')
    with pytest.raises(BadLine, match=r"line 7.*url: expected an address, got None"):
        build(read_pages(pages_file), tmp_path / "index", name="towns")
    assert about(tmp_path / "index") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "towns.jsonl"]


def test_a_corpus_is_replaced_while_it_is_read(corpus, tmp_path):
    build([Page("https://b.example/", "new", "new")], tmp_path / "index", name="towns")
    assert urls(corpus, "Calmere")[0] == "calmere"
    assert about(tmp_path / "index").pages == 1


def test_a_build_that_is_killed_leaves_no_corpus(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path / "index")])
    while not list(tmp_path.glob(".index.*.tmp/index/*")):
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert not (tmp_path / "index").exists()
    assert build([Page("https://b.example/", "new", "")], tmp_path / "index", name="new").pages == 1


def test_no_pages_are_no_corpus(tmp_path):
    with pytest.raises(InputError, match="at least one page"):
        build([], tmp_path / "index", name="none")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"name": "x", "digest": "", "pages": 1, "layout": 0}', "another version"),
    ],
)
def test_a_broken_corpus_says_so(tmp_path, content, message):
    (tmp_path / index.ABOUT).write_text(content)
    with pytest.raises(ConfigError, match=message):
        Corpus(tmp_path)


def test_files_of_the_index_that_are_gone_are_told(corpus, tmp_path):
    (tmp_path / "index" / "index" / "meta.json").unlink()
    with pytest.raises(ConfigError, match="its index cannot be read"):
        Corpus(tmp_path / "index")


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbered") / "index"
    build((Page(f"https://a.example/{n}", f"t{n}", f"word{n % 7} {n}") for n in range(3000)), folder, name="n")
    return folder


@pytest.mark.parametrize("ending", [".store", ".idx", ".term"])
@pytest.mark.parametrize("seed", range(4))
def test_damage_is_an_error_of_ours_or_not_seen(numbered, tmp_path, ending, seed):
    folder, chance = tmp_path / "index", random.Random(seed)
    shutil.copytree(numbered, folder)
    [file] = folder.rglob(f"*{ending}")
    content = bytearray(file.read_bytes())
    for _ in range(50):
        content[chance.randrange(len(content) - 200)] = chance.randrange(256)
    file.write_bytes(content)
    with contextlib.suppress(WorldFailed):
        _read_all(Corpus(folder))


def test_damage_that_opening_does_not_see_is_told(numbered, tmp_path):
    shutil.copytree(numbered, tmp_path / "index")
    [file] = tmp_path.rglob("*.store")
    content = file.read_bytes()
    file.write_bytes(bytes([255]) * (len(content) // 2) + content[len(content) // 2 :])
    with pytest.raises(WorldFailed, match="its index is damaged"):
        _read_all(Corpus(tmp_path / "index"))


def _read_all(corpus):
    for number in range(7):
        corpus.search(f"word{number}")
        corpus.page(f"https://a.example/{number}")


def test_a_build_that_was_not_finished_is_no_corpus(corpus, tmp_path):
    (tmp_path / "index" / index.ABOUT).unlink()
    with pytest.raises(NotFound, match="expected a built corpus"):
        Corpus(tmp_path / "index")


def test_two_processes_that_build_one_folder_leave_one_corpus(pages_file, tmp_path):
    command = [sys.executable, "-c", BUILD, str(pages_file), str(tmp_path / "both")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert {process.communicate()[0].strip() for process in running} == {about(tmp_path / "both").digest}
    assert Corpus(tmp_path / "both").search("Calmere")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both", "towns.jsonl"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 7"),
        (b"[1]", "line 7"),
        (b'{"url": "https://a.example/\xff", "text": "x"}', "line 7"),
        (b'{"url": 5, "text": "x"}', "line 7.*url: expected an address, got 5"),
    ],
)
def test_a_bad_line_is_told_by_its_number(pages_file, tmp_path, line, message):
    pages_file.write_bytes(pages_file.read_bytes() + line + b"\n")
    with pytest.raises(BadLine, match=message):
        build(read_pages(pages_file), tmp_path / "index", name="towns")


def test_a_folder_without_a_corpus_is_told(tmp_path):
    with pytest.raises(NotFound, match="expected a built corpus"):
        Corpus(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "url: expected an address"),
        ({"url": " "}, "url: expected an address"),
        ({"url": "u", "title": 5}, "title: expected a text, got int"),
        ({"url": "u"}, "text: expected `text` or `snippet`"),
        ({"url": "u", "text": "t", "redirects": "v"}, "redirects: expected a list of addresses"),
    ],
)
def test_a_line_that_is_no_page_is_told(row, message):
    with pytest.raises(InputError, match=message):
        page_of(row)


def test_half_a_surrogate_is_no_obstacle(tmp_path):
    build([page_of({"url": "https://a.example/\ud800", "text": "half \udc00 a pair"})], tmp_path / "index", name="odd")
    assert Corpus(tmp_path / "index").search("pair")[0].page.text == "half ? a pair"
