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
_ERRORS = {
    "400": "`bad_request`: the bytes are no HTTP/1.1 request; the connection is closed.",
    "401": "`unauthorized`: no bearer token, or another one than the server's.",
    "403": "`forbidden`: sent by another site's page, or to a server without a token by a public name.",
    "404": "`not_found`: no such route, pivot, task or session; the message says when and why a session was closed.",
    "405": "`method_not_allowed`: `Allow` names the methods of the route.",
    "408": "`too_slow`: the request did not come within `receive_timeout_s`; the connection is closed.",
    "409": "`wrong_state`: a step after the end, or an idempotency key that was used for another request.",
    "413": "`too_large`: a body, batch or origin over its limit (see `/metadata`).",
    "422": "`invalid_input`, `unknown_option`, `pivot_refused`, ...: sending it again cannot help; the message names "
    "the field, what was expected and what came.",
    "431": "`head_too_large`: address and headers over `max_header_bytes`; the connection is closed.",
    "503": "`full`, `warming`, `world_failed`, `verifier_failed`, ...: ours, never a reward; `retryable` says whether "
    "a repeat may help, and `Retry-After` when.",
    "504": "`timeout`: the call's time-out passed; `details.begun` says whether it was begun.",
}
_RETRY_AFTER = {"description": "Seconds after which a repeat is sensible.", "schema": {"type": "integer", "minimum": 1}}
_OPEN = ("/health", "/ready")
_NUMBER = {"type": "string", "pattern": "^[0-9]{1,9}$"}
_QUERY = {"q": {"type": "string", "maxLength": 200}, "kept": {"type": "string", "enum": ["", "yes", "no"]}}
"""Query parameters that are no numbers."""


def document(
    title: str,
    version: str,
    description: str,
    routes: Sequence[RouteSpec],
    *,
    secured: bool = True,
    error: type[BaseModel] = ErrorBody,
) -> dict[str, Any]:
    """An OpenAPI 3.1 document of the routes.

    Args:
        title: Of the document.
        version: Of the server.
        description: Of the domain.
        routes: The routes.
        secured: Whether the server wants a bearer token.
        error: Schema of what failures answer.
    """
    wanted = sorted(_models(routes, error), key=lambda pair: (pair[0].__name__, pair[1]))
    refs, components = models_json_schema(wanted, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub(r":\w+}", "}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, refs, secured, error)
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


def _models(routes: Iterable[RouteSpec], error: type[BaseModel]) -> set[tuple[type[BaseModel], _Mode]]:
    wanted: set[tuple[type[BaseModel], _Mode]] = {(error, "validation")}
    for route in routes:
        if route.request is not None:
            wanted.add((route.request, "validation"))
        if route.response is not None:
            wanted.add((route.response, "serialization"))
    return wanted


def _operation(
    route: RouteSpec, path: str, refs: dict[Any, Any], secured: bool, error: type[BaseModel]
) -> dict[str, Any]:
    parameters = [_parameter(name, "path") for name in re.findall(r"{(\w+)}", path)]
    parameters += [_parameter(name, "query") for name in route.query]
    answer: dict[str, Any] = {"description": "Answer", "content": {"text/plain": {"schema": {"type": "string"}}}}
    if route.response is not None:
        answer["content"] = _content(refs[route.response, "serialization"])
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": (route.handler.__doc__ or "").strip(),
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}_{path}").strip("_"),
        "security": [{"bearer": []}] if secured and path not in _OPEN and "{token}" not in path else [],
        "responses": {"200": answer, **_errors(refs[error, "validation"])},
    }
    if parameters:
        operation["parameters"] = parameters
    if route.request is not None:
        operation["requestBody"] = {"required": True, "content": _content(refs[route.request, "validation"])}
    return operation


def _errors(schema: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        status: {"description": text, "content": _content(schema)} for status, text in _ERRORS.items()
    }
    found["503"]["headers"] = {"Retry-After": _RETRY_AFTER}
    return found


def _parameter(name: str, where: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1} if where == "path" else _QUERY.get(name, _NUMBER)
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def _content(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
