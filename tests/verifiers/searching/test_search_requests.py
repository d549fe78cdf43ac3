"""What an action asks, under the names and in the shapes that runs use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.messages import Action, ToolCall
from pivotgym.verifiers.searching.requests import answer_in, does, request_of


def call(name, **arguments):
    return ToolCall.model_validate({"name": name, "arguments": arguments})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("search", "search"), ("web_search", "search"), ("webSearch", "search"), ("browser.search", "search"),
        ("google-search", "search"), ("visit", "open"), ("mcp__web__open_url", "open"), ("find_in_page", "find"),
        ("finish", "finish"), ("final_answer", "finish"), ("send_mail", None),
    ],
)  # fmt: skip
def test_tools_are_known_by_name(name, kind):
    assert does(name) == kind


@pytest.mark.parametrize(
    ("asked", "values"),
    [
        (call("search", query="a"), ("a",)),
        (call("search", query=["a", "b"]), ("a", "b")),
        (call("search", queries='["a", "b"]'), ("a", "b")),
        (call("search", query=[{"query": "a"}]), ("a",)),
        (call("search", words="a"), ("a",)),
        (call("visit", url=["u"], goal="g"), ("u",)),
        (call("open", id="u"), ("u",)),
        (call("finish", answer=42), ("42",)),
        (call("finish", answer=["a", "b"]), ("a, b",)),
    ],
)
def test_values_are_found_in_each_shape(asked, values):
    found = request_of(asked)
    assert (found.values, found.problem) == (values, "")


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (call("search"), "search: expected queries in 'query', got none"),
        (call("search", query=[]), "search: expected queries in 'query', got none"),
        (call("search", query=["a", " "]), "search: expected queries in 'query', got none"),
        (call("visit", goal="g", depth=1), "visit: expected addresses in 'url', got none"),
        (call("search", query=["a"] * 21), "search: expected at most 20 at once, got 21"),
        (call("search", query="a" * 20_001), "search: expected texts of at most 2000 characters, got a longer one"),
        (ToolCall.model_validate({"name": "search", "arguments": "{"}), "search: the arguments are not a JSON object"),
    ],
)
def test_what_cannot_be_run_is_told(asked, problem):
    assert request_of(asked).problem == problem


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a</think>\n<answer>Ricin</answer>", "Ricin"),
        ("<think>maybe <answer>x</answer></think> So:\n**Final answer:** Ricin", "Ricin"),
        (r"It is \boxed{42}.", "42"),
        ("Ricin", "Ricin"),
        ("<think>only thoughts", "<think>only thoughts"),
    ],
)
def test_the_answer_of_a_message_is_found(text, answer):
    assert answer_in(text) == answer


_json = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=9), st.lists, max_leaves=5)


@given(st.sampled_from(["search", "visit", "find", "finish", "other"]), st.dictionaries(st.text(max_size=6), _json))
def test_any_arguments_are_read(name, arguments):
    action = Action.model_validate({"tool_calls": [{"name": name, "arguments": arguments}]})
    found = request_of(action.tool_calls[0])
    assert found.values or found.problem or found.does is None
