"""The one exception tree, shared by library, servers, client and command line.

Owns: which failures exist, their codes, HTTP status and whether a retry can help. Does not own: how they travel
(`servers/` turns them into responses, `servers/client` turns responses back into them).

    PivotGymError
    ├── InputError                  400/422  the caller's fault; a retry of the same call fails again
    │   ├── BadLine                 422      a line of a file cannot be read
    │   ├── ConfigError             422      a setting is unknown or has a bad value
    │   ├── UnknownOption           422      a field or option that nobody reads
    │   ├── NotFound                404      no such pivot, session, task, trajectory, route or file
    │   ├── WrongState              409      step before reset, after the end, or a key used for another request
    │   ├── PivotRefused            422      replaying the prefix does not give what was recorded
    │   ├── DigestMismatch          422      a profile or snapshot was made for another pivot
    │   ├── Unauthorized            401      no or wrong bearer token
    │   ├── TooLarge                413      a body, batch or prompt over its limit
    │   └── MissingDependency       422      an optional package or input is not installed
    └── InfrastructureError         503      ours; never a reward; trainers mask it
        ├── Full                    503      no free session slot (Retry-After)
        ├── Warming                 503      the state is still being built (Retry-After)
        ├── WorldFailed             503      the environment itself broke
        ├── VerifierFailed          503      the verifier (or its judge) broke
        ├── PolicyFailed            503      the policy engine broke
        ├── Unreachable             503      a server did not answer within the retries
        └── TimedOut                504      the time-out of this call passed
"""

from __future__ import annotations

from typing import Any, ClassVar


class PivotGymError(Exception):
    """Base of every error this project raises on purpose.

    Args:
        message: What happened: the argument, what was expected, what came.
        hint: What mends it, when that is known.
        session_id: The session concerned, when there is one.
        retry_after_s: Seconds after which a retry is sensible, for `Full` and `Warming`.
        details: Further machine-readable facts (JSON values).
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        session_id: str | None = None,
        retry_after_s: float | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.session_id = session_id
        self.retry_after_s = retry_after_s
        self.details = details or {}

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_wire(self) -> dict[str, Any]:
        """The body of an error response: `code`, `message`, `hint`, `session_id`, `retryable`, `details`."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "session_id": self.session_id,
            "retryable": self.retryable,
            **({"details": self.details} if self.details else {}),
        }


class InputError(PivotGymError):
    """The request or argument is wrong; sending it again cannot help."""

    code = "invalid_input"
    status = 422


class BadLine(InputError):
    """A line of a data file cannot be read."""

    code = "bad_line"

    def __init__(self, file: str, line: int, reason: str, *, hint: str | None = None) -> None:
        super().__init__(
            f"{file}, line {line}: {reason}",
            hint=hint or "mend the line, or pass --on-error skip to count it and go on",
            details={"file": file, "line": line},
        )
        self.file, self.line, self.reason = file, line, reason


class ConfigError(InputError):
    """A setting is unknown, missing or has a value it cannot have."""

    code = "bad_config"


class UnknownOption(InputError):
    """A field or option that nobody reads was given."""

    code = "unknown_option"


class NotFound(InputError):
    """Nothing of that name or id exists here."""

    code = "not_found"
    status = 404


class WrongState(InputError):
    """The call does not fit the state of the session (before reset, after the end, key reused)."""

    code = "wrong_state"
    status = 409


class PivotRefused(InputError):
    """Replaying a pivot's prefix gave something else than was recorded; refused for good."""

    code = "pivot_refused"


class DigestMismatch(InputError):
    """A profile or snapshot belongs to a pivot of another digest."""

    code = "digest_mismatch"


class Unauthorized(InputError):
    """The bearer token is missing or wrong."""

    code = "unauthorized"
    status = 401


class TooLarge(InputError):
    """A body, batch, prompt or output is over its limit."""

    code = "too_large"
    status = 413


class MissingDependency(InputError):
    """An optional package, a model or a data set is not installed; the hint says how to get it."""

    code = "missing_dependency"


class InfrastructureError(PivotGymError):
    """Something of ours broke. Never a reward of 0: trainers mask the sample."""

    code = "infrastructure"
    status = 503
    retryable = True


class Full(InfrastructureError):
    """No free session slot."""

    code = "full"


class Warming(InfrastructureError):
    """The state is not built yet."""

    code = "warming"


class WorldFailed(InfrastructureError):
    """The environment broke while it ran an action."""

    code = "world_failed"


class VerifierFailed(InfrastructureError):
    """The verifier, or a judge it asked, broke."""

    code = "verifier_failed"


class PolicyFailed(InfrastructureError):
    """The policy engine broke or returned something unusable."""

    code = "policy_failed"


class Unreachable(InfrastructureError):
    """A server did not answer within the allowed retries."""

    code = "unreachable"


class TimedOut(InfrastructureError):
    """The time-out of this call passed."""

    code = "timeout"
    status = 504


def _walk(cls: type[PivotGymError]) -> list[type[PivotGymError]]:
    return [cls, *(sub for child in cls.__subclasses__() for sub in _walk(child))]


def from_wire(body: dict[str, Any], *, retry_after_s: float | None = None) -> PivotGymError:
    """Rebuild the error that a server answered with.

    Args:
        body: What `to_wire` made. A code that is not known here becomes `InfrastructureError` when it is marked
            retryable and `InputError` otherwise.
        retry_after_s: The response's `Retry-After`, in seconds.
    """
    by_code = {cls.code: cls for cls in _walk(PivotGymError) if cls is not BadLine}
    fallback = InfrastructureError if body.get("retryable") else InputError
    cls = by_code.get(str(body.get("code")), fallback)
    return cls(
        str(body.get("message", "the server gave no message")),
        hint=body.get("hint"),
        session_id=body.get("session_id"),
        retry_after_s=retry_after_s,
        details=body.get("details"),
    )
