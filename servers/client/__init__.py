"""The client of an environment server: sync and async over one pure core. Imports `core` and httpx only.

Owns: talking to a server. Does not own: anything of the server's side.

    >>> from pivotgym.servers.client import Client
    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     verdict = client.verify("bfcl/multi_turn_base_0:1", {"role": "assistant", "content": "Done."})
"""

from pivotgym.servers.client.aio import AsyncClient, AsyncSession
from pivotgym.servers.client.records import ActionLike, Prepared, StepResult, TextAction, VerifyItem
from pivotgym.servers.client.sync import Client, Session

__all__ = [
    "ActionLike",
    "AsyncClient",
    "AsyncSession",
    "Client",
    "Prepared",
    "Session",
    "StepResult",
    "TextAction",
    "VerifyItem",
]
