"""Calls against the schemas of their tools: validity, and the one normal form of equal arguments.

Owns: reading foreign type names, what makes a call invalid, normalised arguments. Does not own: defaults that are told
(`verifiers.defaults`), whether two different normal forms mean the same (`verifiers.arguments`, `verifiers.accepted`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import UnknownType, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Tool, ToolCall
from pivotgym.core.trajectory import Pivot
from pivotgym.verifiers.attached import Attached
from pivotgym.verifiers.defaults import default_of

_TYPES = {
    "dict": "object",
    "hashmap": "object",
    "float": "number",
    "double": "number",
    "int": "integer",
    "long": "integer",
    "tuple": "array",
    "list": "array",
    "str": "string",
    "bool": "boolean",
}
_KNOWN = {"object", "number", "integer", "array", "string", "boolean", "null"}
_VALUES_ONLY = {"enum", "const", "default", "examples", "properties", "pattern"}
_BROKEN = (Unresolvable, UnknownType, re.error, AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError)
"""What jsonschema raises where a schema is none; arguments are JSON and cannot cause it."""
_BY_PATTERN = {"patternProperties", "additionalProperties", "unevaluatedProperties"}
_MOST_LEVELS = 32
"""Levels of arguments that any schema that does not refer to itself without end can be checked on."""


def to_json_schema(schema: Any) -> Any:
    """A JSON Schema from one that may use other type names (`dict`, `float`, `tuple`, `any`, ...).

    `any` and names nobody knows become no type at all, which accepts everything.
    """
    if not isinstance(schema, dict):
        return schema
    clean: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type":
            named = _json_type(value)
            if named is not None:
                clean["type"] = named
        elif key in ("properties", "$defs", "definitions", "patternProperties") and isinstance(value, dict):
            clean[key] = {name: to_json_schema(part) for name, part in value.items()}
        elif key == "required" and not isinstance(value, list):
            continue
        elif key == "items" and isinstance(value, list):  # items by position, as drafts before 2020-12 spell them
            clean["prefixItems"] = [to_json_schema(part) for part in value]
        elif key == "additionalItems" and isinstance(schema.get("items"), list):
            clean["items"] = to_json_schema(value)
        elif key in ("items", "additionalProperties", "not"):
            clean[key] = to_json_schema(value)
        elif key in ("anyOf", "allOf", "oneOf", "prefixItems") and isinstance(value, list):
            clean[key] = [to_json_schema(part) for part in value]
        else:
            clean[key] = value
    return clean


def _json_type(value: Any) -> Any:
    if isinstance(value, list):
        named = [_json_type(one) for one in value]
        return None if None in named else named
    text = _TYPES.get(str(value).lower(), str(value).lower())
    return text if text in _KNOWN else None


@dataclass(frozen=True)
class Signature:
    """A tool, ready for checking calls.

    Attributes:
        name: The tool's name.
        properties: Schemas of its parameters.
        required: Which must be given.
        closed: Whether other parameters are refused: always, unless the schema lists none or allows them.
        plain: For parameters of which the schema says no more than their type, the Python types that fit.
        validator: Checks everything the schema says.
    """

    name: str
    properties: dict[str, dict[str, Any]]
    required: frozenset[str]
    closed: bool
    plain: dict[str, tuple[type, ...]]
    validator: Draft202012Validator

    def problem(self, call: ToolCall) -> str | None:
        """Why a call of this tool is invalid, in one sentence, or `None`.

        Raises:
            PivotRefused: If the tool's schema cannot be used: it refers to something that it does not have or to itself
                without end, or holds what is no keyword's value.
        """
        if isinstance(call.arguments, str):
            return f"{self.name}: expected a JSON object as arguments, got {call.arguments[:80]!r}"
        arguments = self.without_nulls(call.arguments)
        missing = sorted(self.required - arguments.keys())
        if missing:
            return f"{self.name}: required argument {missing[0]!r} is missing"
        unknown = sorted(arguments.keys() - self.properties.keys()) if self.closed else []
        if unknown:
            return f"{self.name}: no argument is called {unknown[0]!r}; they are {sorted(self.properties)}"
        if all(type(value) in self.plain.get(name, ()) for name, value in arguments.items()):
            return None
        try:
            error: ValidationError | None = next(self.validator.iter_errors(arguments), None)
        except RecursionError:
            if _depth(arguments) > _MOST_LEVELS:
                return f"{self.name}: the arguments are nested too deep"
            raise PivotRefused(f"tools: the schema of {self.name!r} cannot be used: it refers to itself") from None
        except _BROKEN as error_of_schema:
            raise _unusable(self.name, error_of_schema) from None
        if error is None:
            return None
        place = ".".join(str(part) for part in error.absolute_path) or "arguments"
        return f"{self.name}: argument {place!r} does not fit its schema: {error.message[:160]}"

    def without_nulls(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Arguments without the optional ones that are null: not given and null are the same."""
        if None not in arguments.values():
            return arguments
        return {name: value for name, value in arguments.items() if value is not None or name in self.required}

    def normal(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Declared defaults filled in, optional nulls dropped, integral floats as integers where numbers are due."""
        given = self.without_nulls(arguments)
        full = {name: _number(value, self.properties.get(name, {})) for name, value in given.items()}
        for name, schema in self.properties.items():
            if name in full or name in self.required:
                continue
            default = default_of(schema) if "default" in schema else None
            if default is not None:
                full[name] = _number(default, schema)
        return full


def _depth(value: Any) -> int:
    """How many levels of lists and objects a value has."""
    deepest, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        deepest += 1
        level = [part for item in level for part in (item.values() if isinstance(item, dict) else item)]
    return deepest


def _number(value: Any, schema: Any) -> Any:
    """Integral floats as integers, wherever the schema declares a number."""
    if not isinstance(schema, dict):
        return value
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if isinstance(value, float) and value.is_integer() and ("number" in kinds or "integer" in kinds):
        return int(value)
    if isinstance(value, list):
        first = schema.get("prefixItems")
        parts = chain(first if isinstance(first, list) else [], repeat(schema.get("items")))
        return [_number(item, part) for item, part in zip(value, parts, strict=False)]
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        return {name: _number(item, properties.get(name)) for name, item in value.items()}
    return value


def _shape_only(schema: Any) -> Any:
    """A schema that checks shape only: whether a value of the right type is a good one, execution or the rule says.

    BFCL's accepted answers are compared without case, and some are outside their own enumeration. Patterns are left out
    because a client's regular expression could hold up the process.
    """
    if isinstance(schema, list):
        return [_shape_only(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    named = schema.get("properties")
    clean = {key: _shape_only(part) for key, part in schema.items() if key not in _VALUES_ONLY}
    if "patternProperties" in schema:  # a client's pattern is never run: any name may fit it
        clean = {key: part for key, part in clean.items() if key not in _BY_PATTERN}
    if isinstance(named, dict):
        clean["properties"] = {name: _shape_only(part) for name, part in named.items()}
    return clean


def _with_defaults(checked: dict[str, Any], properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A schema that lets every declared default pass, also "any" for an integer: who declared it takes it."""
    odd = {
        name: {"anyOf": [checked["properties"][name], {"const": part["default"]}]}
        for name, part in properties.items()
        if "default" in part and type(part["default"]) not in _python_types(part.get("type"))
    }
    return {**checked, "properties": {**checked["properties"], **odd}} if odd else checked


_PYTHON: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "number": (int, float),
    "integer": (int,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
}
_SAYS_NO_MORE = {"type", "properties", "required", "additionalProperties", "title", "description", "$schema"}


def _plain(schema: dict[str, Any]) -> dict[str, tuple[type, ...]]:
    """The parameters that can be checked without the validator, which takes ten times as long."""
    if not _SAYS_NO_MORE.issuperset(schema):
        return {}
    plain = {}
    for name, part in schema.get("properties", {}).items():
        if isinstance(part, dict) and {"type", "title", "description"}.issuperset(part):
            plain[name] = _python_types(part.get("type"))
    return plain


def _python_types(kinds: Any) -> tuple[type, ...]:
    return tuple(one for kind in (kinds if isinstance(kinds, list) else [kinds]) for one in _PYTHON.get(str(kind), ()))


def _unusable(name: str, error: Exception) -> PivotRefused:
    return PivotRefused(
        f"tools: the schema of {name!r} cannot be used: {error}"[:300], hint="mend the tool's `parameters`"
    )


def signature(tool: Tool) -> Signature:
    """The signature of a tool.

    Raises:
        PivotRefused: If its schema is none.
    """
    try:
        return _signature(tool)
    except _BROKEN as error:
        raise _unusable(tool.name, error) from error


def _signature(tool: Tool) -> Signature:
    schema = to_json_schema(tool.parameters)
    properties = {
        name: part if isinstance(part, dict) else {} for name, part in (schema.get("properties") or {}).items()
    }
    checked = _with_defaults({**_shape_only(schema), "type": "object"}, properties)
    return Signature(
        name=tool.name,
        properties=properties,
        required=frozenset(schema.get("required") or ()),
        closed=bool(properties)
        and schema.get("additionalProperties", False) is False
        and "patternProperties" not in schema,
        plain=_plain(checked),
        # Our own registry: the default one fetches whatever address a schema refers to.
        validator=Draft202012Validator(checked, registry=Registry()),
    )


class Signatures:
    """The signatures of each pivot's tools, kept as long as the pivot object. Thread-safe."""

    def __init__(self) -> None:
        self._kept: Attached[dict[str, Signature]] = Attached()

    def of(self, pivot: Pivot) -> dict[str, Signature]:
        """Signatures by tool name."""
        kept = self._kept.get(pivot)
        return self._kept.keep(pivot, {tool.name: signature(tool) for tool in pivot.tools}) if kept is None else kept


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def spelled(name: str, arguments: dict[str, Any]) -> str:
    """A call as text that is equal for equal normal forms only; `true` is not `1`."""
    return _encode([name, arguments])
