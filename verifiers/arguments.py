"""The candidate's arguments against the expert's own, where nothing can be run and no accepted answers are known.

Owns: when two values of one parameter are the same under its schema. Does not own: spelling of texts
(`verifiers.spelling`), accepted answers (`verifiers.accepted`), the validity of a call (`verifiers.schema`).

An optional argument that is left out has its default, declared or told in its description, or null. Numbers are equal
by value, booleans only to booleans, objects key by key with their own defaults, lists in order unless the schema calls
their items unique or its description says that order does not matter. Where a schema lists values that differ in
spelling only ("M" and "m"), spelling counts.
"""

from __future__ import annotations

import re
from typing import Any

from pivotgym.verifiers.defaults import NO_DEFAULT, default_of
from pivotgym.verifiers.matching import match
from pivotgym.verifiers.schema import Signature
from pivotgym.verifiers.spelling import same_text

_ANY_ORDER = re.compile(
    r"order (?:does ?n[o']t|is (?:not|ir)) ?(?:matter|relevant|important)|in any order|unordered", re.I
)


def same_arguments(expert: dict[str, Any], given: dict[str, Any], signature: Signature) -> bool:
    """Whether a call's arguments are the expert's."""
    return share_of_same(expert, given, signature) == 1.0


def share_of_same(expert: dict[str, Any], given: dict[str, Any], signature: Signature) -> float:
    """Share of the parameters, in either call, whose values are the same; 1.0 where there are none."""
    expert, given = signature.without_nulls(expert), signature.without_nulls(given)
    names = list(dict.fromkeys([*expert, *given]))
    right = sum(_same_field(name, expert, given, signature.properties, signature.required) for name in names)
    return right / len(names) if names else 1.0


def _same_field(
    name: str, expert: dict[str, Any], given: dict[str, Any], properties: dict[str, Any], required: Any
) -> bool:
    schema = properties.get(name)
    schema = schema if isinstance(schema, dict) else {}
    if name in expert and name in given:
        return same_value(expert[name], given[name], schema, name)
    default = NO_DEFAULT if name in required else default_of(schema)
    if default is NO_DEFAULT:
        return False
    return same_value(expert.get(name, default), given.get(name, default), schema, name)


def same_value(expert: Any, given: Any, schema: dict[str, Any], name: str = "") -> bool:
    """Whether two values of a parameter are the same, by its schema."""
    if isinstance(expert, bool) or isinstance(given, bool):
        return expert is given
    if isinstance(expert, int | float) and isinstance(given, int | float):
        return expert == given
    if isinstance(expert, str) and isinstance(given, str):
        return _same_string(expert, given, schema, name)
    if isinstance(expert, list) and isinstance(given, list):
        return _same_list(expert, given, schema, name)
    if isinstance(expert, dict) and isinstance(given, dict):
        return _same_object(expert, given, schema)
    return expert is None and given is None


def _same_string(expert: str, given: str, schema: dict[str, Any], name: str) -> bool:
    description = str(schema.get("description", ""))
    listed = schema.get("enum")
    choices = [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
    if sum(same_text(expert, text) for text in choices) > 1:
        return expert == given
    return same_text(expert, given, name=name, description=description)


def _same_list(expert: list[Any], given: list[Any], schema: dict[str, Any], name: str) -> bool:
    if len(expert) != len(given):
        return False
    items = schema.get("items")
    items = items if isinstance(items, dict) else {}
    if schema.get("uniqueItems") is True or _ANY_ORDER.search(str(schema.get("description", ""))):
        return None not in match(expert, given, lambda one, other: same_value(one, other, items, name))
    return all(same_value(one, other, items, name) for one, other in zip(expert, given, strict=True))


def _same_object(expert: dict[str, Any], given: dict[str, Any], schema: dict[str, Any]) -> bool:
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    listed = schema.get("required")
    required = {key for key in listed if isinstance(key, str)} if isinstance(listed, list) else set()
    one, other = ({key: item for key, item in side.items() if item is not None} for side in (expert, given))
    return all(_same_field(key, one, other, properties, required) for key in one.keys() | other.keys())
