"""Folders of MCP servers: the source `mcp`.

`FOLDER/NAME/mcp.json` says how the server `NAME` is started, in the words of the usual `mcpServers` settings:
`command`, `args` and `env`. All of `FOLDER/NAME` is copied into the sandbox, and the command runs there.

Owns: folder -> `ServerFolder`. Does not own: running it (`exchange`).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError, NotFound
from pivotgym.core.jsonl import describe
from pivotgym.envs.base import sources

SOURCE = "mcp"
SETTINGS = "mcp.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Settings(BaseModel):
    """What `mcp.json` says.

    Attributes:
        command: The program; one of the sandbox's own, or a path in the folder.
        args: Its arguments.
        env: Variables it gets beside the plain ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: Annotated[str, Field(min_length=1)]
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}


@dataclass(frozen=True)
class ServerFolder:
    """A server.

    Attributes:
        name: The folder's name.
        folder: Where it is on this machine.
        settings: How it is started.
        digest: SHA-256 of all that lies in the folder.
    """

    name: str
    folder: Path
    settings: Settings
    digest: str


def find(name: object) -> ServerFolder:
    """A server of the source `mcp`.

    Raises:
        InputError: If the name is none, or the server's settings cannot be read.
        MissingDependency: If the source is not configured.
        NotFound: If it has no such server.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"origin: server: expected the name of an MCP server, got {name!r:.80}")
    folder = sources.path(SOURCE) / name
    if not (folder / SETTINGS).is_file():
        raise NotFound(f"origin: server: the source {SOURCE!r} has no {name}/{SETTINGS}")
    try:
        settings = Settings.model_validate_json((folder / SETTINGS).read_bytes())
    except ValidationError as error:
        raise InputError(f"{name}/{SETTINGS}: {describe(error)}") from error
    return ServerFolder(name, folder, settings, _digest(folder))


def _digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return digest([[str(path.relative_to(folder)), path.stat().st_mode & 0o777, _sha256(path)] for path in files])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
