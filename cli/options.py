"""Options that several commands share, with their help texts.

Owns: names and texts, and which keys of the configuration they set. Does not own: what they do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file; keys left out keep their defaults (`pivotgym config`)."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="Override any key, dotted: --set grpo.lr=4e-5. Repeatable."),
]
OnErrorOption = Annotated[
    str, typer.Option("--on-error", help="`stop` at the first bad line (default), or `skip` it and count.")
]
OutFile = Annotated[Path, typer.Option("--out", "-o", help="File to write; its folder is made.")]
OutFolder = Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")]
Pivots = Annotated[list[Path], typer.Argument(help="JSON Lines files of pivots.", metavar="PIVOTS...")]
PolicyOption = Annotated[
    str | None, typer.Option("--policy", help="Policy to use instead of the configured one: a name or a folder.")
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="`local` (in this process), `openai` (a server, with --base-url) or `ray` (vLLM under Ray Data).",
    ),
]
BaseUrl = Annotated[
    str | None, typer.Option("--base-url", help="An OpenAI-compatible server, up to and with /v1. Implies the engine.")
]
ModelOption = Annotated[str | None, typer.Option("--model", help="The model's name on that server.")]


def engine_overrides(engine: str | None, base_url: str | None, model: str | None) -> list[str]:
    """The three options of a server as overrides of the configuration."""
    if engine is None and base_url is not None:
        engine = "openai"
    named = {"kind": engine, "base_url": base_url, "model": model}
    return [f"engine.{key}={json.dumps(value)}" for key, value in named.items() if value is not None]
