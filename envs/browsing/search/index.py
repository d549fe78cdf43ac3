"""The index of a corpus on disk: building and reading it.

Owns: the folder's layout, the build (streaming, atomic), BM25 search with ties by the order of the pages, and finding a
page by its address. Does not own: what a word is (`verifiers.searching.words`), the names of corpora
(`envs.browsing.search.catalogue`), or what a tool shows (`envs.browsing.search.showing`).

Layout: `corpus.json` (what the index is, with the digest of its pages) and `index/`, tantivy's files. Words are cut by
us and indexed as they are, so that a verdict and the index agree on what a word is. BM25 is tantivy's: k1 = 1.2,
b = 0.75, idf = ln(1 + (N - df + 0.5) / (df + 0.5)); a page's length is kept in one byte, exact up to 40 words.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tantivy

from pivotgym.core.errors import ConfigError, InputError, NotFound, WorldFailed
from pivotgym.envs.browsing.search import dense
from pivotgym.envs.browsing.search.dense import DenseIndex, Encoder, VectorWriter
from pivotgym.envs.browsing.search.pages import Page
from pivotgym.verifiers.searching import words as cutting
from pivotgym.verifiers.searching.addresses import address_key
from pivotgym.verifiers.searching.words import content_words, words

LAYOUT = 2
ABOUT = "corpus.json"
_HEAP_BYTES = 128_000_000
_TIES = 4
_MOST_WORDS = 64


@dataclass(frozen=True)
class About:
    """What an index is.

    Attributes:
        name: The corpus's name.
        digest: SHA-256 over its pages in order: what identifies the corpus.
        pages: How many.
        layout: The folder's layout and `words`, the version of cutting texts into words.
        engine: The library that wrote it.
        encoder: SHA-256 of the encoder of a corpus with dense retrieval, else ""; it goes into `digest` too.
    """

    name: str
    digest: str
    pages: int
    layout: int = LAYOUT
    words: str = cutting.VERSION
    engine: str = f"tantivy {version('tantivy')}"
    encoder: str = ""


@dataclass(frozen=True)
class Hit:
    """A page that a query found, its place in the corpus, and its score: BM25's, or of both rankings joined."""

    page: Page
    number: int
    score: float


def build(
    pages: Iterable[Page],
    folder: Path,
    *,
    name: str,
    on_progress: Callable[[int], None] | None = None,
    encoder: Encoder | None = None,
) -> About:
    """Write the index of some pages; one page is in memory at a time, beside a buffer of 128 MB.

    The folder appears complete or not at all; one that is there already is replaced, readers of the old one go on.

    Args:
        pages: Read once, in order.
        folder: Where; its parent is made.
        name: The corpus's name.
        on_progress: Called with the number of pages after every 10,000.
        encoder: For dense retrieval beside BM25; `None` for BM25 alone.

    Raises:
        InputError: If there is no page.
        ConfigError: If the folder is there and is no corpus.
        WorldFailed: If the files cannot be written.
    """
    if folder.exists() and not (folder / ABOUT).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"out: {folder} is there and is no corpus", hint="name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        about = _write(pages, made, name, on_progress, encoder)
        made.chmod(0o755)
        _exchange(made, folder)
    except (OSError, ValueError) as error:
        # tantivy says ValueError for whatever its files met, a full disk among it.
        raise WorldFailed(f"corpus: the index cannot be written: {error}"[:300]) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return about


def _write(
    pages: Iterable[Page],
    folder: Path,
    name: str,
    on_progress: Callable[[int], None] | None,
    encoder: Encoder | None,
) -> About:
    (folder / "index").mkdir()
    index = tantivy.Index(_schema(), path=str(folder / "index"))
    # One thread, so that equal pages give equal files.
    writer = index.writer(heap_size=_HEAP_BYTES, num_threads=1)
    content, count = hashlib.sha256(), 0
    try:
        with VectorWriter(encoder, folder) if encoder is not None else nullcontext() as vectors:
            for number, page in enumerate(pages):
                content.update(hashlib.sha256(page.canonical()).digest())
                writer.add_document(_document(page, number))
                if vectors is not None:
                    vectors.add(f"{page.title}\n{page.text}")
                count = number + 1
                if on_progress is not None and count % 10_000 == 0:
                    on_progress(count)
        if not count:
            raise InputError("corpus: expected at least one page, got none")
        writer.commit()
    except BaseException:
        writer.rollback()
        raise
    finally:
        # Its threads write until then, also into a folder that is about to be removed.
        writer.wait_merging_threads()
    model = encoder.save(folder / dense.MODEL) if encoder is not None else ""
    content.update(model.encode())
    about = About(name, content.hexdigest(), count, encoder=model)
    with (folder / ABOUT).open("w", encoding="utf-8") as file:
        json.dump(asdict(about), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    return about


def _exchange(made: Path, folder: Path) -> None:
    """Put a finished folder in its place; where two do so at once, either one stays."""
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent))
    try:
        if folder.exists():
            folder.rename(old / "corpus")
        made.rename(folder)
    except OSError:
        if not (folder / ABOUT).is_file():
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("number", stored=True, indexed=True)
    builder.add_text_field("page", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("address", tokenizer_name="raw", index_option="basic")
    return builder.build()


def _document(page: Page, number: int) -> Any:
    keys = dict.fromkeys(key_of(url) for url in (page.url, *page.redirects))
    document = tantivy.Document(
        page=page.stored(), words=" ".join(words(f"{page.title} {page.text}")), address=[key for key in keys if key]
    )
    document.add_unsigned("number", number)
    return document


def key_of(url: str) -> str:
    """What a page is found by: its address in normal form, or as it is where that is no web address."""
    return address_key(url) or url.strip()


class Corpus:
    """An index that is open for reading. Thread-safe; forks of worlds share it.

    Args:
        folder: As `build` wrote it.

    Raises:
        NotFound: If there is no index in that folder.
        ConfigError: If it was written by another version.
    """

    def __init__(self, folder: Path) -> None:
        self.about = about(folder)
        try:
            self._index = tantivy.Index.open(str(folder / "index"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"corpus {folder.name!r}: its index cannot be read: {error}"[:300],
                hint="build it again: pivotgym corpus build FILE... -o FOLDER",
            ) from error
        self._searcher = self._index.searcher()
        self._schema = self._index.schema
        self._dense = DenseIndex(folder, self.about.pages) if self.about.encoder else None
        # Places only: the texts of so many results could take more memory than the index.
        self._ranking = lru_cache(maxsize=4096)(self._ranked)
        self._joint = lru_cache(maxsize=4096)(self._joined)

    def search(self, query: str, limit: int = 10) -> tuple[Hit, ...]:
        """The best pages for a query, best first; of equal ones, the first of the corpus. None for a query of no words.

        Thread-safe; the places that the last 4,096 queries found are kept.

        Raises:
            WorldFailed: If the files of the index are damaged.
        """
        with self._reading():
            terms = tuple(sorted(content_words(query)[:_MOST_WORDS]))
            ranked = self._ranking(terms, limit) if self._dense is None else self._joint(terms, query.strip(), limit)
            found = [(Page.from_stored(self._stored(place)[1]), number, score) for score, number, place in ranked]
        return tuple(Hit(*one) for one in found)

    def _ranked(self, terms: tuple[str, ...], limit: int) -> tuple[tuple[float, int, Any], ...]:
        if not terms:
            return ()
        parts = [(tantivy.Occur.Should, tantivy.Query.term_query(self._schema, "words", term)) for term in terms]
        query = tantivy.Query.boolean_query(parts)
        asked = limit + _TIES
        while True:
            found = self._searcher.search(query, limit=asked, count=False).hits
            # As long as the last one is as good as the one at the limit, further ones may come before it.
            if len(found) < asked or found[-1][0] < found[limit - 1][0]:
                break
            asked *= 4
        scored = sorted(
            ((score, self._stored(place)[0], place) for score, place in found), key=lambda one: (-one[0], one[1])
        )
        return tuple(scored[:limit])

    def _joined(self, terms: tuple[str, ...], query: str, limit: int) -> tuple[tuple[float, int, Any], ...]:
        """BM25's ranking and the encoder's as one."""
        if not terms or self._dense is None:
            return ()
        depth = max(limit, dense.DEPTH)
        words_first = {number: place for _, number, place in self._ranked(terms, depth)}
        best = dense.joined([list(words_first), self._dense.search(query, depth)])[:limit]
        return tuple((score, number, words_first.get(number) or self._place(number)) for score, number in best)

    def _place(self, number: int) -> Any:
        query = tantivy.Query.term_query(self._schema, "number", number)
        return self._searcher.search(query, limit=1, count=False).hits[0][1]

    def _stored(self, place: Any) -> tuple[int, str]:
        document = self._searcher.doc(place)
        number, page = document.get_first("number"), document.get_first("page")
        return int(str(number)), str(page)

    def page(self, url: str) -> Page | None:
        """The page of an address, or of one that leads to it; the first of the corpus where several have it.

        Raises:
            WorldFailed: If the files of the index are damaged.
        """
        query = tantivy.Query.term_query(self._schema, "address", key_of(url), "basic")
        with self._reading():
            found = self._searcher.search(query, limit=64, count=False).hits
            stored = [self._stored(place) for _, place in found]
            return Page.from_stored(min(stored)[1]) if stored else None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Damage that opening did not see is an error of ours; tantivy tells it by `ValueError`, or by a panic."""
        try:
            yield
        except BaseException as error:
            # What Rust calls a panic is no `Exception` in Python, and its class cannot be imported.
            if not isinstance(error, ValueError) and type(error).__name__ != "PanicException":
                raise
            raise WorldFailed(
                f"corpus {self.about.name!r}: its index is damaged: {error}"[:300], hint="build it again"
            ) from error


def about(folder: Path) -> About:
    """What the index in a folder is. Errors as for `Corpus`."""
    try:
        found = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        known = About(**found)
    except FileNotFoundError as error:
        raise NotFound(
            f"corpus: expected a built corpus, found none at {folder}", hint="pivotgym corpus build FILE... -o FOLDER"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"corpus {folder.name!r}: its {ABOUT} cannot be read", hint="build it again") from error
    if (known.layout, known.words) != (LAYOUT, cutting.VERSION):
        raise ConfigError(f"corpus {folder.name!r}: it was built by another version", hint="build it again")
    return known
