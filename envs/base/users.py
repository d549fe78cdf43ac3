"""The user's side of an episode, behind one interface.

Owns: what a simulated user is. Does not own: users (`envs.tool_use.users`), or when they are asked
(`envs.base.episode`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pivotgym.core.messages import Message


class User(Protocol):
    """A simulated user. It keeps nothing between replies: all it knows is the task and the conversation.

    So an episode can be forked, resumed from a pivot and shared between threads without a copy of the user.
    """

    def reply(self, conversation: Sequence[Message]) -> str | None:
        """What the user says next, or `None` to end the conversation.

        Args:
            conversation: All messages so far, system message and tool messages included.

        Raises:
            WorldFailed: If the user cannot answer, e.g. because its model cannot be reached.
        """
