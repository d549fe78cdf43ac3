"""What a tool's schema refers to is looked up in the schema only: a pivot may come from anybody."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Tool, ToolCall
from pivotgym.verifiers.schema import signature


def problem(reference):
    parameters = {
        "type": "object",
        "properties": {"x": {"$ref": reference}},
        "$defs": {"number": {"type": "integer"}},
    }
    return signature(Tool(name="f", parameters=parameters)).problem(ToolCall(name="f", arguments={"x": "one"}))


def test_a_definition_in_the_schema_is_found():
    assert "does not fit its schema" in problem("#/$defs/number")


@pytest.mark.parametrize("reference", ["#/$defs/nothing", "file:///etc/passwd"])
def test_a_reference_that_leads_nowhere_refuses_the_pivot(reference):
    with pytest.raises(PivotRefused, match="tools: the schema of 'f' cannot be used"):
        problem(reference)


@pytest.mark.parametrize(
    "part",
    [
        {"$ref": "#/properties/x"},
        {"maxLength": "5"},
        {"allOf": [3]},
    ],
)
def test_a_schema_that_cannot_be_used_refuses_the_pivot(part):
    tool = Tool(name="f", parameters={"type": "object", "properties": {"x": part}})
    with pytest.raises(PivotRefused, match="tools: the schema of 'f' cannot be used"):
        signature(tool).problem(ToolCall(name="f", arguments={"x": "one"}))


@pytest.mark.parametrize("pattern", ["^\\p{L}+$", "^(a+)+$"])
def test_a_pattern_of_names_never_runs(pattern):
    parameters = {"properties": {"x": {}}, "patternProperties": {pattern: {}}, "additionalProperties": False}
    call = ToolCall(name="f", arguments={"a" * 40 + "!": 1})
    assert signature(Tool(name="f", parameters=parameters)).problem(call) is None


def test_arguments_nested_too_deep_for_a_schema_that_refers_to_itself_are_invalid():
    tool = Tool(name="f", parameters={"properties": {"x": {"$ref": "#"}}, "additionalProperties": False})
    nested = {}
    for _ in range(400):
        nested = {"x": nested}
    assert "nested too deep" in signature(tool).problem(ToolCall(name="f", arguments=nested))


def test_an_address_is_never_fetched():
    fetched = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            fetched.append(self.path)

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(PivotRefused):
            problem(f"http://127.0.0.1:{server.server_port}/inside")
        server.shutdown()

    assert fetched == []
