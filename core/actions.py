"""Reading an action from JSON text: what `PivotEnv` and the Gym routes take.

Owns: JSON text of an assistant message -> `Action` or `Malformed`. Does not own: text as a policy samples it
(`core/formats/`).
"""

from __future__ import annotations

import json

from pydantic import ValidationError

from pivotgym.core.messages import Action, Malformed


def read_action(text: str) -> Action | Malformed:
    """Read an assistant message from JSON text, e.g. `{"role": "assistant", "content": "Hello"}`.

    Never raises: what is not an assistant message comes back as `Malformed`, with the reason.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Malformed(text=text, reason=f"expected an assistant message as JSON, got no JSON: {error}")
    if not isinstance(value, dict):
        return Malformed(text=text, reason=f"expected an assistant message (a JSON object), got {type(value).__name__}")
    try:
        return Action.model_validate(value)
    except (ValidationError, RecursionError) as error:
        detail = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "nested too deeply"}
        place = ".".join(str(part) for part in detail["loc"]) or "message"
        return Malformed(text=text, reason=f"expected an assistant message, but {place}: {detail['msg']}")
