"""`pivotgym demo`: the whole way on real input, one command, resumable.

Owns: the order of the stages, the run folder's layout, what is said at each stage. Does not own: the stages' work.

The reference policy of PivotRL is the policy that GRPO starts from, and the raw 135M model never writes a call. So
the order is: extract, SFT warm-up on a part of the trajectories, profile the others with the warmed-up policy, filter,
GRPO.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from pivotgym.cli.options import Overrides
from pivotgym.cli.ui import escape, say
from pivotgym.core.errors import ConfigError, NotFound
from pivotgym.core.jsonl import Appender, read_lines, write_records
from pivotgym.core.trajectory import Pivot, Trajectory
from pivotgym.servers.client import Client
from pivotgym.trainer.config import RunConfig, dump_config, load_config, save_config

_FULL_SEEDS = 3
_FULL = (
    "max_prompt_tokens=420",
    "data.eval_pivots=240",
    "data.profile_states=340",
    "data.sft_states=200",
    "grpo.steps=30",
    "evaluate.samples=4",
)


def demo(
    out_folder: Annotated[Path, typer.Option("--out", "-o", help="Run folder.")] = Path("runs/demo"),
    full: Annotated[bool, typer.Option("--full", help="Three seeds, more states and steps; longer.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds to run and pool; 1, or 3 with --full.")] = None,
    set_: Overrides = None,
) -> None:
    """Fetch real tasks and a real model, and go from expert trajectories to a better policy. Run again to resume."""
    overrides = [*(_FULL if full else ()), *(set_ or [])]
    count = seeds if seeds is not None else _FULL_SEEDS if full else 1
    first = load_demo_config(overrides).seed
    folders = []
    for seed in range(first, first + count):
        folder = out_folder if count == 1 else out_folder / f"seed-{seed}"
        config = load_demo_config(overrides + _seeds(seed))
        say(f"[bold]seed {seed}[/] in {folder}")
        Demo(folder, config).run()
        folders.append(folder)
    from pivotgym.trainer.report import build_report

    page = build_report(folders, out_folder)
    _print_tables(folders)
    say(f"report      {page}")
    say(f"pivot set   {folders[-1] / 'pivots.jsonl'}")
    say(f"checkpoint  {folders[-1] / 'grpo' / 'policy'}")


def load_demo_config(overrides: list[str]) -> RunConfig:
    """The demo's configuration: its YAML, then overrides."""
    return load_config(Path(str(files("pivotgym.cli") / "demo.yaml")), overrides)


def _seeds(seed: int) -> list[str]:
    # Held-out pivots and their draws stay the same for all seeds, so that arms and seeds are paired.
    return [f"{key}={seed}" for key in ("seed", "profile.seed", "sft.seed", "grpo.seed")]


class Demo:
    """One seed's run. Every stage leaves a file; a stage that is recorded as done is not run again."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        """Open or go on with a run folder.

        Raises:
            ConfigError: If the folder holds a run with another configuration.
        """
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)
        saved = folder / "config.yaml"
        if saved.exists() and saved.read_text() != dump_config(config):
            raise ConfigError(
                f"{folder}: expected the configuration this run was started with, got another",
                hint="give another --out, or remove the folder",
            )
        save_config(config, saved)
        self._log = folder / "stages.jsonl"
        self._done = {row["stage"]: row for row in read_lines(self._log, dict)} if self._log.exists() else {}

    def run(self) -> None:
        """All stages, from where the last run stopped."""
        from pivotgym.cli.resources import environment

        self._stage("fetch", self._fetch)
        with environment(self.config) as client:
            self._stage("extract", lambda: self._extract(client))
            self._stage("evaluate base", lambda: self._evaluate(client, "base", None))
            self._stage("sft", self._sft)
            self._stage("profile", lambda: self._profile(client))
            self._stage("filter", self._filter)
            self._stage("grpo", lambda: self._grpo(client))
            self._stage("evaluate sft", lambda: self._evaluate(client, "sft", self.folder / "sft" / "policy"))
            self._stage("evaluate grpo", lambda: self._evaluate(client, "grpo", self.folder / "grpo" / "policy"))

    def _stage(self, name: str, work: Callable[[], str]) -> None:
        if name in self._done:
            say(f"  [dim]{name:14}[/] {escape(self._done[name]['line'])} [dim](done before)[/]")
            return
        start, cpu = time.monotonic(), time.process_time()
        line = work()
        wall = time.monotonic() - start
        with Appender(self._log) as log:
            log.append({"stage": name, "wall_s": wall, "cpu_s": time.process_time() - cpu, "line": line})
        say(f"  [bold]{name:14}[/] {escape(line)} [dim]({wall:.0f} s)[/]")

    def _file(self, name: str) -> Path:
        return self.folder / name

    def _pivots(self, name: str) -> list[Pivot]:
        from pivotgym.cli.steps import pivots_in

        return pivots_in(self._file(name))

    def _fetch(self) -> str:
        from pivotgym.cli.data import write_bfcl
        from pivotgym.envs.tool_use.bfcl import source
        from pivotgym.trainer.models import SMOLLM2_NAME, smollm2

        source.fetch()
        if self.config.policy == SMOLLM2_NAME:
            smollm2()
        counts = write_bfcl(self._file("trajectories"), self.config.data.max_tools, self.config.data.categories)
        left = sum(count for name, count in counts.items() if not name.endswith(".jsonl"))
        return (
            f"{source.SOURCE}: {counts['train.jsonl']} training and {counts['eval.jsonl']} held-out trajectories, "
            f"{left} left out"
        )

    def _extract(self, client: Client) -> str:
        from pivotgym.cli.resources import engine
        from pivotgym.cli.steps import extract_to
        from pivotgym.core.jsonl import read_records
        from pivotgym.trainer.extract import split_by_group
        from pivotgym.trainer.selection import draw

        policy, data, seed = engine(self.config), self.config.data, self.config.seed
        kept = {}
        for split in ("train", "eval"):
            trajectories = list(read_records(self._file(f"trajectories/{split}.jsonl"), Trajectory))
            report = extract_to(self._file(f"extract-{split}.jsonl"), trajectories, policy, client, self.config)
            kept[split] = report.kept
            if split == "train":
                warmup = set(split_by_group(trajectories, share=data.warmup_share, seed=seed)[0])
        train = self._pivots("extract-train.jsonl")
        for name, count, corpus in (
            ("sft-states.jsonl", data.sft_states, [pivot for pivot in train if pivot.trajectory_id in warmup]),
            ("candidates.jsonl", data.profile_states, [pivot for pivot in train if pivot.trajectory_id not in warmup]),
        ):
            write_records(self._file(name), draw(corpus, count, multi_turn=data.multi_turn, seed=seed))
        held_out = draw(
            self._pivots("extract-eval.jsonl"),
            data.eval_pivots,
            multi_turn=data.multi_turn,
            seed=0,
            per_trajectory=data.eval_turns,
        )
        write_records(self._file("eval-pivots.jsonl"), held_out)
        return (
            f"{kept['train']} training and {kept['eval']} held-out turns replay; drawn: {data.sft_states} for SFT, "
            f"{data.profile_states} candidates, {len(held_out)} held out"
        )

    def _evaluate(self, client: Client, arm: str, policy: Path | None) -> str:
        from pivotgym.cli.resources import engine
        from pivotgym.cli.steps import evaluate_to
        from pivotgym.trainer.comparison import arm_table

        config = self.config
        if arm == "base":
            # The raw model never writes a call: one sample says so, and its control would say nothing.
            single = config.evaluate.model_copy(update={"samples": 1, "low_samples": 0})
            config = config.model_copy(update={"evaluate": single})
        pivots = self._pivots("eval-pivots.jsonl")
        rows = evaluate_to(self._file("eval.jsonl"), pivots, engine(config, policy), client, config, arm)
        return f"mean functional reward {arm_table([rows])[0].parts['all']}"

    def _sft(self) -> str:
        from pivotgym.cli.resources import engine
        from pivotgym.cli.steps import sft_to

        states = self._pivots("sft-states.jsonl")
        metrics = sft_to(self._file("sft"), states, engine(self.config), self.config)
        return f"{len(states)} expert turns, {self.config.sft.epochs} epochs, last loss {metrics['loss']:.3f}"

    def _profile(self, client: Client) -> str:
        from pivotgym.cli.resources import engine
        from pivotgym.cli.steps import profile_to

        policy = engine(self.config, self._file("sft") / "policy")
        candidates = self._pivots("candidates.jsonl")
        done = profile_to(self._file("profile.jsonl"), candidates, policy, client, self.config)
        return (
            f"{done.profiled + done.resumed} candidates, {self.config.profile.k} samples each, "
            f"{done.failed_samples} masked"
        )

    def _filter(self) -> str:
        from pivotgym.cli.steps import filter_to

        report = filter_to(self._file("pivots.jsonl"), self._pivots("profile.jsonl"), self.config)
        self._file("pivots.json").replace(self._file("filter.json"))
        why = ", ".join(f"{count} {reason}" for reason, count in report.dropped.items())
        return f"{report.kept} pivots of {report.total} candidates (dropped: {why or 'none'})"

    def _grpo(self, client: Client) -> str:
        from pivotgym.cli.steps import train_to
        from pivotgym.trainer.training import read_log

        pivots = self._pivots("pivots.jsonl")
        if not pivots:
            raise NotFound("pivots: the filter kept none", hint="profile more states or loosen filter.lambda_diff")
        train_to(self._file("grpo"), pivots, self._file("sft") / "policy", client, self.config)
        rewards = [row["reward_mean"] for row in read_log(self._file("grpo") / "log.jsonl")]
        third = max(1, len(rewards) // 3)
        return (
            f"{len(rewards)} steps; reward of sampled actions {sum(rewards[:third]) / third:.3f} in the first third, "
            f"{sum(rewards[-third:]) / third:.3f} in the last"
        )


def _print_tables(folders: list[Path]) -> None:
    from rich.table import Table

    from pivotgym.cli.ui import show
    from pivotgym.core.jsonl import read_records
    from pivotgym.trainer.comparison import ARM_NAMES, PARTS, arm_table, difference_table
    from pivotgym.trainer.evaluation import EvalRow

    seeds = [list(read_records(folder / "eval.jsonl", EvalRow)) for folder in folders]
    arms = Table("mean functional reward", *PARTS, title=f"{len(folders)} seed(s), 95 % intervals over trajectories")
    for row in arm_table(seeds):
        arms.add_row(ARM_NAMES[row.arm], *(str(row.parts[part] or "–") for part in PARTS))
    differences = Table("difference", *PARTS)
    for gap in difference_table(seeds):
        name = f"{ARM_NAMES[gap.first]} → {ARM_NAMES[gap.second]}"
        differences.add_row(name, *(str(gap.parts[part] or "–") for part in PARTS))
    show(arms)
    show(differences)
