"""The stages of the way as the command line runs them: from input files to output files, with progress.

Owns: which file holds what, and progress bars. Does not own: the work (`trainer/`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pivotgym.cli.resources import engine, environment, scorer
from pivotgym.cli.ui import OnProgress, bar, say
from pivotgym.core.errors import ConfigError
from pivotgym.core.jsonl import atomic, read_records, write_records
from pivotgym.core.trajectory import Pivot, Trajectory
from pivotgym.servers.client import Client
from pivotgym.servers.settings import TOKEN_FILE
from pivotgym.trainer.candidates import prepare
from pivotgym.trainer.config import RunConfig
from pivotgym.trainer.extract import ExtractReport, extract
from pivotgym.trainer.filter import FilterReport, filter_pivots

if TYPE_CHECKING:
    from pivotgym.trainer.engine import LocalEngine, PolicyEngine
    from pivotgym.trainer.evaluation import EvalRow
    from pivotgym.trainer.openrlhf.run import Plan
    from pivotgym.trainer.profiling import ProfileReport
    from pivotgym.trainer.reprofiling import Renewal


def write_json(path: Path, report: Any) -> None:
    """Write a report dataclass as JSON."""
    with atomic(path) as file:
        file.write(json.dumps(vars(report), indent=2).encode())


def extract_to(
    out: Path, trajectories: Sequence[Trajectory], policy: PolicyEngine, client: Client, config: RunConfig
) -> ExtractReport:
    """Candidates that replay, into `out`; the account of the rest beside it."""
    report = ExtractReport()
    cut = list(
        extract(
            trajectories,
            prompt_tokens=policy.prompt_tokens,
            max_prompt_tokens=config.max_prompt_tokens,
            report=report,
        )
    )
    with bar("replaying") as progress:
        write_records(out, prepare(client, cut, report, on_progress=progress))
    write_json(out.with_suffix(".json"), report)
    return report


def profile_to(
    out: Path, candidates: Sequence[Pivot], policy: PolicyEngine, client: Client, config: RunConfig
) -> ProfileReport:
    """Profiled candidates, appended to `out`."""
    from pivotgym.trainer.profiling import profile

    with bar("profiling") as progress:
        return profile(
            candidates, policy, scorer(client, config, candidates), out, config.profile, on_progress=progress
        )


def filter_to(out: Path, candidates: Sequence[Pivot], config: RunConfig) -> FilterReport:
    """The pivot set into `out`, the account beside it."""
    kept, report = filter_pivots(candidates, config.filter)
    write_records(out, kept)
    write_json(out.with_suffix(".json"), report)
    return report


def sft_to(out: Path, pivots: Sequence[Pivot], policy: LocalEngine, config: RunConfig) -> dict[str, float]:
    """SFT; policy and log in `out`."""
    from pivotgym.trainer.training import sft

    with bar("SFT") as progress:
        return sft(
            pivots, policy, out, config.sft, lora=config.lora, on_step=lambda step, total, _: progress(step, total)
        )


def train_to(out: Path, pivots: Sequence[Pivot], policy: str | Path | None, client: Client, config: RunConfig) -> None:
    """GRPO from a policy; checkpoints, policy and log in `out`."""
    from pivotgym.trainer.reprofiling import Reprofiler
    from pivotgym.trainer.training import Grpo

    # The KL is taken to the policy that training starts from, also when it goes on from a checkpoint; with adapters
    # that policy is there already, under them.
    second = config.grpo.loss.get("kl_coef") and config.lora is None
    reference = engine(config, policy).policy if second else None
    renewing = config.grpo.reprofile
    candidates = list(pivots)
    if renewing is not None and renewing.candidates is not None:
        candidates = pivots_in(renewing.candidates)
    run = Grpo(
        pivots,
        engine(config, policy),
        scorer(client, config, list({pivot.id: pivot for pivot in [*candidates, *pivots]}.values())),
        out,
        config.grpo,
        reference=reference,
        lora=config.lora,
        reprofiler=Reprofiler(candidates, out, renewing, config.profile, config.filter) if renewing else None,
    )
    with bar("GRPO") as progress:
        progress(run.step, config.grpo.steps)
        run.run(on_step=lambda step, total, _: progress(step, total), on_renewal=_say_renewed)


def _say_renewed(renewal: Renewal) -> None:
    say(
        f"re-profiled after step {renewal.step}: {renewal.reason}; {renewal.kept} pivots of {renewal.candidates} "
        f"candidates, {renewal.before} before"
    )


def train_openrlhf_to(
    out: Path,
    pivots: Sequence[Pivot],
    tasks: Sequence[str] | None,
    policy: str | None,
    config: RunConfig,
    *,
    dry_run: bool,
) -> Plan:
    """GRPO through OpenRLHF; checkpoints, policy and log in `out`, its own files in `out/openrlhf`.

    Raises:
        ConfigError: If the states do not fit the horizon, or a cluster could not reach the environment server.
    """
    from pivotgym.trainer.openrlhf.run import make_plan, run

    episodes = config.grpo.horizon == "episode"
    if not episodes and (tasks or not pivots):
        raise ConfigError(
            f"grpo.horizon 'pivot': expected files of pivots and no --task, "
            f"got {len(pivots)} pivots and {len(tasks or [])} tasks",
            hint="--set grpo.horizon=episode trains on whole tasks",
        )
    if config.openrlhf.ray_address is not None and config.server is None:
        raise ConfigError(
            "server: expected an environment server that the cluster reaches, with openrlhf.ray_address; got none",
            hint="start one with `pivotgym serve --host`, and name it in `server` (and its token in `token`)",
        )
    if config.server is None and config.token is None and os.environ.get(TOKEN_FILE):
        config = config.model_copy(update={"token": Path(os.environ[TOKEN_FILE])})
    kind: Literal["pivot", "task"] = "pivot" if pivots else "task"
    known = [pivot.id for pivot in pivots] or list(tasks or [])
    if dry_run and known:
        return make_plan(config, out, known, kind=kind, server=config.server or "http://127.0.0.1", policy=policy)
    with environment(config) as client:
        client.add_pivots(pivots)
        ids = known or [str(task["id"]) for task in client.tasks()]
        plan = make_plan(config, out, ids, kind=kind, server=client.base_url, policy=policy)
        if not dry_run:
            with bar("GRPO") as progress:
                run(plan, on_line=partial(_step_done, progress, config.grpo.steps))
    return plan


def _step_done(progress: OnProgress, total: int, line: str) -> None:
    if found := re.search(r"Global step (\d+):", line):
        progress(int(found[1]), total)


def evaluate_to(
    out: Path, pivots: Sequence[Pivot], policy: PolicyEngine, client: Client, config: RunConfig, arm: str
) -> list[EvalRow]:
    """Evaluation rows of an arm, appended to `out`."""
    from pivotgym.trainer.evaluation import evaluate

    with bar(f"evaluating {arm}") as progress:
        return evaluate(
            pivots, policy, scorer(client, config, pivots), out, config.evaluate, arm=arm, on_progress=progress
        )


def pivots_in(path: Path) -> list[Pivot]:
    """The pivots of one file."""
    return list(read_records(path, Pivot))
