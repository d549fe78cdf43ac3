"""The command `policy`.

Owns: its options, and which weights are meant. Does not own: the server (`servers/policy`), or sampling
(`trainer/served`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pivotgym.cli.options import Config, Overrides, PolicyOption
from pivotgym.cli.ui import say
from pivotgym.trainer.config import load_config

if TYPE_CHECKING:
    from pivotgym.core.formats import Format


def policy(
    config: Config = None,
    set_: Overrides = None,
    policy: PolicyOption = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of a training run: its newest checkpoint is served, now and later.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model's name in requests; by default the policy's.")] = None,
    host: Annotated[str, typer.Option(help="Any other than loopback needs PIVOTGYM_TOKEN_FILE.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8001,
    max_waiting: Annotated[int, typer.Option(help="Requests that may wait; more are refused with Retry-After.")] = 1024,
    max_tokens: Annotated[int, typer.Option(help="Tokens that a sample may have.")] = 2048,
    device: Annotated[str, typer.Option(help="A torch device.")] = "cpu",
) -> None:
    """Serve a policy in the shapes of OpenAI's API, with token ids and log-probabilities, over the embedded engine."""
    from pivotgym.servers.policy.settings import PolicySettings
    from pivotgym.servers.settings import read_tokens
    from pivotgym.trainer.models import policy_folder
    from pivotgym.trainer.served import ServedPolicy, newest_policy

    resolved = load_config(config, set_ or [])
    name = str(policy or resolved.policy)
    values: dict[str, Any] = {
        "model": model or Path(name).name,
        "host": host,
        "port": port,
        "max_waiting": max_waiting,
        "max_tokens": max_tokens,
    }
    settings = PolicySettings.load(values)
    read_tokens(settings)  # before the weights, which take a while
    begun = newest_policy(run) if run is not None else None
    folder = begun or policy_folder(name)
    engine = ServedPolicy(
        folder, format_of(resolved.format, name, folder), run=run, dtype=resolved.dtype, device=device
    )
    say(f"policy {settings.model!r}, weights {engine.version}, format {engine.fmt.name}")
    from pivotgym.servers.policy.app import serve_policy

    serve_policy(engine, settings)


def format_of(named: str, name: str, folder: Path) -> Format:
    """The format that is named, or the one that the model was trained on."""
    from pivotgym.core.formats import format_for, get_format

    if named != "auto":
        return get_format(named)
    from transformers import AutoTokenizer

    template = AutoTokenizer.from_pretrained(folder, local_files_only=True).chat_template
    return format_for(name, template if isinstance(template, str) else None)
