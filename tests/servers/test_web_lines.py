"""Indexes of JSON Lines files: what was read is found again, also while the file grows or is replaced."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.core.errors import NotFound
from pivotgym.servers.gateway.web import lines
from pivotgym.servers.gateway.web.lines import Index, Shelf

RECORDS = st.lists(
    st.fixed_dictionaries({"id": st.text(max_size=4), "metadata": st.dictionaries(st.text(max_size=3), st.integers())})
)


def write(path: Path, records: list[dict[str, Any]], mode: str = "wb") -> None:
    with open(path, mode) as file:
        for record in records:
            file.write(json.dumps(record).encode() + b"\n")


@settings(max_examples=40, deadline=None)
@given(RECORDS, RECORDS)
def test_each_record_is_found_by_its_id(
    tmp_path_factory: pytest.TempPathFactory, first: list[dict[str, Any]], then: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "x.jsonl"
    write(path, first)
    index = Index(path)
    index.refresh()
    write(path, then, "ab")
    read = index.refresh()

    newest = {lines.clean(record["id"]): record for record in first + then}
    assert {name: index.record(row) for name, row in read.rows.items()} == newest
    assert read.lines == len(first) + len(then)


def test_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id": "a"}\n{"id": "b"')
    index = Index(path)
    before = set(index.refresh().rows)
    with open(path, "ab") as file:
        file.write(b"}\n")

    assert (before, set(index.refresh().rows)) == ({"a"}, {"a", "b"})


def test_replaced_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write(path, [{"id": "a"}, {"id": "b"}])
    index = Index(path)
    index.refresh()
    write(tmp_path / "y.jsonl", [{"id": "c"}])
    (tmp_path / "y.jsonl").rename(path)

    assert set(index.refresh().rows) == {"c"}


def test_only_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl"
    write(path, [{"id": str(number)} for number in range(100)])
    index = Index(path)
    index.refresh()
    read: list[bytes] = []
    monkeypatch.setattr(lines, "parse", lambda line: read.append(line) or json.loads(line))
    index.refresh()
    write(path, [{"id": "new"}], "ab")

    assert "new" in index.refresh().rows
    assert len(read) == 1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=5), max_size=4))
def test_brief_index_finds_the_same_records(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    path = tmp_path_factory.mktemp("lines") / "x.jsonl"
    write(path, [{"schema_version": 1, "pivot_id": name, "samples": [place]} for place, name in enumerate(ids)])
    brief, whole = Index(path, brief=True), Index(path)

    assert brief.refresh() == whole.refresh()


def test_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"x\.jsonl: cannot be read: No such file"):
        Index(tmp_path / "x.jsonl").refresh()


def test_record_that_changed_since_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write(path, [{"id": "a"}, {"id": "b"}])
    index = Index(path)
    row = index.refresh().rows["b"]
    path.write_bytes(b"other")

    with pytest.raises(NotFound, match="the line of 'b' cannot be read"):
        index.record(row)


def test_file_that_takes_long_is_said_to_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl"
    write(path, [{"id": "a"}])
    monkeypatch.setattr(lines, "WAIT_S", 0.0)

    async def look() -> tuple[Any, Any]:
        shelf = Shelf()
        first = await shelf.read(path)
        monkeypatch.setattr(lines, "WAIT_S", 20.0)
        return first, await shelf.read(path)

    first, then = asyncio.run(look())
    assert (first, set(then.rows)) == (None, {"a"})


def test_shelf_forgets_the_files_that_were_looked_at_first(tmp_path: Path) -> None:
    shelf = Shelf()
    first = shelf.index(tmp_path / "0")
    for number in range(1, lines.MOST_INDEXES + 1):
        shelf.index(tmp_path / str(number))

    assert shelf.index(tmp_path / "0") is not first
