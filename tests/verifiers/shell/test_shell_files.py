"""Which changed files count, and when two trees are the same."""

from typing import Any

import pytest

from pivotgym.verifiers.shell.files import (
    counted,
    different_paths,
    different_repositories,
    same_archive,
    same_entry,
    scratch,
)


def file(text: str = "x", **fields: Any) -> dict[str, Any]:
    return {"kind": "file", "mode": 0o644, "size": len(text), "digest": f"sha:{text}", "text": text, **fields}


def made(entry: dict[str, Any] | None) -> dict[str, Any]:
    return {"before": None, "after": entry}


@pytest.mark.parametrize(
    "other",
    [
        None,
        file("y"),
        file(mode=0o755),
        file(owner="1000:1000"),
        {"kind": "link", "mode": 0, "digest": "x"},
        {"kind": "dir", "mode": 0o755},
    ],
)
def test_content_kind_mode_owner_and_target_count(other: dict[str, Any] | None) -> None:
    assert not same_entry(file(), other)


def test_equal_entries_are_the_same() -> None:
    assert same_entry(file(), file())
    assert same_entry(None, None)


def test_a_file_that_only_one_wrote_is_different() -> None:
    assert different_paths({"/a": made(file())}, {}) == ["/a"]
    assert different_paths({}, {"/a": made(file())}) == ["/a"]


def test_a_file_left_alone_is_as_it_was_before() -> None:
    back = {"before": file(), "after": file()}
    assert different_paths({"/a": back}, {}) == []


@pytest.mark.parametrize(
    "path",
    [
        "/w/__pycache__/m.cpython-311.pyc",
        "/w/.pytest_cache/v/x",
        "/root/.bash_history",
        "/root/.cache/pip/x",
        "/w/.a.txt.swp",
        "/var/lib/apt/lists/x",
        "/run/x.pid",
    ],
)
def test_byproducts_do_not_count(path: str) -> None:
    assert counted({path: made(file())}, ["/"]) == {}


def test_only_the_named_folders_count() -> None:
    assert list(counted({"/w/a": made(file()), "/workspace/a": made(file())}, ["/w"])) == ["/w/a"]


def test_inside_a_repository_its_bytes_do_not_count() -> None:
    changes = {"/r/.git/objects/ab": made(file()), "/r/a": made(file()), "/b.git/HEAD": made(file())}
    assert list(counted(changes, ["/"], ["/r", "/b.git"])) == ["/r/a"]


def test_scratch_places_are_none_within_a_task_that_lives_there() -> None:
    assert scratch("/tmp/a", ["/"])
    assert not scratch("/tmp/work/a", ["/tmp/work"])
    assert not scratch("/tmpx/a", ["/"])


def archive(*members: list[Any], container: str = "tar+gzip") -> dict[str, Any]:
    return {"container": container, "members": list(members)}


A, B = ["a", "file", 0o644, "sha:a"], ["b", "file", 0o644, "sha:b"]


def test_archives_with_the_same_members_are_the_same() -> None:
    one, other = file("1", archive=archive(A, B)), file("2", archive=archive(B, A))
    assert same_entry(one, other)


@pytest.mark.parametrize("other", [archive(A), archive(A, A), archive(A, B, container="zip"), None])
def test_archives_with_others_are_not(other: dict[str, Any] | None) -> None:
    assert not same_archive(archive(A, B), other)


REPOSITORY = {"head": "refs/heads/main", "refs": {"refs/heads/main": [["t1", "first"]]}, "index": "i", "config": "c"}


@pytest.mark.parametrize("change", [{"head": "t1"}, {"refs": {}}, {"index": "j"}, {"config": "d"}])
def test_repositories_differ_by_what_they_hold(change: dict[str, Any]) -> None:
    assert different_repositories({"/r": REPOSITORY}, {"/r": {**REPOSITORY, **change}}) == ["/r"]


def test_equal_repositories_are_the_same() -> None:
    assert different_repositories({"/r": REPOSITORY}, {"/r": dict(REPOSITORY)}) == []
    assert different_repositories({"/r": {**REPOSITORY, "before": REPOSITORY}}, {}) == []
    assert different_repositories({"/r": REPOSITORY}, {}) == ["/r"]
