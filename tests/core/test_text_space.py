import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.actions import read_action
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.spaces import Unicode


@given(st.text())
def test_any_text_is_in_the_space(text: str) -> None:
    assert text in Unicode()


def test_other_things_and_other_lengths_are_not() -> None:
    space = Unicode(4, min_length=2)
    assert [value for value in ("a", "ab", "abcd", "abcde", 3, None) if value in space] == ["ab", "abcd"]


def test_samples_follow_the_seed_and_are_in_the_space() -> None:
    samples = [Unicode(seed=seed).sample() for seed in (1, 1, 2)]
    assert samples[0] == samples[1] != samples[2]
    assert all(sample in Unicode() for sample in samples)


def test_spaces_are_equal_by_their_lengths() -> None:
    assert Unicode(9) == Unicode(9)
    assert Unicode(9) != Unicode(8)
    assert repr(Unicode(9)) == "Unicode(9, min_length=0)"


def test_texts_are_json_already() -> None:
    assert Unicode().from_jsonable(Unicode().to_jsonable(["ä"])) == ["ä"]


def test_crossed_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 <= min_length <= max_length, got 3 and 2"):
        Unicode(2, min_length=3)


def test_masks_are_refused() -> None:
    with pytest.raises(ValueError, match="expected no mask and no probability"):
        Unicode().sample(mask="x")  # type: ignore[arg-type]


def test_an_assistant_message_is_an_action() -> None:
    assert read_action('{"role": "assistant", "content": "Hello"}') == Action(content="Hello")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "got no JSON"),
        ("[1]", r"\(a JSON object\), got list"),
        ('{"role": "user", "content": "x"}', "expected the role 'assistant'"),
        ('{"content": 3}', "expected an assistant message, but content: "),
        ('{"tool_calls": [{"arguments": "{}"}]}', r"but tool_calls\.0"),
    ],
)
def test_what_is_no_action_says_why(text: str, reason: str) -> None:
    read = read_action(text)
    assert isinstance(read, Malformed)
    assert re.search(reason, read.reason)


@given(st.text())
def test_reading_an_action_never_raises(text: str) -> None:
    assert isinstance(read_action(text), Action | Malformed)
