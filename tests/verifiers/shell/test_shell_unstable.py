"""What two runs of one action say about a third."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.shell.unstable import Mask, settled


def fits(first: str, again: str, third: str) -> bool:
    return Mask(first.split("\n"), again.split("\n")).fits(third.split("\n"))


@pytest.mark.parametrize(
    ("first", "again", "third"),
    [
        ("Sat Nov 21 16:15:05 UTC 2026", "Sat Nov 21 16:15:06 UTC 2026", "Sat Nov 21 16:16:00 UTC 2026"),
        ("1795000000", "1795000001", "1795000007"),
        ("pid 123", "pid 97", "pid 1204"),
        ("/tmp/tmp.aB3dE9", "/tmp/tmp.Zk2pQ0", "/tmp/tmp.x0x1x2"),
        ("3f2a9c", "b71e00", "aa00ff"),
        ("1 passed in 0.02s", "1 passed in 0.14s", "1 passed in 1.20s"),
        ("a\nb\nc", "c\na\nb", "b\na\nc"),
        ("PID CMD\n1 bash\n7 ps", "PID CMD\n1 bash\n8 sh\n9 ps", "PID CMD\n1 bash\n12 ps"),
    ],
)
def test_what_changed_is_of_its_class(first: str, again: str, third: str) -> None:
    assert fits(first, again, third)


@pytest.mark.parametrize(
    ("first", "again", "third"),
    [
        ("Sat Nov 21 16:15:05 UTC 2026", "Sat Nov 21 16:15:06 UTC 2026", "1795000000"),
        ("Sat Nov 21 16:15:05 UTC 2026", "Sat Nov 21 16:15:06 UTC 2026", "Sun Nov 22 16:15:06 UTC 2026"),
        ("pid 123", "pid 97", "uid 123"),
        ("pid 123", "pid 97", "pid x"),
        ("pid 123", "pid 97", "pid 123456789"),
        ("/tmp/tmp.aB3dE9", "/tmp/tmp.Zk2pQ0", "/var/tmp.x0x1x2"),
        ("1 passed in 0.02s", "1 passed in 0.14s", "2 passed in 0.02s"),
        ("1 passed in 0.02s", "1 passed in 0.14s", "1 failed in 0.02s"),
        ("a\nb\nc", "c\na\nb", "a\nb"),
        ("a\nb\nc", "c\na\nb", "a\nb\nd"),
        ("PID CMD\n1 bash\n7 ps", "PID CMD\n1 bash\n8 sh\n9 ps", "1 bash"),
        ("PID CMD\n1 bash\n7 ps", "PID CMD\n1 bash\n8 sh\n9 ps", "PID CMD\n1 bash\n/etc/passwd"),
    ],
)
def test_the_stable_rest_stays(first: str, again: str, third: str) -> None:
    assert not fits(first, again, third)


@given(st.text(max_size=20), st.text(max_size=20))
def test_both_runs_fit_their_own_pattern(first: str, again: str) -> None:
    assert fits(first, again, first)
    assert fits(first, again, again)


@given(st.lists(st.text(max_size=6)), st.lists(st.text(max_size=6)))
def test_what_did_not_change_must_be_equal(same: list[str], other: list[str]) -> None:
    assert Mask(same, same).fits(other) == (same == other)


def file(text: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "file", "mode": 0o644, "size": len(text), "digest": text, "text": text, **fields}


def made(*paths: str, **texts: str) -> dict[str, dict[str, Any]]:
    return {path: {"before": None, "after": file(text)} for path, text in zip(paths, texts.values(), strict=True)}


def left(first: dict[str, Any], again: dict[str, Any], candidate: dict[str, Any]) -> list[str]:
    return settled(first, again, candidate, sorted({*first, *candidate}))


def test_a_file_with_a_time_may_have_another_time() -> None:
    runs = [made("/a", text=f"at 10:00:0{second}") for second in (1, 2, 5)]
    assert left(*runs) == []
    assert left(runs[0], runs[1], made("/a", text="never")) == ["/a"]


def test_a_stable_file_stays_different() -> None:
    assert left(made("/a", t="x"), made("/a", t="x"), made("/a", t="y")) == ["/a"]


def test_a_file_under_a_random_name_may_have_another_name() -> None:
    runs = [made(f"/t/tmp.{name}", text="x") for name in ("aB3dE9", "Zk2pQ0", "x0x1x2")]
    assert left(*runs) == []


def test_not_under_any_name_nor_elsewhere() -> None:
    first, again = (made(f"/t/tmp.{name}", text="x") for name in ("aB3dE9", "Zk2pQ0"))
    for place in ("/t/other", "/u/tmp.x0x1x2"):
        assert left(first, again, made(place, text="x")) == sorted([*first, place])


def test_random_bytes_are_as_many() -> None:
    def key(digest: str, size: int) -> dict[str, Any]:
        return {"/k": {"before": None, "after": {"kind": "file", "mode": 0o600, "size": size, "digest": digest}}}

    assert left(key("1", 32), key("2", 32), key("3", 32)) == []
    assert left(key("1", 32), key("2", 32), key("3", 16)) == ["/k"]


def test_a_mode_is_never_explained_by_content() -> None:
    runs = [made("/a", text=str(number)) for number in (1, 2)]
    assert left(*runs, {"/a": {"before": None, "after": file("3", mode=0o755)}}) == ["/a"]
