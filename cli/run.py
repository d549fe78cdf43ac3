"""Commands that need a policy: profile, sft, train, evaluate.

Owns: their options and what they print. Does not own: the work (`trainer/`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pivotgym.cli.data import read_pivots
from pivotgym.cli.options import (
    BaseUrl,
    Config,
    EngineOption,
    ModelOption,
    OutFile,
    OutFolder,
    Overrides,
    Pivots,
    PolicyOption,
    engine_overrides,
)
from pivotgym.cli.resources import engine as local_engine
from pivotgym.cli.resources import environment, sampling_engine
from pivotgym.cli.steps import evaluate_to, profile_to, sft_to, train_openrlhf_to, train_to
from pivotgym.cli.ui import escape, say
from pivotgym.core.errors import ConfigError
from pivotgym.trainer.config import load_config, save_config


def profile(
    pivots: Pivots,
    out_file: OutFile,
    config: Config = None,
    set_: Overrides = None,
    policy: PolicyOption = None,
    engine: EngineOption = None,
    base_url: BaseUrl = None,
    model: ModelOption = None,
) -> None:
    """Sample K actions at each candidate with the frozen reference policy and score them; resumable."""
    settings = load_config(config, [*(set_ or []), *engine_overrides(engine, base_url, model)])
    sampler = sampling_engine(settings, policy, samples=out_file.with_suffix(".draws.jsonl"))
    save_config(settings, out_file.with_suffix(".config.yaml"))
    with environment(settings) as client:
        done = profile_to(out_file, read_pivots(pivots), sampler, client, settings)
    say(
        f"{done.profiled} candidates profiled ({done.resumed} were there), {done.sampled_tokens} tokens sampled, "
        f"{done.failed_samples} samples masked, in {out_file}"
    )
    if done.profiled and done.all_equal == done.profiled:
        say("  in every candidate all samples were the same: does the server sample at the temperature it is given?")
    if done.too_long:
        say(f"  left out {done.too_long}: the state is longer than the policy's context")
    if done.unscored:
        say(f"  left out {done.unscored}: every sample failed; run the same command again to make them")
        raise typer.Exit(4)


def sft(
    pivots: Pivots, out_folder: OutFolder, config: Config = None, set_: Overrides = None, policy: PolicyOption = None
) -> None:
    """Supervised warm-up on the experts' actions."""
    settings = load_config(config, set_ or [])
    save_config(settings, out_folder / "config.yaml")
    metrics = sft_to(out_folder, read_pivots(pivots), local_engine(settings, policy), settings)
    say(f"loss {metrics['loss']:.3f}; policy in {out_folder / 'policy'}")


def train(
    out_folder: OutFolder,
    pivots: Annotated[
        list[Path] | None, typer.Argument(help="JSON Lines files of pivots.", metavar="PIVOTS...")
    ] = None,
    config: Config = None,
    set_: Overrides = None,
    policy: PolicyOption = None,
    engine: Annotated[
        str | None, typer.Option("--engine", help="`embedded` (this process) or `openrlhf` (Ray, DeepSpeed, vLLM).")
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", help="With grpo.horizon=episode: a task's id. Repeatable; else all.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print OpenRLHF's command line and start nothing.")
    ] = False,
) -> None:
    """GRPO from a pivot set, or on whole tasks; goes on from its last checkpoint."""
    settings = load_config(config, [*(set_ or []), *([f"grpo.engine={engine}"] if engine is not None else [])])
    states = read_pivots(pivots) if pivots else []
    if settings.grpo.engine == "embedded" and (task or dry_run):
        raise ConfigError("--task, --dry-run: expected with the engine 'openrlhf', got 'embedded'")
    save_config(settings, out_folder / "config.yaml")
    if settings.grpo.engine == "openrlhf":
        plan = train_openrlhf_to(out_folder, states, task, policy, settings, dry_run=dry_run)
        say(escape(plan.command) if dry_run else f"command in {out_folder / 'openrlhf' / 'command.sh'}")
    else:
        with environment(settings) as client:
            train_to(out_folder, states, policy, client, settings)
    if not dry_run:
        say(f"policy in {out_folder / 'policy'}, log in {out_folder / 'log.jsonl'}")


def evaluate(
    pivots: Pivots,
    out_file: OutFile,
    arm: Annotated[str, typer.Option(help="Name of the policy in the report: base, sft, grpo, ...")] = "base",
    config: Config = None,
    set_: Overrides = None,
    policy: PolicyOption = None,
    engine: EngineOption = None,
    base_url: BaseUrl = None,
    model: ModelOption = None,
) -> None:
    """Mean functional reward on held-out pivots, with a bootstrap interval over trajectories."""
    from pivotgym.trainer.comparison import arm_table

    settings = load_config(config, [*(set_ or []), *engine_overrides(engine, base_url, model)])
    sampler = sampling_engine(settings, policy)
    save_config(settings, out_file.with_suffix(".config.yaml"))
    with environment(settings) as client:
        rows = evaluate_to(out_file, read_pivots(pivots), sampler, client, settings, arm)
    for row in arm_table([rows], names=[arm, f"{arm}@low"]):
        shown = ", ".join(f"{part} {value}" for part, value in row.parts.items() if value is not None)
        say(f"{row.arm}: {shown}")
