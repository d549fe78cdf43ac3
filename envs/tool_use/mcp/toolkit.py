"""The toolkit of an MCP server: calls run it in a sandbox over the files that earlier calls left.

Owns: the state as files, results as text. Does not own: the conversation with the server (`exchange`), sandboxes
(`envs.sandbox`), when two calls are equivalent (`verifiers`).

The state is what lies in the server's folder: `digest` covers its files as they differ from the start, by content, mode
and owner. A server whose files differ by the hour or by the order of equal writes makes equal actions look different.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError, WorldFailed, WrongState
from pivotgym.core.messages import Tool
from pivotgym.core.trajectory import Origin
from pivotgym.envs.sandbox.backends import default_backend
from pivotgym.envs.sandbox.contract import Base, Change, Limits, Sandbox, Snapshot
from pivotgym.envs.tool_use.mcp.exchange import HOME, WALL_S, Refused, ServerEnded, ask
from pivotgym.envs.tool_use.mcp.folders import ServerFolder, find
from pivotgym.envs.tool_use.toolkit import Toolkit

ERROR = "Error: "
ENDED = ERROR + "the server ended without an answer"
_LIMITS = Limits(wall_s=WALL_S + 5, output_kb=1024)
_MOST_PAGES = 100
_offered: dict[str, list[dict[str, Any]]] = {}
"""Tools by the server's digest: asked for once per process."""


class McpToolkit(Toolkit):
    """An MCP server's tools and files."""

    kind: ClassVar[str] = "mcp"
    fields: ClassVar[frozenset[str]] = frozenset({"server"})
    results_count: ClassVar[bool] = False

    def __init__(self) -> None:
        self._server: ServerFolder | None = None
        self._snapshot: Snapshot | None = None
        self._sandbox: Sandbox | None = None
        self._changed: dict[str, Change] = {}
        """Net changes since the start, up to the snapshot."""

    def start(self, origin: Origin, seed: int) -> None:
        """See `Toolkit.start`; the server must be able to tell its tools.

        Raises:
            NotFound: If the source `mcp` has no such server.
            WorldFailed: If it cannot be started.
        """
        self.check_fields(origin)
        self.close()
        server = find(origin.get("server"))
        identity = json.dumps({"mcp": server.digest})
        self._server, self._changed = server, {}
        self._snapshot = default_backend().base(Base(identity, folder=server.folder, folder_at=HOME))
        self._offers()
        self._discard()  # what starting the server leaves, it leaves again at the first call

    def tools(self) -> list[Tool]:
        """See `Toolkit.tools`: what the server tells of them at the start."""
        return [
            Tool(
                name=one["name"],
                description=one.get("description") or "",
                parameters=one.get("inputSchema") or {"type": "object", "properties": {}},
            )
            for one in self._offers()
        ]

    def writes(self, name: str) -> bool:
        """See `Toolkit.writes`: by the tool's `readOnlyHint`."""
        offered = next((one for one in self._offers() if one["name"] == name), {})
        return not (offered.get("annotations") or {}).get("readOnlyHint", False)

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        """See `Toolkit.call`.

        Raises:
            WorldFailed: If the server cannot be started, or takes too long.
        """
        try:
            return shown(self._ask("tools/call", {"name": name, "arguments": arguments}))
        except Refused as refusal:
            return f"{ERROR}{refusal}"
        except ServerEnded:
            return ENDED

    def failed(self, observation: str) -> bool:
        """See `Toolkit.failed`."""
        return observation.startswith(ERROR)

    def fork(self) -> Self:
        """See `Toolkit.fork`: of a settled state it costs nothing."""
        copy = type(self)()
        copy._server, copy._snapshot, copy._changed = self._server, self._snapshot, self._changed
        copy._sandbox = self._sandbox.fork() if self._sandbox is not None else None
        return copy

    def digest(self) -> str:
        """See `Toolkit.digest`."""
        changes = {path: repr(change.after) for path, change in sorted(self._changes().items())}
        return digest({"server": self._here.digest, "changes": changes})

    def settle(self) -> None:
        """See `Toolkit.settle`: the files become a snapshot, without a sandbox."""
        if self._sandbox is not None and self._sandbox.changes():
            self._changed, self._snapshot = self._changes(), self._sandbox.save()
        self._discard()

    def close(self) -> None:
        """See `Toolkit.close`."""
        self._discard()
        self._snapshot = self._server = None

    def _discard(self) -> None:
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            sandbox.close()

    @property
    def _here(self) -> ServerFolder:
        if self._server is None:
            raise WrongState("toolkit: it is not started, or closed", hint="call start first")
        return self._server

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        server = self._here
        if self._sandbox is None:
            assert self._snapshot is not None
            self._sandbox = default_backend().open(self._snapshot, limits=_LIMITS)
        return ask(self._sandbox, server.settings, method, params)

    def _offers(self) -> list[dict[str, Any]]:
        key = self._here.digest
        known = _offered.get(key)
        if known is None:  # two threads may ask at once: they are told the same
            known = _offered[key] = self._asked_for_tools()
        return known

    def _asked_for_tools(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: Any = None
        for _ in range(_MOST_PAGES):
            try:
                page = self._ask("tools/list", {"cursor": cursor} if cursor else {})
            except (Refused, ServerEnded) as error:
                raise WorldFailed(f"the MCP server {self._here.name!r} did not list its tools: {error}") from error
            found += page.get("tools") or []
            cursor = page.get("nextCursor")
            if not cursor:
                break
        if not found:
            raise InputError(f"the MCP server {self._here.name!r} offers no tools")
        return found

    def _changes(self) -> dict[str, Change]:
        """Net changes of the server's folder since the start."""
        if self._sandbox is None:
            return self._changed
        net = dict(self._changed)
        for path, change in self._sandbox.changes().items():
            if not path.startswith(HOME + "/") or "/__pycache__" in path:
                continue
            begun = net[path].before if path in net else change.before
            net[path] = Change(begun, change.after)
        return {path: change for path, change in net.items() if change.before != change.after}


def shown(result: dict[str, Any]) -> str:
    """A tool's result as the policy sees it: its texts by line; other content, and values without text, as JSON."""
    content = result.get("content")
    parts = [_part(one) for one in content] if isinstance(content, list) else []
    if not parts and result.get("structuredContent") is not None:
        parts = [_json(result["structuredContent"])]
    text = "\n".join(parts)
    return ERROR + text if result.get("isError") and not text.startswith(ERROR) else text


def _part(one: Any) -> str:
    if isinstance(one, dict) and one.get("type") == "text" and isinstance(one.get("text"), str):
        return str(one["text"])
    return _json(one)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
