"""Bytes <-> values: reading request bodies, writing answers and errors.

Owns: that every body is strict JSON, that an answer can always be written, and that nothing of the inside (a stack
trace, the text of an unexpected exception) leaves the server. Does not own: which fields there are (`schemas`).
"""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from pivotgym.core.errors import InfrastructureError, InputError, PivotGymError
from pivotgym.core.jsonl import describe

log = logging.getLogger("pivotgym.servers")
M = TypeVar("M", bound=BaseModel)

_JSON: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)


@dataclass(slots=True)
class Reply:
    """An answer: body, status and headers."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = _JSON


def encode(value: Any) -> bytes:
    """JSON bytes; NaN and infinities become null, lone surrogates are escaped."""
    try:
        return to_json(value, inf_nan_mode="null")
    except (PydanticSerializationError, UnicodeEncodeError, ValueError):
        plain = value.model_dump() if isinstance(value, BaseModel) else value
        return json.dumps(plain, default=str).encode()


def reply(value: Any, status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(encode(value), status)


def parse(model: type[M], body: bytes) -> M:
    """Read a request body. Errors as for `read_json` and `check`."""
    return check(model, read_json(body))


def read_json(body: bytes) -> Any:
    """Read strict JSON.

    Raises:
        InputError: If it is not.
    """
    try:
        return from_json(body or b"{}", allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise InputError(f"body: expected JSON, got something else: {error}") from error


def check(model: type[M], data: Any) -> M:
    """Check a body against its schema.

    Raises:
        InputError: If it does not fit; the message names the fields.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InputError(f"body: {describe(error)}", details={"fields": fields(error)}) from error
    except RecursionError as error:
        raise InputError("body: nested too deeply") from error


def fields(error: ValidationError) -> list[str]:
    """The paths of the fields that were refused, the first 20."""
    return [".".join(map(str, item["loc"])) for item in error.errors(include_url=False, include_input=False)[:20]]


def as_error(error: BaseException) -> PivotGymError:
    """Any failure as one of ours. What nobody expected is logged under an id, which is all that leaves the server."""
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        return InputError("the action or the pivot is nested too deeply")
    if isinstance(error, PivotGymError):
        if isinstance(error, InfrastructureError) and error.__cause__ is not None:
            log.error("%s: %s", error.code, error.message, exc_info=error)
        return error
    error_id = secrets.token_hex(6)
    log.error("unexpected failure %s", error_id, exc_info=error)
    return InfrastructureError(
        f"the server failed unexpectedly (error id {error_id})",
        hint="the server's log has the details under this id",
        details={"error_id": error_id},
    )


def error_reply(error: PivotGymError) -> Reply:
    """The answer that an error is."""
    headers = _JSON
    if error.retry_after_s is not None:
        headers = (*headers, (b"retry-after", str(max(1, round(error.retry_after_s))).encode()))
    if error.status == 401:
        headers = (*headers, (b"www-authenticate", b"Bearer"))
    body = error.to_wire()
    if body["hint"] is None and isinstance(error, InputError):
        body["hint"] = "/docs describes what the route takes"
    return Reply(encode(body), error.status, headers)
