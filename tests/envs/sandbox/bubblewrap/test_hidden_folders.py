"""What a policy could read the answers in is not shown, though a folder that is shown holds it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import pivotgym
from pivotgym.envs.base import sources
from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend, hidden
from pivotgym.envs.sandbox.contract import Snapshot
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

FOLDER, FILE = Path("/usr/share"), Path("/usr/bin/env")
"""Some of this machine's own, in the place of an installed package and of a source that is a file."""


@pytest.fixture(scope="module")
def hiding(store: SnapshotStore) -> Iterator[BubblewrapBackend]:
    opened = BubblewrapBackend(store, hide=[FOLDER, FILE, Path("/no/such/folder")])
    yield opened
    opened.close()


def test_a_hidden_folder_is_empty_and_a_hidden_file_too(hiding: BubblewrapBackend, start: Snapshot) -> None:
    assert list(FOLDER.iterdir())
    sandbox = hiding.open(start)
    ran = sandbox.run(f"ls -A {FOLDER}; cat {FILE}; touch {FOLDER}/x")
    assert ran.stdout == b""
    assert b"Read-only file system" in ran.stderr
    assert sandbox.fork().run(f"ls -A {FOLDER}; cat {FILE}").stdout == b""
    assert sandbox.read(str(FILE)) is None
    assert sandbox.changes() == {}


def test_it_stays_hidden_for_one_who_tries(hiding: BubblewrapBackend, start: Snapshot) -> None:
    sandbox = hiding.open(start)
    ran = sandbox.run(f"umount {FOLDER}; umount -l {FOLDER}; mount --bind / /mnt; ls -A {FOLDER} /mnt/{FOLDER}")
    assert not set(ran.stdout.split()) & {path.name.encode() for path in FOLDER.iterdir()}


def test_the_program_itself_is_hidden(tmp_path: Path) -> None:
    code = Path(next(iter(pivotgym.__path__))).resolve()
    assert code in [path.resolve() for path in hidden.answers(tmp_path)]
    assert hidden.below([str(code.parent)], hidden.answers(tmp_path)) == [str(code)]


def test_sources_the_cache_and_the_store_are_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [tmp_path / name for name in ("told", "given", "cache", "store")]
    for place in places:
        place.mkdir()
    monkeypatch.setenv("PIVOTGYM_SOURCE_HIDDEN_ONE", str(places[0]))
    monkeypatch.setenv("PIVOTGYM_CACHE", str(places[2]))
    sources.configure({"hidden_two": places[1]})
    try:
        assert hidden.below([str(tmp_path)], hidden.answers(places[3])) == sorted(map(str, places))
    finally:
        sources.forget("hidden_two")


def test_only_what_is_seen_is_hidden_and_nothing_twice(tmp_path: Path) -> None:
    (tmp_path / "seen" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "seen" / "deep")
    (tmp_path / "unseen").mkdir()
    paths = [tmp_path / name for name in ("link", "seen/deep", "seen/deep/../deep", "seen/none", "unseen", "seen")]
    assert hidden.below([str(tmp_path / "seen")], paths) == [str(tmp_path / "seen" / "deep")]
    assert hidden.below([str(tmp_path)], paths) == [str(tmp_path / "seen"), str(tmp_path / "unseen")]
