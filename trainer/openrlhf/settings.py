"""What only the OpenRLHF engine needs: machines, engines, memory, and how patient it is with environments.

Owns: these settings, and the record that travels to the processes that sample. Does not own: what both engines share
(`trainer.settings.GrpoSettings`). Imports nothing heavy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pivotgym.core.errors import ConfigError

AGENT_ENV = "PIVOTGYM_OPENRLHF_AGENT"
"""Environment variable in which `AgentSettings` travel, as JSON, to every process that samples."""
RESERVE = 8
"""Groups that a run may draw for each one that trains, where flat groups are drawn again."""


class OpenRlhfSettings(BaseModel):
    """Machines and memory of the OpenRLHF engine.

    Attributes:
        ray_address: Of a running Ray cluster; `None` starts Ray on this machine.
        nodes: Machines of the trained policy (and of its reference, where there is a KL term).
        gpus_per_node: GPUs on each; on a CPU, processes.
        vllm_engines: Engines that sample.
        vllm_tensor_parallel: GPUs of one of them.
        gpu_memory_utilization: Share of a GPU that an engine takes.
        enforce_eager: No CUDA graphs: slower, less memory.
        prefix_caching: The engine keeps a state's keys and values, so that the actions of a group share them.
        colocate: All models and engines on the same GPUs, engines asleep while the policy trains.
        zero_stage: DeepSpeed's partitioning of optimiser (1), gradients (2) and weights (3).
        adam_offload: Optimiser states in the memory of the host.
        gradient_checkpointing: Less memory for a third more computation.
        attention: Of the trained policy; `None`: flash attention with CUDA, else PyTorch's own.
        experts: How a mixture of experts is computed; `grouped_mm` for large ones, `None` as the model says.
        packing: Samples in one row without padding; needs flash attention.
        micro_batch_size: Samples of one forward pass.
        max_len: Tokens of a state with its action, of a whole episode; `None`: `max_prompt_tokens` and one action.
        tis_cap: Cap of the importance weight between sampler (vLLM) and trainer (DeepSpeed), which never agree to the
            last bit; 5.0 as in NeMo-RL. `grpo.loss.tis_cap`, where it is given, goes first; `null` switches it off.
        resample_flat_groups: Draw other pivots for groups whose rewards are all equal, until a step is full of groups
            that train; the run ends sooner where that takes more than `RESERVE` times its groups. Off: they stay, and
            change nothing.
        keep_checkpoints: DeepSpeed checkpoints kept.
        request_timeout_s: Time-out of one try of a call to the environment server.
        request_retries: Further tries.
        request_deadline_s: For one call with all its tries; then the sample is masked.
        max_failed_share: Share of samples that may be masked by failures of ours before the run stops.
        least_samples: Samples before that share is looked at.
        max_turns: Actions of one episode at the most.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ray_address: str | None = None
    nodes: int = Field(default=1, ge=1)
    gpus_per_node: int = Field(default=1, ge=1)
    vllm_engines: int = Field(default=1, ge=1)
    vllm_tensor_parallel: int = Field(default=1, ge=1)
    gpu_memory_utilization: float = Field(default=0.6, gt=0, le=1)
    enforce_eager: bool = False
    prefix_caching: bool = True
    colocate: bool = False
    zero_stage: Literal[1, 2, 3] = 2
    adam_offload: bool = False
    gradient_checkpointing: bool = False
    attention: str | None = None
    experts: Literal["eager", "batched_mm", "grouped_mm", "deepgemm"] | None = None
    packing: bool = False
    micro_batch_size: int = Field(default=1, ge=1)
    max_len: int | None = Field(default=None, ge=2)
    tis_cap: float | None = Field(default=5.0, gt=0)
    resample_flat_groups: bool = False
    keep_checkpoints: int = Field(default=2, ge=1)
    request_timeout_s: float = Field(default=60.0, gt=0)
    request_retries: int = Field(default=6, ge=0)
    request_deadline_s: float = Field(default=180.0, gt=0)
    max_failed_share: float = Field(default=0.2, ge=0, lt=1)
    least_samples: int = Field(default=50, ge=1)
    max_turns: int = Field(default=30, ge=1)


class AgentSettings(BaseModel):
    """What sampling processes and trainer need to know beside their flags; made by `flags`, read where they run.

    Attributes:
        server: Base URL of the environment server, as the sampling machines reach it.
        token_file: Bearer token file there.
        rule: Comparator, `None` for the server's own.
        format: Text format by name, never `auto`.
        horizon: One action at a pivot, or an episode to its end.
        max_new_tokens: Of one action.
        max_len: Tokens of a state with its action, or of an episode.
        steps: After which the run ends; `None`: when its rows are used up.
        seed: With a row's place and the sample's number it fixes the sample's draws.
        baseline: See `trainer.learn.losses.group_advantages`.
        scale: See there.
        eps: See there.
        mask_truncated: Leave cut actions out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: str
    token_file: Path | None = None
    rule: str | None = None
    format: str
    horizon: Literal["pivot", "episode"] = "pivot"
    max_new_tokens: int = Field(ge=1)
    max_len: int = Field(ge=2)
    steps: int | None = None
    seed: int = 0
    baseline: Literal["mean", "leave_one_out"] = "mean"
    scale: Literal["sample_std", "population_std", "none"] = "sample_std"
    eps: float = 1e-6
    mask_truncated: bool = False
    request_timeout_s: float = 60.0
    request_retries: int = 6
    request_deadline_s: float = 180.0
    max_failed_share: float = 0.2
    least_samples: int = 50
    max_turns: int = 30


def read_settings() -> AgentSettings:
    """The settings that `run` put into this process's environment.

    Raises:
        ConfigError: If there are none.
    """
    text = os.environ.get(AGENT_ENV)
    if text is None:
        raise ConfigError(
            f"{AGENT_ENV}: expected the agent's settings, found none", hint="start it by `pivotgym train`"
        )
    return AgentSettings.model_validate_json(text)
