"""Learning: GRPO and SFT steps over shared prefixes, the optimiser and checkpoints."""

from pivotgym.trainer.learn.checkpoint import Checkpoint, latest_checkpoint, load_checkpoint, save_checkpoint
from pivotgym.trainer.learn.grpo import Group, GrpoConfig, grpo_step
from pivotgym.trainer.learn.optim import OptimConfig, PolicyOptimizer
from pivotgym.trainer.learn.sft import SftConfig, SftExample, sft_batches, sft_step, train_sft

__all__ = [
    "Checkpoint",
    "Group",
    "GrpoConfig",
    "OptimConfig",
    "PolicyOptimizer",
    "SftConfig",
    "SftExample",
    "grpo_step",
    "latest_checkpoint",
    "load_checkpoint",
    "save_checkpoint",
    "sft_batches",
    "sft_step",
    "train_sft",
]
