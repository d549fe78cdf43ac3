"""OpenRLHF's trainer with what a run needs that can be stopped: its order, its log, its last checkpoint.

Owns: the order of rows, which steps change nothing, `log.jsonl` in the embedded engine's names, and what is left behind
when sampling fails. Does not own: the steps themselves, which are OpenRLHF's.

It stands in for `openrlhf.trainer.ppo_trainer.PPOTrainer` in the launcher's process; nothing installed is changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openrlhf.trainer.ppo_trainer import PPOTrainer as UpstreamTrainer

from pivotgym.core.errors import InfrastructureError
from pivotgym.core.jsonl import Appender, atomic
from pivotgym.trainer.openrlhf.rows import UntilLastStep
from pivotgym.trainer.openrlhf.settings import read_settings
from pivotgym.trainer.openrlhf.trainer_stats import found_cause, log_row, rollout_stats

FAILURE_FILE = "failure.json"


class RunTrainer(UpstreamTrainer.__ray_metadata__.modified_class):  # type: ignore[misc]
    """See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The rows are in the run's order already; upstream would shuffle them by a seed of its own.
        generator: Any = self.samples_generator
        rows = generator.prompts_dataloader.dataset
        ordered: Any = self.strategy.setup_dataloader(rows, 1, True, False, rows.collate_fn)
        self.prompts_dataloader = generator.prompts_dataloader = ordered
        self._out = Path(self.args.ckpt.path).parent
        self._draws = generator.generate_samples = UntilLastStep(generator.generate_samples, read_settings().steps)
        self._done: tuple[int, dict[str, Any]] | None = None
        self._saved = 0

    def fit(self, global_step: int = 0) -> None:
        """Train to the end and leave a checkpoint of the last step; also when sampling fails, with the reason."""
        (self._out / FAILURE_FILE).unlink(missing_ok=True)
        try:
            super().fit(global_step)
            self._save()
        except Exception as error:
            self._leave(error)
            raise

    def init_checkpoint_states(self) -> dict[str, Any]:
        """Upstream's, remembered as the last checkpoint."""
        states: dict[str, Any] = super().init_checkpoint_states()
        self._saved = self._draws.finished = states["global_step"]
        return states

    def train_step(self, rollout_samples: list[Any], global_step: int) -> tuple[dict[str, Any], int]:
        """One step; one without any signal changes nothing, as in the embedded engine, nor does one cut short.

        A last batch that is not full (rows run out where flat groups are resampled) would leave half a sum of gradients
        for nobody.
        """
        rollout = self.args.rollout
        stats = rollout_stats(rollout_samples, rollout.n_samples_per_prompt)
        short = len(rollout_samples) < rollout.batch_size * rollout.n_samples_per_prompt
        if short or (stats["groups_trained"] == 0 and not (self.args.algo.kl.init_coef > 0 and stats["tokens"])):
            return {**stats, "stepped": 0.0}, global_step + 1
        status, step = super().train_step(rollout_samples, global_step)
        return {**status, **stats, "stepped": 1.0}, step

    def save_logs_and_checkpoints(
        self, global_step: int, logs_dict: dict[str, Any] | None = None, client_states: dict[str, Any] | None = None
    ) -> None:
        """Upstream's logs and checkpoints, and `log.jsonl`."""
        status = logs_dict or {}
        row = log_row(status, kl_coef=self.args.algo.kl.init_coef)
        with Appender(self._out / "log.jsonl") as log:
            log.append({"step": global_step, **row})
        self._done, self._draws.finished = (global_step, dict(client_states or {})), global_step
        super().save_logs_and_checkpoints(global_step, logs_dict, client_states)
        if global_step % self.args.ckpt.save_steps == 0:
            self._saved = global_step

    def _save(self) -> None:
        """A checkpoint of the last finished step, where there is none yet."""
        import ray

        if self._done is None or self._saved == self._done[0]:
            return
        step, states = self._done
        tag = f"global_step{step}"
        ray.get(self.actor_model_group.async_run_method(method_name="save_checkpoint", tag=tag, client_states=states))
        self._saved = step

    def _leave(self, error: Exception) -> None:
        # Told twice, since saving fails where a trained policy's process is what died.
        self._tell(error)
        self._save()
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        record = {
            **(found_cause(error) or InfrastructureError(f"{type(error).__name__}: {str(error)[-2000:]}")).to_wire(),
            "step": self._done[0] if self._done is not None else None,
            "checkpoint": f"global_step{self._saved}" if self._saved else None,
        }
        with atomic(self._out / FAILURE_FILE) as file:
            file.write(json.dumps(record, indent=1).encode())
