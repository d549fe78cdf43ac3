"""Files that others made, whole or damaged: read, or refused with an error that names them."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pivotgym.core.errors import BadLine, InputError
from pivotgym.core.jsonl import read_records
from pivotgym.core.readers.chat import read_chat
from pivotgym.core.readers.nemo_gym import read_nemo_gym
from pivotgym.core.readers.openhands import read_openhands
from pivotgym.core.readers.swe_agent import read_swe_agent
from pivotgym.core.trajectory import Pivot, Trajectory
from pivotgym.envs.browsing.search.catalogue import read_pages
from pivotgym.envs.sandbox.bubblewrap import inside
from pivotgym.envs.sandbox.docker import archives
from pivotgym.envs.swe import sdists
from pivotgym.envs.swe.tasks.rows import read_rows
from pivotgym.envs.terminal import fixtures

READERS: dict[str, Callable[[Path], Any]] = {
    "trajectories": lambda path: list(read_records(path, Trajectory)),
    "pivots": lambda path: list(read_records(path, Pivot)),
    "chat": lambda path: list(read_chat(path)),
    "nemo_gym": lambda path: list(read_nemo_gym(path)),
    "openhands": lambda path: list(read_openhands(path)),
    "swe_agent": lambda path: list(read_swe_agent(path)),
    "pages": lambda path: list(read_pages(path)),
    "SWE-bench": lambda path: list(read_rows(path)),
}
FIELDS = ["id", "domain", "messages", "tools", "origin", "history", "role", "content", "tool_calls", "function", "name"]
FIELDS += [
    "arguments",
    "responses_create_params",
    "expected_action",
    "expected_answer",
    "input",
    "type",
    "url",
    "title",
]
FIELDS += [
    "text",
    "snippet",
    "trajectory",
    "history",
    "instance_id",
    "repo",
    "base_commit",
    "patch",
    "kind",
    "metadata",
]
FIELDS += ["reference", "prefix", "profile", "schema_version", "turn", "outcome", "action", "args", "info", "query"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([*FIELDS, "assistant", "user", "\ud800", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)
ROWS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8)
DEEP = b'{"messages": ' + b"[" * 900 + b"]" * 900 + b', "origin": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}"

any_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)
in_a_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def read_or_refuse(read: Callable[[Path], Any], path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        read(path)


@any_reader
@given(row=ROWS)
@settings(in_a_file, max_examples=40)
def test_any_row_is_read_or_refused(tmp_path: Path, read: Callable[[Path], Any], row: dict[str, Any]) -> None:
    read_or_refuse(read, tmp_path / "rows.jsonl", json.dumps(row).encode())


@pytest.mark.slow
@any_reader
@given(row=ROWS)
@settings(in_a_file, max_examples=100)
def test_any_row_is_read_or_refused_at_length(tmp_path: Path, read: Callable[[Path], Any], row: dict[str, Any]) -> None:
    read_or_refuse(read, tmp_path / "rows.jsonl", json.dumps(row).encode())


@any_reader
@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[", b"1", b"{}", b"[" * 100_000, DEEP, b'{"a": 1' + b"0" * 5000 + b"}"]
)
def test_what_is_hardly_a_row_is_read_or_refused(tmp_path: Path, read: Callable[[Path], Any], content: bytes) -> None:
    read_or_refuse(read, tmp_path / "rows.jsonl", content)


@pytest.mark.parametrize("damage", [slice(0, 5), slice(0, 40), slice(0, -9), slice(11, None)], ids=str)
def test_damaged_compressed_file_is_refused_by_name(tmp_path: Path, damage: slice) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(random.Random(7).randbytes(2000).hex().encode())[damage])

    with pytest.raises(BadLine, match=r"rows\.jsonl\.gz, line 1: cannot be unpacked: "):
        list(read_records(path, Pivot))


def unpack(path: Path) -> None:
    folder = path.parent / "unpacked"
    folder.mkdir(exist_ok=True)
    with path.open("rb") as archive:
        inside.unpack(archive.fileno(), str(folder), "/", name=path.name, ids=1)


UNPACKERS: dict[str, Callable[[Path], Any]] = {
    "bubblewrap": unpack,
    "docker": lambda path: archives.repack(path, "/at"),
    "fixture": lambda path: fixtures._tops(path, path.stat().st_size, path.stat().st_mtime_ns),
    "source package": sdists.tree,
}


def packed() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("top/a", "top/b/c"):
            member = tarfile.TarInfo(name)
            member.size = 3000
            archive.addfile(member, io.BytesIO(random.Random(7).randbytes(3000)))
    return buffer.getvalue()


TAR = packed()
PACKED = {"tar": TAR, "gz": gzip.compress(TAR), "bz2": bz2.compress(TAR), "xz": lzma.compress(TAR)}


@pytest.mark.parametrize("unpacker", UNPACKERS)
@pytest.mark.parametrize("packing", PACKED)
@given(at=st.floats(0, 1, exclude_max=True), put=st.binary(max_size=8), cut=st.booleans())
@settings(in_a_file, max_examples=15)
def test_damaged_archive_is_unpacked_or_refused(
    tmp_path: Path, unpacker: str, packing: str, at: float, put: bytes, cut: bool
) -> None:
    whole = PACKED[packing]
    place = int(at * len(whole))
    rest = b"" if cut else whole[place + len(put) :]
    read_or_refuse(UNPACKERS[unpacker], tmp_path / "damaged", whole[:place] + put + rest)


@pytest.mark.parametrize("unpacker", UNPACKERS)
@pytest.mark.parametrize("packing", PACKED)
def test_archive_that_ends_in_the_middle_is_unpacked_or_refused(tmp_path: Path, unpacker: str, packing: str) -> None:
    whole = PACKED[packing]
    read_or_refuse(UNPACKERS[unpacker], tmp_path / "half", whole[: len(whole) // 2])
