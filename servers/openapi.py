"""The OpenAPI document, made from the route table.

Owns: describing the routes. Does not own: the schemas (`schemas`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pivotgym.servers.endpoint import RouteSpec
from pivotgym.servers.schemas import ErrorBody

_REF = "#/components/schemas/{model}"
_STATUSES = ("401", "404", "409", "413", "422", "503", "504")


def document(title: str, version: str, description: str, routes: Sequence[RouteSpec]) -> dict[str, Any]:
    """An OpenAPI 3.1 document of the routes."""
    wanted = sorted(_models(routes), key=lambda pair: (pair[0].__name__, pair[1]))
    refs, components = models_json_schema(wanted, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub(r":\w+}", "}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "components": {
            "schemas": components.get("$defs", {}),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


_Mode = Literal["validation", "serialization"]


def _models(routes: Iterable[RouteSpec]) -> set[tuple[type[BaseModel], _Mode]]:
    wanted: set[tuple[type[BaseModel], _Mode]] = {(ErrorBody, "validation")}
    for route in routes:
        wanted |= {(model, "validation") for model in (route.request, route.response) if model is not None}
    return wanted


def _operation(route: RouteSpec, path: str, refs: dict[Any, Any]) -> dict[str, Any]:
    parameters = [_parameter(name, "path", True) for name in re.findall(r"{(\w+)}", path)]
    parameters += [_parameter(name, "query", False) for name in route.query]
    error = {"description": "Error", "content": _content(refs[ErrorBody, "validation"])}
    answer: dict[str, Any] = {"description": "Answer"}
    if route.response is not None:
        answer["content"] = _content(refs[route.response, "validation"])
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": (route.handler.__doc__ or "").strip(),
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}_{path}").strip("_"),
        "security": [] if path in ("/health", "/ready") else [{"bearer": []}],
        "responses": {"200": answer, **dict.fromkeys(_STATUSES, error)},
    }
    if parameters:
        operation["parameters"] = parameters
    if route.request is not None:
        operation["requestBody"] = {"required": True, "content": _content(refs[route.request, "validation"])}
    return operation


def _parameter(name: str, where: str, required: bool) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": {"type": "string"}}


def _content(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
