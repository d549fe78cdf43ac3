"""A user played by a language model, the way tau-bench does it.

Owns: the instruction as system prompt, swapping the two sides of the conversation, and the sign that ends it. Does not
own: talking to the server (`envs.base.chat_servers`).
"""

from __future__ import annotations

from collections.abc import Sequence

from pivotgym.core.errors import PivotGymError, WorldFailed
from pivotgym.core.messages import Message
from pivotgym.envs.base.chat_servers import CachedChat

STOP = "###STOP###"
"""What the model says, alone or after its last words, when the user's goal is reached."""
_OPENING = "Hi! How can I help you today?"
_RULES = f"""\
You play a user who talks to an agent. Your instruction:

{{instruction}}

Rules:
- Say one short message at a time, in your own words and in the first person, as the user would.
- Do not give away the whole instruction at once: say what the present step needs.
- Invent nothing. Where the instruction does not say something, say that you don't remember it or don't have it.
- Do not repeat the instruction word for word.
- When the instruction's goal is reached, or the agent hands you over to a person, answer {STOP} and nothing else."""


class LlmUser:
    """An `envs.base.users.User` of one task. Thread-safe.

    With temperature 0 and answers kept on disk, equal conversations get equal replies.

    Args:
        instruction: What the user wants and knows, as the data set tells it.
        chat: The server that plays the user.
    """

    def __init__(self, instruction: str, chat: CachedChat) -> None:
        self._system = {"role": "system", "content": _RULES.format(instruction=instruction.strip())}
        self._chat = chat

    def reply(self, conversation: Sequence[Message]) -> str | None:
        """See `User.reply`."""
        try:
            return self._chat.ask([self._system, *_swapped(conversation)], _read, temperature=0)
        except WorldFailed:
            raise
        except PivotGymError as error:
            raise WorldFailed(
                f"the user's model {self._chat.server.model!r} gave no answer: {error.message}",
                hint=error.hint,
                details={"user": self._chat.describe(), "cause": error.code},
            ) from error


def _swapped(conversation: Sequence[Message]) -> list[dict[str, str]]:
    """The conversation as the user hears it: the agent's words without calls and results, the own ones as assistant."""
    heard = [{"role": "user", "content": _OPENING}]
    for message in conversation:
        if message.text.strip() and message.role in ("user", "assistant") and not message.tool_calls:
            heard.append({"role": "assistant" if message.role == "user" else "user", "content": message.text})
    return heard


def _read(answer: str) -> str | None:
    said = answer.rpartition("</think>")[2]
    if STOP in said:
        return None
    if not said.strip():
        raise WorldFailed("the user's model answered with an empty text", hint="raise its limit of tokens")
    return said.strip()
