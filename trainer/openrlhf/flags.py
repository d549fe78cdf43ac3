"""Our configuration as OpenRLHF's flags.

Owns: the map, complete for what the trainer offers, and refusing what this engine cannot do. Does not own: what both
engines share (`trainer.settings`), starting anything (`launch`).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pivotgym.core.errors import ConfigError
from pivotgym.trainer.config import RunConfig
from pivotgym.trainer.learn import GrpoConfig, OptimConfig
from pivotgym.trainer.openrlhf.settings import RESERVE, AgentSettings, OpenRlhfSettings
from pivotgym.trainer.settings import LoraSettings
from pivotgym.trainer.training import grpo_config


@dataclass(frozen=True)
class Places:
    """Where a run's files are.

    Attributes:
        policy: Folder of the starting policy.
        out: The run's folder, which every machine of the cluster must see at this path.
    """

    policy: Path
    out: Path

    @property
    def rows(self) -> Path:
        """The data file."""
        return self.out / "openrlhf" / "rows.jsonl"

    @property
    def checkpoints(self) -> Path:
        """OpenRLHF's checkpoints."""
        return self.out / "checkpoints"

    @property
    def resumes(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return (self.checkpoints / "_actor" / "latest").is_file()


def agent_settings(config: RunConfig, *, server: str, format_name: str) -> AgentSettings:
    """What the sampling processes need to know.

    Args:
        config: The run's.
        server: The environment server as those processes reach it.
        format_name: The format, `auto` resolved.

    Raises:
        ConfigError: If this engine cannot do what the configuration asks for.
    """
    loss, grpo, own = checked_loss(config), config.grpo, config.openrlhf
    shared = (
        "request_timeout_s",
        "request_retries",
        "request_deadline_s",
        "max_failed_share",
        "least_samples",
        "max_turns",
    )
    return AgentSettings(
        server=server,
        token_file=config.token.resolve() if config.token is not None else None,
        rule=None if config.rule == "functional" else config.rule,
        format=format_name,
        horizon=grpo.horizon,
        max_new_tokens=grpo.max_new_tokens,
        max_len=max_len(config),
        steps=grpo.steps,
        seed=grpo.seed,
        baseline=loss.baseline,
        scale=loss.scale,
        eps=loss.eps,
        mask_truncated=grpo.mask_truncated,
        **{name: getattr(own, name) for name in shared},
    )


def max_len(config: RunConfig) -> int:
    """Tokens of the longest sequence.

    Raises:
        ConfigError: If an episode's is not given.
    """
    if config.openrlhf.max_len is not None:
        return config.openrlhf.max_len
    if config.grpo.horizon == "episode":
        raise ConfigError(
            "openrlhf.max_len: expected the tokens of a whole episode with grpo.horizon 'episode', got none"
        )
    return config.max_prompt_tokens + config.grpo.max_new_tokens


def steps_of_rows(config: RunConfig) -> int:
    """Steps for which there are rows: those of the run, and a reserve where flat groups are drawn again."""
    return config.grpo.steps * (RESERVE if config.openrlhf.resample_flat_groups else 1)


def flags(config: RunConfig, places: Places, *, cuda: bool) -> list[str]:
    """The command line after `python -m openrlhf.cli.train_ppo_ray`.

    Args:
        config: The run's.
        places: Its files.
        cuda: Whether it runs on GPUs.

    Raises:
        ConfigError: If this engine cannot do what the configuration asks for; the message names the key.
    """
    loss = checked_loss(config)
    _check_machine(config, cuda)
    pairs: list[tuple[str, object]] = [
        *_machine(config.openrlhf, loss, cuda),
        *_loss(loss, config),
        *_optimiser(config),
        *_lora(config.lora),
        *_rollout(config),
        *_files(config, places),
    ]
    line: list[str] = []
    for name, value in pairs:
        if value is False or value is None:
            continue
        values = [] if value is True else value if isinstance(value, list | tuple) else [value]
        line += [f"--{name}", *map(str, values)]
    return line


def command_line(arguments: Sequence[str]) -> str:
    """A command to read and to paste, one flag on a line."""
    text = shlex.join(arguments)
    return text.replace(" --", " \\\n  --") + "\n"


def checked_loss(config: RunConfig) -> GrpoConfig:
    """The loss, with the cap between sampler and trainer that this engine adds.

    Raises:
        ConfigError: If OpenRLHF has no such loss.
    """
    given = config.grpo
    loss = grpo_config(given.model_copy(update={"loss": {"tis_cap": config.openrlhf.tis_cap, **given.loss}}))
    refusals: list[tuple[bool, str, str]] = [
        (loss.ratio == "action", "grpo.loss.ratio", "'token' or 'action_mean' (GSPO)"),
        (
            loss.ratio == "action_mean" and loss.reduction != "action",
            "grpo.loss.reduction",
            "'action' with ratio 'action_mean'",
        ),
        (
            loss.ratio == "action_mean" and loss.tis_cap is not None,
            "grpo.loss.tis_cap",
            "null with ratio 'action_mean'",
        ),
        # Its two means are the only ones; scaling advantages by length would do, but a group's would not add up to 0,
        # and every estimator takes their mean off.
        (loss.reduction == "constant", "grpo.loss.reduction", "'token' or 'action', the only means OpenRLHF has"),
        (loss.old_logprobs != "trainer", "grpo.loss.old_logprobs", "'trainer'"),
        (loss.temperature != given.temperature, "grpo.loss.temperature", f"grpo.temperature ({given.temperature})"),
        (given.top_p != 1 and loss.tis_cap is not None, "grpo.top_p", "1.0, or grpo.loss.tis_cap null"),
        (config.dtype != "bfloat16", "dtype", "'bfloat16'"),
    ]
    if given.reprofile is not None:
        raise ConfigError(
            "grpo.reprofile: the engine 'openrlhf' expects null: it reads a run's pivots from one file at the start",
            hint="end the run at fewer grpo.steps; then profile, filter and train with --policy and another --out",
        )
    for refused, key, expected in refusals:
        if refused:
            section, _, name = key.removeprefix("grpo.").partition(".")
            found = getattr(loss, name) if section == "loss" else getattr(config if key == "dtype" else given, section)
            raise ConfigError(f"{key}: the engine 'openrlhf' expects {expected}, got {found!r}")
    return loss


def _check_machine(config: RunConfig, cuda: bool) -> None:
    own, grpo = config.openrlhf, config.grpo
    ranks = own.nodes * own.gpus_per_node
    samples = grpo.pivots_per_step * grpo.group_size
    if samples % (own.micro_batch_size * ranks):
        raise ConfigError(
            f"openrlhf.micro_batch_size: expected grpo.pivots_per_step * grpo.group_size ({samples}) to be a multiple "
            f"of micro_batch_size * nodes * gpus_per_node, got {own.micro_batch_size} * {ranks}"
        )
    if config.lora is not None and own.zero_stage == 3:
        raise ConfigError(
            "openrlhf.zero_stage: expected 1 or 2 with lora, got 3: adapters are merged into whole weights to be sent",
            hint="frozen weights need no partitioned gradients: stage 2 with adapters takes little more than stage 3",
        )
    if own.colocate and ranks != own.vllm_engines * own.vllm_tensor_parallel:
        raise ConfigError(
            f"openrlhf.colocate: expected vllm_engines * vllm_tensor_parallel to be nodes * gpus_per_node ({ranks}), "
            f"got {own.vllm_engines} * {own.vllm_tensor_parallel}"
        )
    if not cuda:
        needs: list[tuple[str, Callable[[OpenRlhfSettings], bool]]] = [
            ("packing", lambda s: s.packing),
            ("adam_offload", lambda s: s.adam_offload),
            ("vllm_tensor_parallel", lambda s: s.vllm_tensor_parallel > 1),
            ("attention", lambda s: "flash" in (s.attention or "")),
            ("nodes", lambda s: s.nodes > 1),
        ]
        for name, asked in needs:
            if asked(own):
                raise ConfigError(f"openrlhf.{name}: {getattr(own, name)!r} needs CUDA, and there is none here")


def _machine(own: OpenRlhfSettings, loss: GrpoConfig, cuda: bool) -> list[tuple[str, object]]:
    attention = own.attention or ("flash_attention_2" if cuda else "sdpa")
    reference = loss.kl_coef > 0
    return [
        ("actor.num_nodes", own.nodes),
        ("actor.num_gpus_per_node", own.gpus_per_node),
        ("ref.num_nodes", own.nodes if reference else None),
        ("ref.num_gpus_per_node", own.gpus_per_node if reference else None),
        ("vllm.num_engines", own.vllm_engines),
        ("vllm.tensor_parallel_size", own.vllm_tensor_parallel),
        ("vllm.gpu_memory_utilization", own.gpu_memory_utilization),
        ("vllm.enable_prefix_caching", own.prefix_caching),
        ("vllm.enforce_eager", own.enforce_eager or not cuda),
        ("vllm.sync_backend", "nccl" if cuda else "gloo"),
        ("vllm.enable_sleep", own.colocate and cuda),
        ("ds.enable_sleep", own.colocate and cuda),
        ("train.colocate_all", own.colocate),
        ("ds.zero_stage", own.zero_stage),
        ("ds.param_dtype", "bf16"),
        ("ds.attn_implementation", attention),
        ("ds.experts_implementation", own.experts),
        ("ds.packing_samples", own.packing),
        ("ds.adam_offload", own.adam_offload),
        ("actor.gradient_checkpointing_enable", own.gradient_checkpointing),
    ]


def _loss(loss: GrpoConfig, config: RunConfig) -> list[tuple[str, object]]:
    corrected = loss.tis_cap is not None
    return [
        # Rewards reach OpenRLHF as advantages, whose mean is 0 in each group: `dr_grpo` leaves them as they are.
        ("algo.advantage.estimator", "dr_grpo"),
        ("reward.clip_range", (-1e6, 1e6)),
        ("actor.policy_loss_type", "gspo" if loss.ratio == "action_mean" else "ppo"),
        ("actor.loss_agg_mode", "token-mean" if loss.reduction == "token" else "seq-mean-token-mean"),
        ("actor.eps_clip_low_high", (loss.clip_low, loss.clip_high)),
        ("algo.kl.init_coef", loss.kl_coef),
        ("algo.kl.use_loss", loss.kl_coef > 0),
        ("algo.kl.estimator", loss.kl if loss.kl_coef > 0 else None),
        ("algo.advantage.is_correction_level", "token" if corrected else "off"),
        ("algo.advantage.is_correction_mode", "clip" if corrected else None),
        ("algo.advantage.is_correction_threshold", (0.0, loss.tis_cap) if corrected else None),
        ("algo.dynamic_filtering_enable", config.openrlhf.resample_flat_groups),
        ("algo.dynamic_filtering_range", (0.0, 1.0) if config.openrlhf.resample_flat_groups else None),
    ]


def _optimiser(config: RunConfig) -> list[tuple[str, object]]:
    grpo = config.grpo
    known = OptimConfig(lr=grpo.lr, warmup_steps=grpo.warmup_steps)
    # OpenRLHF rounds steps * ratio up; half a step less gives exactly the steps asked for.
    ratio = max(0.0, (known.warmup_steps - 0.5) / steps_of_rows(config))
    return [
        ("actor.adam.lr", known.lr),
        ("actor.adam.betas", known.betas),
        ("actor.adam.eps", known.eps),
        ("actor.adam.weight_decay", known.weight_decay),
        ("actor.max_norm", known.max_grad_norm),
        ("actor.lr_scheduler", "constant_with_warmup" if known.warmup_steps else "constant"),
        ("actor.lr_warmup_ratio", ratio),
    ]


def _lora(lora: LoraSettings | None) -> list[tuple[str, object]]:
    if lora is None:
        return []
    return [
        ("ds.lora.rank", lora.rank),
        ("ds.lora.alpha", lora.alpha),
        # Given on the command line, "all-linear" would be a list and mean a layer of that name; it is the default.
        ("ds.lora.target_modules", None if lora.targets == "all-linear" else lora.targets),
        ("ds.lora.dropout", lora.dropout),
    ]


def _rollout(config: RunConfig) -> list[tuple[str, object]]:
    grpo, own = config.grpo, config.openrlhf
    return [
        ("rollout.batch_size", grpo.pivots_per_step),
        ("rollout.n_samples_per_prompt", grpo.group_size),
        ("rollout.micro_batch_size", own.micro_batch_size),
        ("rollout.temperature", grpo.temperature),
        ("rollout.top_p", grpo.top_p),
        # One action's limit is the agent's to set: OpenRLHF would clip a prompt to make room for it.
        ("rollout.max_new_tokens", grpo.max_new_tokens if grpo.horizon == "pivot" else None),
        ("train.batch_size", grpo.pivots_per_step * grpo.group_size),
        ("train.micro_batch_size", own.micro_batch_size),
        ("train.num_episodes", 1),
        ("train.max_epochs", 1),
        ("train.seed", grpo.seed),
        ("data.max_len", max_len(config)),
    ]


def _files(config: RunConfig, places: Places) -> list[tuple[str, object]]:
    from pivotgym.trainer.openrlhf import launch

    return [
        ("actor.model_name_or_path", places.policy.resolve()),
        ("train.agent_func_path", Path(launch.__file__).with_name("agent.py")),
        ("data.prompt_dataset", places.rows.resolve()),
        ("data.input_key", "input"),
        ("data.label_key", "label"),
        ("ckpt.output_dir", (places.out / "policy").resolve()),
        ("ckpt.path", places.checkpoints.resolve()),
        ("ckpt.save_steps", config.grpo.checkpoint_every),
        ("ckpt.max_num", config.openrlhf.keep_checkpoints),
        ("ckpt.load_enable", places.resumes),
        ("logger.tensorboard_dir", (places.out / "tensorboard").resolve()),
        ("logger.wandb.run_name", "grpo"),
        ("logger.logging_steps", 1),
    ]
