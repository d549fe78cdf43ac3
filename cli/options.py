"""Options that several commands share, with their help texts.

Owns: names and texts. Does not own: what they do.
"""

from __future__ import annotations

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
