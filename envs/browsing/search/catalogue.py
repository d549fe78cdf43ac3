"""Corpora by name: what an origin's `corpus` comes to on this machine.

Owns: where corpora are looked for, and the cache of indexes that are built from plain JSON Lines on first use. Does not
own: the index itself (`envs.browsing.search.index`), or the project's own pages (`envs.browsing.search.almanac`).

The source `corpus` is a built corpus, a JSON Lines file, or a folder of such; the origin's name is that of a file, of a
folder, or the one that a corpus was built under. The project's own corpus, `almanac`, needs no source. Corpora are
identified by their content: one of the same name with other pages gives other states.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pivotgym.core.errors import ConfigError, InputError, NotFound
from pivotgym.core.jsonl import read_lines
from pivotgym.envs.base import sources
from pivotgym.envs.browsing.search import almanac
from pivotgym.envs.browsing.search.index import ABOUT, LAYOUT, Corpus, about, build
from pivotgym.envs.browsing.search.pages import Page, page_of
from pivotgym.verifiers.searching import words as cutting

SOURCE = "corpus"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LINES = (".jsonl", ".jsonl.gz")
_open: dict[Path, tuple[str, Corpus]] = {}
_lock = threading.Lock()


def corpus(name: str) -> Corpus:
    """The corpus of that name, open. Processes share what they find on disk.

    Raises:
        InputError: If the name could lead out of the source.
        MissingDependency: If it is not the project's own, and the source is not configured.
        NotFound: If the source has no such corpus.
        ConfigError: If it cannot be read.
        BadLine: If a JSON Lines file has a line that is no page.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise InputError(f"corpus: expected a name of letters, digits, '.', '_' and '-', got {name[:120]!r}")
    if name == almanac.NAME:
        return _opened(_built(almanac.NAME, almanac.digest(), lambda: iter(almanac.pages())))
    place = _place(name)
    if place.is_dir():
        return _opened(place)
    return _opened(_built(name, digest_of_file(place), lambda: read_pages(place)))


def read_pages(*files: Path) -> Iterator[Page]:
    """The pages of JSON Lines files, one in memory. Errors as for `core.jsonl.read_lines`."""
    for file in files:
        yield from read_lines(file, page_of)


def _place(name: str) -> Path:
    source = sources.path(SOURCE)
    if source.is_file() or (source / ABOUT).is_file():
        known = {source.name} | ({about(source).name} if source.is_dir() else set())
        if _stem(name) in map(_stem, known):
            return source
        raise NotFound(f"corpus: the source {SOURCE!r} is {sorted(known)}, it has none called {name!r}")
    for file in (source / name, source / _stem(name), *(source / f"{name}{end}" for end in _LINES)):
        if file.is_file() or (file / ABOUT).is_file():
            return file
    raise NotFound(f"corpus: the source {SOURCE!r} has none called {name!r}")


_digests: dict[tuple[Path, int, int], str] = {}


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hex; remembered for as long as size and time of change stay."""
    known = path.stat()
    key = (path, known.st_size, known.st_mtime_ns)
    if key not in _digests:
        with path.open("rb") as file:
            _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _digests[key]


def _stem(name: str) -> str:
    return next((name.removesuffix(end) for end in reversed(_LINES) if name.endswith(end)), name)


def _opened(folder: Path) -> Corpus:
    key, stamp = folder.resolve(), about(folder).digest
    with _lock:
        known = _open.get(key)
        if known is None or known[0] != stamp:
            _open[key] = known = (stamp, Corpus(folder))
    return known[1]


def _built(name: str, content: str, pages: Callable[[], Iterable[Page]]) -> Path:
    """The index of a file in the cache folder, built there by the first of all processes that asks."""
    key = hashlib.sha256(f"{content} {LAYOUT} {cutting.VERSION} {name}".encode()).hexdigest()[:32]
    folder = cache_folder() / key
    if not (folder / ABOUT).is_file():
        with _alone(folder):
            if not (folder / ABOUT).is_file():
                build(pages(), folder, name=name)
    return folder


def cache_folder() -> Path:
    """Where indexes of plain files are kept: `PIVOTGYM_CORPORA`, else below the user's cache folder."""
    given = os.environ.get("PIVOTGYM_CORPORA")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pivotgym" / "corpora"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = (folder.parent / f"{folder.name}.lock").open("w")
    except OSError as error:
        raise ConfigError(
            f"corpus: the cache folder cannot be written: {error.strerror}", hint="set PIVOTGYM_CORPORA=FOLDER"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
