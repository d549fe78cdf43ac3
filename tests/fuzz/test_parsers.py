"""Any text is read or refused; nothing else is raised, and nothing takes for ever."""

from __future__ import annotations

import pytest
from fuzzed_parsers import PARSERS, Parser
from hypothesis import given, settings
from hypothesis import strategies as st

any_parser = pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)


def texts(parser: Parser) -> st.SearchStrategy[str]:
    piece = (
        st.sampled_from(parser.pieces)
        | st.text(max_size=6)
        | st.sampled_from(["\ud800", "\x00", "\u2028", "\r\n", " "])
    )
    return st.lists(piece, max_size=16).map("".join)


@any_parser
@given(data=st.data())
@settings(max_examples=25)
def test_any_text_is_read(parser: Parser, data: st.DataObject) -> None:
    parser.read(data.draw(texts(parser)))


@pytest.mark.slow
@any_parser
@given(data=st.data())
@settings(max_examples=100)
def test_any_text_is_read_at_length(parser: Parser, data: st.DataObject) -> None:
    parser.read(data.draw(texts(parser)))


@pytest.mark.slow
@pytest.mark.timeout(300)
@any_parser
def test_a_piece_repeated_without_end_is_read(parser: Parser) -> None:
    for piece in parser.pieces:
        parser.read(piece * (30_000 // len(piece)))


CRASHES = [
    ("page", '[1] button "\\u12"'),
    ("page", '[1] textbox "a" value="\\x"'),
    ("page", "[" + "9" * 5000 + "] button"),
    ("message", "no" * 8000),
]
"""Texts that once raised, or took half a minute."""


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("name", "text"), CRASHES, ids=[f"{name} {text[:12]}" for name, text in CRASHES])
def test_text_that_once_did_harm_is_read(name: str, text: str) -> None:
    PARSERS[name].read(text)
