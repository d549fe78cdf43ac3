"""Commands on servers: serve, verify.

Owns: their options and what they print. Does not own: the server (`servers/`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pivotgym.cli.options import Config, Overrides
from pivotgym.cli.ui import out
from pivotgym.core.errors import InputError
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Pivot
from pivotgym.trainer.config import load_config


def serve(
    domain: Annotated[str, typer.Argument(help="An installed domain, or `module:attribute`.")] = "tool_use",
    pivots: Annotated[list[Path] | None, typer.Option(help="JSON Lines of pivots to load at the start.")] = None,
    nemo_gym_rule: Annotated[
        str, typer.Option(help="Rule of /nemo_gym/verify; NeMo Gym's own are `nemo_gym.NAME?option=value`.")
    ] = "functional",
    host: Annotated[str, typer.Option(help="Any other than loopback needs PIVOTGYM_TOKEN_FILE.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8000,
    max_sessions: Annotated[int, typer.Option(help="Live sessions; more are refused with Retry-After.")] = 256,
    workers: Annotated[int, typer.Option(help="Processes that serve; a session stays in the one it began in.")] = 1,
    threads: Annotated[
        int, typer.Option(help="Threads that run worlds, per process: so many commands run at a time.")
    ] = 8,
    idle_timeout_s: Annotated[float, typer.Option(help="Idle sessions are closed after this.")] = 900.0,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Data to rebuild origins from: tau, fixtures, harbor, ... Repeatable."),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Model that judges messages: base_url, model, ... Repeatable."),
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Model that plays the users of tasks, named likewise. Repeatable."),
    ] = None,
) -> None:
    """Serve a domain: reset to any pivot, step, fork, verify. The API is described at /docs."""
    from pivotgym.core.chat_server import parse_chat_server
    from pivotgym.envs.base.sources import parse
    from pivotgym.servers.serve import serve as serve_domain
    from pivotgym.servers.settings import Settings

    settings = Settings.load(
        {
            "nemo_gym_rule": nemo_gym_rule,
            "host": host,
            "port": port,
            "max_sessions": max_sessions,
            "workers": workers,
            "threads": threads,
            "idle_timeout_s": idle_timeout_s,
            "sources": parse(source or []),
            "judge": parse_chat_server("--judge", judge or []),
            "user": parse_chat_server("--user", user or []),
        }
    )
    serve_domain(domain, pivots=pivots or [], settings=settings)


def verify(
    pivot: Annotated[Path, typer.Argument(help="JSON Lines of pivots.")],
    action: Annotated[
        str | None, typer.Option(help="The assistant message as JSON; without it, the expert's own.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The policy's text, read in the configured format.")] = None,
    pivot_id: Annotated[str | None, typer.Option(help="Which pivot of the file; without it, the first.")] = None,
    config: Config = None,
    set_: Overrides = None,
) -> None:
    """Score one action at a pivot and print the verdict."""
    from pivotgym.cli.data import read_pivots
    from pivotgym.cli.resources import environment
    from pivotgym.servers.client import TextAction

    settings = load_config(config, set_ or [])
    chosen = [item for item in read_pivots([pivot]) if pivot_id in (None, item.id)]
    if not chosen:
        raise InputError(f"pivot_id: expected a pivot of {pivot}, got {pivot_id!r}")
    if action is not None and text is not None:
        raise InputError("action, text: expected one of them, got both")
    candidate: Action | TextAction
    if text is not None:
        candidate = TextAction(text, settings.format)
    else:
        candidate = _read_action(action) if action is not None else chosen[0].reference
    with environment(settings) as client:
        verdict = client.verify(chosen[0], candidate, rule=None if settings.rule == "functional" else settings.rule)
    out.print_json(json.dumps({"pivot": _name(chosen[0]), **verdict.model_dump(mode="json")}))


def _name(pivot: Pivot) -> str:
    return f"{pivot.id} ({pivot.origin.kind})"


def _read_action(text: str) -> Action:
    from pydantic import ValidationError

    from pivotgym.core.jsonl import describe

    try:
        return Action.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"action: {describe(error)}", hint='e.g. {"role": "assistant", "content": "Done."}') from error
