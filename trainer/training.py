"""The two training loops: SFT on expert actions, and GRPO from a pivot set.

Owns: which states a step uses, sampling -> rewards -> update, checkpoints, logs, resuming. Does not own: the update
itself (`trainer/learn`), sampling, rewards.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from pivotgym.core.errors import ConfigError, DigestMismatch, InputError, PivotGymError
from pivotgym.core.jsonl import Appender
from pivotgym.core.trajectory import Pivot, Sampling
from pivotgym.trainer.engine import LocalEngine, Query
from pivotgym.trainer.learn import (
    Group,
    GrpoConfig,
    OptimConfig,
    PolicyOptimizer,
    SftConfig,
    SftExample,
    grpo_step,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
    train_sft,
)
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.policy.lora import add_adapters
from pivotgym.trainer.reprofiling import Renewal, Reprofiler
from pivotgym.trainer.scoring import FailureGuard, Scorer, rewards_of
from pivotgym.trainer.settings import GrpoSettings, LoraSettings, SftSettings

OnStep = Callable[[int, int, dict[str, float]], None]
OnRenewal = Callable[[Renewal], None]


def sft(
    pivots: Sequence[Pivot],
    engine: LocalEngine,
    out: str | Path,
    settings: SftSettings,
    *,
    lora: LoraSettings | None = None,
    on_step: OnStep | None = None,
) -> dict[str, float]:
    """Train on the experts' actions and save the policy to `out/policy`.

    Args:
        pivots: States with the expert's action.
        engine: Holds the policy, which is changed in place.
        out: Folder for the policy and `log.jsonl`.
        settings: See `SftSettings`.
        lora: Adapters to train instead of the weights; the policy is saved with them merged.
        on_step: Called with (step, total, metrics).

    Raises:
        InputError: If there is no pivot.
        DigestMismatch: If `out` holds a run with other adapters or another policy under them.
    """
    if not pivots:
        raise InputError("pivots: expected at least one state to train on, got none")
    by_trajectory: dict[str, list[SftExample]] = defaultdict(list)
    for pivot in pivots:
        by_trajectory[pivot.trajectory_id].append(
            SftExample(engine.state_ids(pivot.messages, pivot.tools), engine.action_ids(pivot.reference))
        )
    groups = list(by_trajectory.values())
    config = SftConfig(epochs=settings.epochs, batch_size=settings.batch_size, seed=settings.seed)
    out = Path(out)
    policy, optimizer, start = _open(engine, out, OptimConfig(lr=settings.lr, warmup_steps=settings.warmup_steps), lora)
    with Appender(out / "log.jsonl") as log:

        def record(step: int, total: int, metrics: dict[str, float]) -> None:
            log.append({"step": step, **metrics})
            if step % settings.checkpoint_every == 0 or step == total:
                save_checkpoint(out / "checkpoints", policy, optimizer, step=step, keep=1)
            if on_step is not None:
                on_step(step, total, metrics)

        train_sft(policy, optimizer, groups, config, start_step=start, on_step=record)
    engine.weights_changed()
    policy.save(out / "policy")
    return read_log(out / "log.jsonl")[-1]


def _open(
    engine: LocalEngine, out: Path, optim: OptimConfig, lora: LoraSettings | None
) -> tuple[Policy, PolicyOptimizer, int]:
    """Policy, optimiser and step of the newest checkpoint in `out`, or of the start; the engine holds that policy."""
    if lora is not None and engine.policy.lora is None:
        add_adapters(engine.policy, lora)
    newest = latest_checkpoint(out / "checkpoints")
    if newest is None:
        return engine.policy, PolicyOptimizer(engine.policy, optim), 0
    loaded = load_checkpoint(newest, base=engine.policy)
    if loaded.policy.lora != lora:
        raise DigestMismatch(
            f"lora: the run in {out} was begun with {loaded.policy.lora!r}, now it is {lora!r}",
            hint="give a new folder with --out, or the settings it was begun with",
        )
    engine.policy = loaded.policy
    engine.weights_changed()
    return loaded.policy, loaded.optimizer, loaded.step


class Grpo:
    """A GRPO run that can be stopped anywhere and goes on from its last checkpoint, step for step the same."""

    def __init__(
        self,
        pivots: Sequence[Pivot],
        engine: LocalEngine,
        scorer: Scorer,
        out: str | Path,
        settings: GrpoSettings,
        *,
        reference: Policy | None = None,
        lora: LoraSettings | None = None,
        reprofiler: Reprofiler | None = None,
    ) -> None:
        """Set up, and load the newest checkpoint in `out/checkpoints` if there is one.

        Args:
            pivots: The pivot set.
            engine: Holds the policy, which is changed in place.
            scorer: Scores actions.
            out: Folder for checkpoints, policy, log and TensorBoard events.
            settings: See `GrpoSettings`.
            reference: The frozen policy of the KL term; needed when `loss.kl_coef` is above 0 and there are no
                adapters: with them it is the engine's policy, adapters off.
            lora: Adapters to train instead of the weights; the policy is saved with them merged.
            reprofiler: Refreshes the pivots when the run saturates.

        Raises:
            InputError: If there is no pivot, or `settings.loss` holds an unknown setting.
            ConfigError: If the settings ask for whole episodes.
            DigestMismatch: If `out` holds a run with other adapters or another policy under them.
        """
        if settings.horizon != "pivot":
            raise ConfigError(
                f"grpo.horizon: the embedded engine trains single actions, got {settings.horizon!r}",
                hint="whole episodes train with --engine openrlhf",
            )
        if not pivots:
            raise InputError("pivots: expected at least one, got none", hint="loosen the filter or profile more states")
        self.pivots, self.engine, self.scorer, self.settings = list(pivots), engine, scorer, settings
        self.out = Path(out)
        self.guard = FailureGuard()
        self.loss = grpo_config(settings)
        optim = OptimConfig(lr=settings.lr, warmup_steps=settings.warmup_steps)
        policy, self.optimizer, self.step = _open(engine, self.out, optim, lora)
        self.reference = policy if lora is not None and self.loss.kl_coef > 0 else reference
        self.reprofiler = reprofiler
        self._since = 0
        self._take_renewed()

    def run(self, on_step: OnStep | None = None, on_renewal: OnRenewal | None = None) -> None:
        """Train to the last step and save the policy to `out/policy`.

        Args:
            on_step: Called with (step, total, metrics) after each step.
            on_renewal: Called after the pivots were refreshed.

        Raises:
            VerifierFailed: When too many verdicts failed; a checkpoint was saved before.
        """
        from torch.utils.tensorboard import SummaryWriter

        with Appender(self.out / "log.jsonl") as log, SummaryWriter(str(self.out / "tensorboard")) as board:
            while self.step < self.settings.steps:
                self._renew(on_renewal)
                groups = self._groups()
                metrics = {
                    **grpo_step(self.engine.policy, self.optimizer, groups, self.loss, reference=self.reference),
                    "failed_verdicts": float(self.guard.failed),
                    "pivots": float(len(self.pivots)),
                }
                self.engine.weights_changed()
                self.step += 1
                log.append({"step": self.step, **metrics})
                for name, value in metrics.items():
                    board.add_scalar(f"grpo/{name}", value, self.step)
                if self.step % self.settings.checkpoint_every == 0:
                    self._save()
                if on_step is not None:
                    on_step(self.step, self.settings.steps, metrics)
        self._save()
        self.engine.policy.save(self.out / "policy")

    def _save(self) -> None:
        save_checkpoint(self.out / "checkpoints", self.engine.policy, self.optimizer, step=self.step)

    def _renew(self, on_renewal: OnRenewal | None) -> None:
        """Refresh the pivots if the run is saturated, after a checkpoint, from which an interrupted one goes on."""
        if self.reprofiler is None:
            return
        reason = self.reprofiler.due(self.step, read_log(self.out / "log.jsonl"))
        if reason is None:
            return
        self._save()
        renewal = self.reprofiler.refresh(self.step, reason, self.pivots, self.engine, self.scorer, self.guard)
        self._take_renewed()
        if on_renewal is not None:
            on_renewal(renewal)

    def _take_renewed(self) -> None:
        newest = self.reprofiler.newest(self.step) if self.reprofiler is not None else None
        if newest is not None:
            self._since, self.pivots = newest

    def batch(self, step: int) -> list[Pivot]:
        """The pivots of a step: epochs of shuffled pivots, a pure function of seed, step and the last renewal."""
        size, done = self.settings.pivots_per_step, step - self._since
        key = f"{self.settings.seed}:{self._since}" if self._since else f"{self.settings.seed}"
        chosen = []
        for place in range(done * size, (done + 1) * size):
            epoch, index = divmod(place, len(self.pivots))
            order = list(range(len(self.pivots)))
            random.Random(f"{key}:{epoch}").shuffle(order)
            chosen.append(self.pivots[order[index]])
        return chosen

    def _groups(self) -> list[Group]:
        pivots, settings = self.batch(self.step), self.settings
        sampling = Sampling(
            top_p=settings.top_p, max_new_tokens=settings.max_new_tokens, seed=settings.seed * 1_000_003 + self.step
        )
        temperatures = (settings.temperature,) * settings.group_size
        # The place in the batch is part of the key: a pivot drawn twice in one step is sampled independently.
        queries = [
            Query(f"{place}:{pivot.id}", pivot.messages, pivot.tools, temperatures)
            for place, pivot in enumerate(pivots)
        ]
        sampled = self.engine.sample(queries, sampling)
        actions = [[item.action for item in row] for row in sampled]
        try:
            rewards = rewards_of(self.scorer, list(zip(pivots, actions, strict=True)), self.guard)
        except PivotGymError:
            self._save()
            raise
        return [
            Group(
                state_ids=self.engine.state_ids(pivot.messages, pivot.tools),
                actions=[item.token_ids for item in row],
                logprobs=[item.logprobs for item in row],
                rewards=earned,
                masked=[settings.mask_truncated and item.truncated for item in row],
            )
            for pivot, row, earned in zip(pivots, sampled, rewards, strict=True)
        ]


def grpo_config(settings: GrpoSettings) -> GrpoConfig:
    """The loss that settings describe.

    Raises:
        InputError: If `settings.loss` holds an unknown setting.
        ConfigError: If one is out of range.
    """
    try:
        constant = {"length": settings.max_new_tokens} if settings.loss.get("reduction") == "constant" else {}
        return GrpoConfig(**{"temperature": settings.temperature, **constant, **settings.loss})
    except TypeError as error:
        raise InputError(f"loss: {error}", hint="see pivotgym.trainer.learn.GrpoConfig for the settings") from error


def read_log(path: str | Path) -> list[dict[str, float]]:
    """A training log, the newest line of each step."""
    if not Path(path).exists():
        return []
    rows = (json.loads(line) for line in Path(path).read_text().splitlines() if line)
    return [row for _, row in sorted({int(row["step"]): row for row in rows}.items())]
