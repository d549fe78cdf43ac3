"""Keys by their names, and what a terminal shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.envs.sandbox.shell.keys import typed
from pivotgym.envs.sandbox.shell.screen import Display


@pytest.mark.parametrize(
    ("keys", "raw"),
    [
        ("ls -la\n", b"ls -la\n"),
        ("C-c", b"\x03"),
        ("C-d", b"\x04"),
        ("c-Z", b"\x1a"),
        ("^C", b"\x03"),
        ("C-[", b"\x1b"),
        ("C-Space", b"\0"),
        ("M-x", b"\x1bx"),
        ("C-M-a", b"\x1b\x01"),
        ("Enter", b"\r"),
        ("Up", b"\x1b[A"),
        ("BSpace", b"\x7f"),
        ("PageDown", b"\x1b[6~"),
        ("C-c\n", b"C-c\n"),
        ("C-cc", b"C-cc"),
        ("press Enter", b"press Enter"),
        ("q", b"q"),
        ("é", "é".encode()),
        ("", b""),
    ],
)
def test_a_name_is_a_key_and_all_else_is_typed(keys: str, raw: bytes) -> None:
    assert typed(keys) == raw


def shown(*pieces: bytes, columns: int = 20, rows: int = 4) -> Display:
    display = Display(columns, rows)
    for piece in pieces:
        display.feed(piece)
    return display


def test_lines_are_stripped_at_their_end() -> None:
    assert shown(b"a  \r\n  b \r\n\r\n").screen() == "a\n  b"


def test_a_program_can_ask_where_the_cursor_is() -> None:
    assert shown(b"ab").feed(b"\x1b[6n") == b"\x1b[1;3R"


@pytest.mark.parametrize(
    "unknown", [b"\x1b[>4;2m", b"\x1b[>c", b"\x1b[?2004h", b"\x1b[2 q", b"\x1b[!p", b"\x1b[?1;2c", b"\x1b[=3;1u"]
)
def test_sequences_of_newer_terminals_leave_no_trace(unknown: bytes) -> None:
    assert shown(b"a" + unknown + b"b").screen() == "ab"
    assert shown(b"a", *(bytes([byte]) for byte in unknown), b"b").screen() == "ab"


def test_what_is_done_on_the_alternate_screen_is_forgotten() -> None:
    display = shown(b"main\r\n", b"\x1b[?1049h\x1b[H\x1b[2Jother")
    assert display.new_text() == display.screen() == "other"
    display.feed(b"\x1b[?1049l")
    assert display.screen() == "main"
    assert display.new_text() == "main\n"


def test_scrolled_lines_are_part_of_the_new_text() -> None:
    display = shown(b"1\r\n2\r\n3\r\n4\r\n5\r\n")
    assert display.new_text() == "1\n2\n3\n4\n5\n"
    assert display.screen() == "3\n4\n5"
    display.feed(b"6\r\n")
    assert display.new_text() == "6\n"


def test_skipped_lines_are_counted() -> None:
    display = shown(b"a\r\n")
    display.skip(1000)
    display.feed(b"b")
    assert display.new_text().startswith("[... 1000 lines cut ...]\n")


@pytest.mark.parametrize("odd", [b"\x1b[9J", b"\x1b[1;2;3A", b"\x1b[6;1n", b"\x1b[9K", b"\x1b[?5A", b"\x1b[1;2P"])
def test_a_sequence_that_makes_no_sense_is_left_out(odd: bytes) -> None:
    assert shown(b"a" + odd + b"b").screen() == "ab"


@given(st.lists(st.binary(max_size=30)))
def test_no_bytes_break_the_screen(pieces: list[bytes]) -> None:
    display = shown(*pieces)
    assert len(display.screen().split("\n")) <= 4
    display.new_text()


@given(
    st.lists(
        st.sampled_from(
            [
                b"\x1b[",
                b"?",
                b"1049",
                b"h",
                b"l",
                b";",
                b"4",
                b"H",
                b"J",
                b"r",
                b"M",
                b"x",
                b"\r\n",
                b"\x1bM",
                b">",
                b"c",
            ]
        )
    )
)
def test_no_sequence_breaks_the_screen(pieces: list[bytes]) -> None:
    display = shown(*pieces)
    display.new_text()
    display.resize(5, 2)
    assert len(display.screen().split("\n")) <= 2
