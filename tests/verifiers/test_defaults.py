from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.defaults import NO_DEFAULT, default_of


def told(kind: str, description: str, **more: Any) -> Any:
    return default_of({"type": kind, "description": description, **more})


def test_a_declared_default_comes_first() -> None:
    assert told("integer", "Default is 5.", default=7) == 7
    assert told("integer", "Default is 5.", default=None) is None


def test_a_default_declared_as_text_has_the_parameters_type() -> None:
    assert told("boolean", "", default="false") is False
    assert told("integer", "", default="5") == 5
    assert told("integer", "", default="any") == "any"
    assert told("string", "", default="5") == "5"


@pytest.mark.parametrize(
    ("kind", "description", "default"),
    [
        ("integer", "How many (default 10).", 10),
        ("integer", "How many (default: 10)", 10),
        ("integer", "How many, default=10", 10),
        ("integer", "Set to 5 by default.", 5),
        ("integer", "If omitted, 5 is used.", 5),
        ("integer", "If not specified, it defaults to 7.", 7),
        ("integer", "At most this; defaults to 1,000", 1000),
        ("number", "Speed. Default is 0, m/s", 0),
        ("number", "Defaults to 9.8 m/s^2.", 9.8),
        ("number", "Default value is set to be 9.81.", 9.81),
        ("number", "A default value of 1.0 is used", 1.0),
        ("number", "Defaults to -2.5e3", -2500.0),
        ("boolean", "Whether. Default is False.", False),
        ("boolean", "Defaults to true if the user is known", True),
        ("string", "The default is 'metric'.", "metric"),
        ("string", "Default: 'winter'", "winter"),
        ("string", "By default, 'asc'.", "asc"),
        ("string", "Unit, 'metric' by default.", "metric"),
        ("string", "USD is the default.", "USD"),
        ("string", "If not provided, 'USD' is used", "USD"),
        ("string", "Default is 'New York, NY'.", "New York, NY"),
        ("string", "Defaults to ''.", ""),
        ("string", "Defaults to an empty string.", ""),
        ("string", "Date. Defaults to the current date.", "the current date"),
        ("array", "Default is ['a', 'b'].", ["a", "b"]),
        ("array", "Default is an empty list.", []),
        ("object", "Defaults to {'a': 1}.", {"a": 1}),
        ("integer", "Default is None", None),
        ("integer", "Default is the current season, 2024", 2024),
        ("number", "Defaults to that of free space, 0.01", 0.01),
        ("string", "Defaults to the current season '2023-2024' if not provided.", "2023-2024"),
        ("string", "How often. Default annually", "annually"),
    ],
)
def test_defaults_are_read_from_descriptions(kind: str, description: str, default: Any) -> None:
    found = told(kind, description)
    assert (found, type(found)) == (default, type(default))


@pytest.mark.parametrize(
    ("kind", "description"),
    [
        ("integer", "How many."),
        ("integer", "The default timeout in seconds"),
        ("integer", "Default is the current year"),
        ("integer", "Default is 2 million."),
        ("integer", "Default is 1-based."),
        ("integer", "Default is 2.5."),
        ("number", "Default is 5%."),
        ("boolean", "Default is 5."),
        ("integer", "Default is something between 5 and 10."),
        ("string", "The user's default address"),
        ("array", "Default is [broken."),
        ("array", "Default is all."),
    ],
)
def test_what_is_doubtful_or_of_another_type_is_no_default(kind: str, description: str) -> None:
    assert told(kind, description) is NO_DEFAULT


def test_of_listed_values_the_one_that_is_named_is_meant() -> None:
    assert told("string", "Default is ascending order", enum=["ascending", "descending"]) == "ascending"
    assert told("string", "Default is Metric", enum=["metric", "imperial"]) == "metric"
    assert told("string", "Default is by size", enum=["name", "date"]) is NO_DEFAULT


def test_without_a_type_any_value_is_read() -> None:
    assert default_of({"description": "Defaults to true"}) is True


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
WORDS = st.lists(
    st.sampled_from(
        [
            "Default",
            "is",
            "to",
            "by default",
            "if omitted,",
            "'",
            '"',
            "5",
            "5%",
            "[1,",
            "{",
            "used",
            ".",
            "(",
            "-1.5e3",
        ]
    )
).map(" ".join)


@given(st.dictionaries(st.sampled_from(["type", "enum", "default"]), JSON), WORDS | st.text(max_size=40) | JSON)
def test_any_schema_gets_an_answer(schema: dict[str, Any], description: Any) -> None:
    found = default_of({**schema, "description": description})
    assert "default" not in schema or found is not NO_DEFAULT
