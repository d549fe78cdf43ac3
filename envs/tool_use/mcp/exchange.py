"""One request to an MCP server over its standard input and output, in a sandbox.

The server is started, initialised and asked; then its input ends, and it is given two seconds to end, too.

Owns: that conversation (protocol revision 2025-06-18). Does not own: the sandbox, or what a result means (`toolkit`).
"""

from __future__ import annotations

import json
import secrets
import shlex
from typing import Any

from pivotgym.core.errors import WorldFailed
from pivotgym.envs.sandbox.contract import Ran, Sandbox
from pivotgym.envs.tool_use.mcp.folders import Settings

REVISION = "2025-06-18"
HOME = "/srv/mcp"
"""Where a server's folder lies inside: its working directory and home."""
WALL_S = 30.0

# Standard input has three lines: the request `initialize`, the note that it was understood, the request. A server may
# refuse a request that comes before it has answered the first, so each answer is waited for, by its id.
_SCRIPT = r"""
IFS= read -r first; IFS= read -r understood; IFS= read -r request
coproc SERVER { exec "${@:2}"; }
out=${SERVER[0]} in=${SERVER[1]}
trap '' PIPE
hear() {
  local answer='"id" ?: ?"'$1'"'
  while IFS= read -r -u "$out" line; do printf '%s\n' "$line"; [[ $line =~ $answer ]] && return 0; done
  return 1
}
printf '%s\n' "$first" >&"$in" && hear "$1-a" || exit 71
printf '%s\n%s\n' "$understood" "$request" >&"$in" && hear "$1-b" || exit 72
exec {in}>&-
while IFS= read -r -t 2 -u "$out" line; do printf '%s\n' "$line"; done
kill "$SERVER_PID" 2>/dev/null
exit 0
"""


class ServerEnded(Exception):
    """The server ended, or was ended by a limit other than time, without an answer to a call."""


class Refused(Exception):
    """The server refused the request: the message of its error."""


def ask(sandbox: Sandbox, settings: Settings, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The result of one request.

    Args:
        sandbox: With the server's folder at `HOME`.
        settings: How the server is started.
        method: Of MCP, such as `tools/call`.
        params: The request's parameters.

    Raises:
        Refused: If the server answers with an error.
        ServerEnded: If it ends without an answer.
        WorldFailed: If it cannot be started or initialised, or takes longer than `WALL_S` seconds.
    """
    mark = "pivotgym-" + secrets.token_hex(8)
    lines = [
        _request(f"{mark}-a", "initialize", _hello()),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        _request(f"{mark}-b", method, params),
    ]
    ran = sandbox.run(_command(mark, settings), timeout_s=WALL_S, stdin="".join(f"{one}\n" for one in lines).encode())
    if ran.ended == "time":
        raise WorldFailed(f"the MCP server did not answer {method} within {WALL_S:g} s")
    answers = _answers(ran.stdout)
    if f"{mark}-a" not in answers:
        raise WorldFailed(f"the MCP server could not be started: {_last_words(ran)}")
    answer = answers.get(f"{mark}-b")
    if answer is None and ran.stdout_bytes > len(ran.stdout):
        raise Refused(f"the result is over {len(ran.stdout) // 1024} KiB")
    if answer is None:
        raise ServerEnded(_last_words(ran))
    if "error" in answer:
        error = answer["error"]
        raise Refused(str(error.get("message", error)) if isinstance(error, dict) else str(error))
    result = answer.get("result")
    if not isinstance(result, dict):
        raise WorldFailed(f"the MCP server answered {method} with neither a result nor an error")
    return result


def _hello() -> dict[str, Any]:
    return {
        "protocolVersion": REVISION,
        "capabilities": {},
        "clientInfo": {"name": "pivotgym", "version": "1"},
    }


def _request(request_id: str, method: str, params: dict[str, Any]) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def _command(mark: str, settings: Settings) -> str:
    """The script with the server's command as its arguments; in a bash of its own, so that nothing stays behind."""
    plain = {"HOME": HOME, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    variables = [f"{name}={value}" for name, value in {**plain, **settings.env}.items()]
    words = ["env", "-C", HOME, *variables, settings.command, *settings.args]
    return shlex.join(["bash", "-c", _SCRIPT, "mcp", mark, *words])


def _answers(output: bytes) -> dict[str, dict[str, Any]]:
    """The server's answers by the id of what they answer; its notes and whatever else it said are passed over."""
    found: dict[str, dict[str, Any]] = {}
    for line in output.splitlines():
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(said, dict) and isinstance(said.get("id"), str) and "method" not in said:
            found[said["id"]] = said
    return found


def _last_words(ran: Ran) -> str:
    said = ran.stderr.decode("utf-8", "replace").strip()[-300:]
    how = f"ended by the limit on {ran.ended}" if ran.ended else f"exit status {ran.exit}"
    return f"{said} ({how})" if said else how
