"""The wire schemas: what each route accepts and answers. Unknown fields are refused everywhere.

Owns: names and types on the wire, also as OpenAPI shows them. Does not own: reading bytes (`wire`), or the records of
`core`, which travel as they are.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from pivotgym.core.errors import ConfigError, InputError, NotFound
from pivotgym.core.formats import get_format
from pivotgym.core.messages import Action, Malformed, Message, Tool
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.envs.base.runtime import known_rule


def _rule(name: str) -> str:
    try:
        return known_rule(name)
    except ConfigError as error:
        raise ValueError(error.message) from error


Horizon = Literal["pivot", "episode"]
Rule = Annotated[str, AfterValidator(_rule)]
Timeout = Annotated[float | None, Field(default=None, gt=0, allow_inf_nan=False, strict=True)]
Key = Annotated[str | None, Field(default=None, min_length=1, max_length=200)]
Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class Wire(BaseModel):
    """Base of all wire schemas."""

    model_config = ConfigDict(extra="forbid")


class TextAction(Wire):
    """An action as the policy wrote it, to be read by the server.

    Attributes:
        text: The policy's text.
        format: The text format's name.
        truncated: Whether the policy was cut at its token limit.
    """

    text: str
    format: str
    truncated: Annotated[bool, Field(strict=True)] = False


def _kind(data: Any) -> str:
    if isinstance(data, dict) and "text" in data:
        return "malformed" if "reason" in data else "text"
    if isinstance(data, TextAction):
        return "text"
    return "malformed" if isinstance(data, Malformed) else "message"


WireAction = Annotated[
    Annotated[Action, Tag("message")] | Annotated[TextAction, Tag("text")] | Annotated[Malformed, Tag("malformed")],
    Discriminator(_kind),
]
"""An assistant message, text with its format's name, or text that the caller's own parser refused."""


def read_action(sent: Action | TextAction | Malformed) -> Action | Malformed:
    """The action that was sent.

    Raises:
        InputError: If the named format does not exist.
    """
    if not isinstance(sent, TextAction):
        return sent
    try:
        fmt = get_format(sent.format)
    except NotFound as error:
        raise InputError(f"action.format: {error.message}") from error
    if sent.truncated:
        return Malformed(text=sent.text, reason="the text was cut at its token limit", truncated=True)
    return fmt.parse(sent.text)


class ErrorBody(Wire):
    """What every failure answers."""

    code: str
    message: str
    hint: str | None = None
    session_id: str | None = None
    retryable: bool
    details: dict[str, Any] = Field(default_factory=dict)


class ErrorItem(Wire):
    """A failure in the place of a batch's verdict."""

    error: ErrorBody


class VerifyRequest(Wire):
    """One action to score: exactly one of `pivot_id` and `pivot`."""

    pivot_id: str | None = None
    pivot: Pivot | None = None
    action: WireAction
    rule: Rule | None = None
    timeout_s: Timeout


class BatchRequest(Wire):
    """Many actions to score. Each item is checked by itself, so that a bad one fails alone.

    Attributes:
        items: Each an object as for `/verify` (without `timeout_s`), or with `actions` in the place of `action`.
    """

    items: list[Any]
    rule: Rule | None = None
    timeout_s: Timeout


class BatchItem(Wire):
    """One item of a batch: exactly one of `pivot_id` and `pivot`, exactly one of `action` and `actions`."""

    pivot_id: str | None = None
    pivot: Pivot | None = None
    action: Any = None
    actions: list[Any] | None = None


class BatchAnswer(Wire):
    """Verdicts or errors in the order of the items; a list in the place of an item that gave `actions`."""

    results: list[Verdict | ErrorItem | list[Verdict | ErrorItem]]


class PivotSummary(Wire):
    """A pivot in a list."""

    id: str
    digest: str
    domain: str
    trajectory_id: str
    turn: int


class PivotPage(Wire):
    """A page of pivots; `next` is the cursor of the following one."""

    pivots: list[PivotSummary]
    next: str | None
    total: int


class AddPivots(Wire):
    """Pivots to add: all or none."""

    pivots: list[Pivot]


class AddedPivots(Wire):
    """How many pivots were new, and how many the server has now."""

    added: int
    total: int


class PrepareRequest(Wire):
    """Pivots whose states are to be built ahead."""

    pivot_ids: list[str]
    timeout_s: Timeout


class PrepareAnswer(Wire):
    """How many states are built, which of them execute, and an error for each pivot that could not be built."""

    prepared: int
    executable: list[str]
    errors: dict[str, ErrorBody]


class TaskSummary(Wire):
    """A whole task in a list."""

    id: str
    messages: list[Message]
    tools: list[Tool]
    max_steps: int
    metadata: dict[str, Any]


class TaskPage(Wire):
    """A page of tasks; `next` is the cursor of the following one."""

    tasks: list[TaskSummary]
    next: str | None
    total: int


class SessionOptions(Wire):
    """Options of a session: its horizon; by default `episode` for a task and `pivot` otherwise."""

    horizon: Horizon | None = None


class SessionRequest(Wire):
    """Exactly one of `pivot_id`, `pivot`, `trajectory_id` with `turn`, and `task_id`."""

    pivot_id: str | None = None
    pivot: Pivot | None = None
    trajectory_id: str | None = None
    turn: Annotated[int | None, Field(default=None, ge=0, strict=True)]
    task_id: str | None = None
    seed: Seed = 0
    options: SessionOptions = Field(default_factory=SessionOptions)
    idempotency_key: Key
    timeout_s: Timeout


class SessionAnswer(Wire):
    """A session that was reset or forked."""

    session_id: str
    observation: str
    info: dict[str, Any]


class StepRequest(Wire):
    """One action in a session."""

    action: WireAction
    idempotency_key: Key
    timeout_s: Timeout


class StepAnswer(Wire):
    """What an action gave, in Gymnasium's words."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]


class ForkRequest(Wire):
    """A copy of a session."""

    idempotency_key: Key
    timeout_s: Timeout


class SessionInfo(Wire):
    """What a session is.

    Attributes:
        state: `live`, `ended` (the episode is over) or `failed` (the world broke; `error` says how).
        busy: Whether a call is running in it.
        digest: Digest of the world; `None` while it is busy, or when it has failed.
    """

    session_id: str
    pivot_id: str | None
    task_id: str | None
    horizon: Horizon
    seed: int
    steps: int
    state: Literal["live", "ended", "failed"]
    busy: bool
    digest: str | None
    error: ErrorBody | None = None


class Closed(Wire):
    """A session that is closed."""

    session_id: str
    closed: Literal[True] = True


class Health(Wire):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Ready(Wire):
    """The domain can serve."""

    ready: Literal[True] = True


class ChatModel(Wire):
    """A language model that this server asks; its key is never shown."""

    base_url: str
    model: str


class Metadata(Wire):
    """What this server is and can do."""

    name: str
    version: str
    description: str
    server_version: str
    schema_version: int
    verifier: str
    rules: list[str]
    candidate_rule: str
    horizons: list[Horizon]
    formats: list[str]
    spaces: dict[str, str]
    options: dict[str, Any]
    limits: dict[str, float]
    details: dict[str, Any]
    pivots: int
    judge: ChatModel | None = None
    user: ChatModel | None = None
