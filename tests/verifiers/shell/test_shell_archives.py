"""Archives by what they hold."""

import gzip
import io
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.shell import archives
from pivotgym.verifiers.shell.archives import archive_of


def tar(*files: tuple[str, bytes], mtime: int = 0, mode: int = 0o644, packing: str = "gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{packing}") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), mtime, mode
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def zipped(*files: tuple[str, bytes], year: int = 2000) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
    return out.getvalue()


A, B = ("a", b"1"), ("b", b"2")


def _name(value: object) -> str:
    """A test's name holds no bytes: they hold the time, and workers must agree on names."""
    return value if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (tar(A, B), tar(B, A, mtime=99)),
        (tar(A, packing=""), tar(A, mtime=99, packing="")),
        (zipped(A, B), zipped(B, A, year=2020)),
        (gzip.compress(b"x", mtime=1), gzip.compress(b"x", compresslevel=1, mtime=2)),
    ],
    ids=_name,
)
def test_times_order_and_packing_are_left_out(one: bytes, other: bytes) -> None:
    assert one != other
    assert archive_of(one) == archive_of(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (tar(A), tar(("a", b"2"))),
        (tar(A), tar(A, B)),
        (tar(A), tar(A, mode=0o755)),
        (tar(A), tar(A, packing="bz2")),
        (tar(A), tar(A, packing="xz")),
        (tar(A), zipped(A)),
        (gzip.compress(b"x"), gzip.compress(b"y")),
    ],
    ids=_name,
)
def test_what_an_archive_holds_stays(one: bytes, other: bytes) -> None:
    assert archive_of(one) != archive_of(other)


def test_the_container_is_named() -> None:
    found = [archive_of(one) for one in (tar(A), tar(A, packing=""), zipped(A), gzip.compress(b""))]
    assert [one and one["container"] for one in found] == ["tar+gzip", "tar", "zip", "gzip"]


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"\x1f\x8bbroken", b"PK\x03\x04broken", tar(A)[:40]],
    ids=["nothing", "text", "gzip", "zip", "cut off"],
)
def test_other_and_broken_files_are_no_archives(content: bytes) -> None:
    assert archive_of(content) is None


def test_an_archive_that_unpacks_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    assert archive_of(gzip.compress(bytes(2000))) is None
    assert archive_of(zipped(("a", bytes(2000)))) is None
    assert archive_of(gzip.compress(bytes(1000))) is not None


def test_an_archive_of_too_many_members_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 1)
    assert archive_of(tar(A, B)) is None
    assert archive_of(zipped(A, B)) is None


@given(st.sampled_from([b"", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04"]), st.binary())
def test_reading_any_bytes_gives_an_archive_or_nothing(start: bytes, rest: bytes) -> None:
    found = archive_of(start + rest)
    assert found is None or isinstance(found, dict)
