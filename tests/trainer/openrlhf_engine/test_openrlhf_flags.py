import argparse
import dataclasses
import importlib.util
import shlex
from pathlib import Path

import pytest

from pivotgym.core.errors import ConfigError
from pivotgym.trainer.config import load_config
from pivotgym.trainer.learn import GrpoConfig
from pivotgym.trainer.openrlhf.flags import Places, agent_settings, command_line, flags, max_len
from pivotgym.trainer.openrlhf.settings import OpenRlhfSettings
from pivotgym.trainer.settings import GrpoSettings


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "policy", tmp_path / "out")


def resolved(places, *overrides, cuda=True):
    """The flags by name; a flag without a value is True."""
    line = flags(load_config(None, list(overrides)), places, cuda=cuda)
    found = {}
    for part in line:
        if part.startswith("--"):
            found[name := part[2:]] = True
        else:
            found[name] = part if found[name] is True else f"{found[name]} {part}"
    return found


@pytest.mark.parametrize(
    ("override", "flag", "value"),
    [
        ("grpo.steps=7", "train.num_episodes", "1"),
        ("grpo.pivots_per_step=3", "rollout.batch_size", "3"),
        ("grpo.group_size=5", "rollout.n_samples_per_prompt", "5"),
        ("grpo.pivots_per_step=3", "train.batch_size", "24"),
        ("grpo.temperature=0.7", "rollout.temperature", "0.7"),
        ("grpo.max_new_tokens=99", "rollout.max_new_tokens", "99"),
        ("grpo.max_new_tokens=99", "data.max_len", "1123"),
        ("grpo.lr=3e-6", "actor.adam.lr", "3e-06"),
        ("grpo.seed=5", "train.seed", "5"),
        ("grpo.checkpoint_every=9", "ckpt.save_steps", "9"),
        ("grpo.loss.clip_high=0.3", "actor.eps_clip_low_high", "0.2 0.3"),
        ("grpo.loss.reduction=action", "actor.loss_agg_mode", "seq-mean-token-mean"),
        ("grpo.loss.kl_coef=0.1", "algo.kl.init_coef", "0.1"),
        ("grpo.loss.kl_coef=0.1", "algo.kl.use_loss", True),
        ("grpo.loss={kl_coef: 0.1, kl: k2}", "algo.kl.estimator", "k2"),
        ("grpo.loss.kl_coef=0.1", "ref.num_nodes", "1"),
        ("grpo.loss.tis_cap=2.5", "algo.advantage.is_correction_threshold", "0.0 2.5"),
        ("grpo.loss.tis_cap=null", "algo.advantage.is_correction_level", "off"),
        ("openrlhf.tis_cap=null", "algo.advantage.is_correction_level", "off"),
        ("openrlhf.nodes=4", "actor.num_nodes", "4"),
        ("openrlhf.vllm_engines=2", "vllm.num_engines", "2"),
        ("openrlhf.zero_stage=3", "ds.zero_stage", "3"),
        ("openrlhf.colocate=true", "vllm.enable_sleep", True),
        ("openrlhf.resample_flat_groups=true", "algo.dynamic_filtering_enable", True),
        ("lora.rank=4", "ds.lora.rank", "4"),
        ("lora.alpha=7", "ds.lora.alpha", "7"),
        ("lora.targets=[q_proj, v_proj]", "ds.lora.target_modules", "q_proj v_proj"),
        ("lora.dropout=0.1", "ds.lora.dropout", "0.1"),
        ("openrlhf.gradient_checkpointing=true", "actor.gradient_checkpointing_enable", True),
    ],
)
def test_key_becomes_flag(places, override, flag, value):
    assert resolved(places, override)[flag] == value


OTHER = {
    "grpo.steps": 50,
    "grpo.pivots_per_step": 4,
    "grpo.group_size": 4,
    "grpo.temperature": 0.5,
    "grpo.top_p": 0.5,
    "grpo.max_new_tokens": 5,
    "grpo.mask_truncated": True,
    "grpo.lr": 1e-6,
    "grpo.warmup_steps": 3,
    "grpo.checkpoint_every": 2,
    "grpo.seed": 3,
    "grpo.horizon": "episode",
    "openrlhf.nodes": 2,
    "openrlhf.gpus_per_node": 2,
    "openrlhf.vllm_engines": 2,
    "openrlhf.vllm_tensor_parallel": 2,
    "openrlhf.gpu_memory_utilization": 0.3,
    "openrlhf.enforce_eager": True,
    "openrlhf.prefix_caching": False,
    "openrlhf.colocate": True,
    "openrlhf.zero_stage": 3,
    "openrlhf.adam_offload": True,
    "openrlhf.gradient_checkpointing": True,
    "openrlhf.attention": "sdpa",
    "openrlhf.experts": "grouped_mm",
    "openrlhf.packing": True,
    "openrlhf.micro_batch_size": 2,
    "openrlhf.max_len": 5000,
    "openrlhf.tis_cap": 2.0,
    "openrlhf.resample_flat_groups": True,
    "openrlhf.keep_checkpoints": 5,
    "openrlhf.request_timeout_s": 1.0,
    "openrlhf.request_retries": 1,
    "openrlhf.request_deadline_s": 1.0,
    "openrlhf.max_failed_share": 0.5,
    "openrlhf.least_samples": 5,
    "openrlhf.max_turns": 5,
    "grpo.loss.baseline": "leave_one_out",
    "grpo.loss.scale": "none",
    "grpo.loss.eps": 0.1,
    "grpo.loss.clip_low": 0.1,
    "grpo.loss.clip_high": 0.1,
    "grpo.loss.reduction": "action",
    "grpo.loss.tis_cap": 2.0,
    "grpo.loss.kl_coef": 0.1,
}
"""Another value for every key that this engine maps."""
ELSEWHERE = {
    "grpo.engine": "chooses the engine",
    "grpo.loss": "its keys one by one",
    "grpo.reprofile": "refused",
    "openrlhf.ray_address": "goes to the process",
    "grpo.loss.temperature": "refused unless it is grpo.temperature",
    "grpo.loss.ratio": "with the reduction it needs, below",
    "grpo.loss.old_logprobs": "refused",
    "grpo.loss.kl": "with its coefficient, above",
    "grpo.loss.length": "of the reduction 'constant', which is refused",
}


def all_resolved(places, *overrides):
    config = load_config(None, ["openrlhf.max_len=2000", "grpo.loss.tis_cap=null", *overrides])
    return flags(config, places, cuda=True), agent_settings(config, server="http://x", format_name="smollm")


def test_every_key_of_the_trainer_is_mapped_or_accounted_for():
    keys = {f"grpo.{name}" for name in GrpoSettings.model_fields}
    keys |= {f"openrlhf.{name}" for name in OpenRlhfSettings.model_fields}
    keys |= {f"grpo.loss.{field.name}" for field in dataclasses.fields(GrpoConfig)}

    assert keys == OTHER.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize("key", [key for key in OTHER if key not in ("grpo.steps", "openrlhf.tis_cap")])
def test_every_mapped_key_reaches_openrlhf_or_the_agent(places, key):
    assert all_resolved(places, f"{key}={OTHER[key]}") != all_resolved(places)


def test_adapters_are_off_unless_asked_for(places):
    assert not any("lora" in name for name in resolved(places))


def test_adapters_everywhere_are_openrlhfs_default(places):
    assert "ds.lora.target_modules" not in resolved(places, "lora.rank=4")


def test_gspo_is_the_geometric_mean_of_an_action(places):
    found = resolved(places, "grpo.loss={ratio: action_mean, reduction: action, tis_cap: null}")

    assert found["actor.policy_loss_type"] == "gspo"


@pytest.mark.parametrize(("steps", "warmup"), [(20, 0), (20, 1), (7, 3), (1000, 10)])
def test_warm_up_has_the_steps_asked_for(places, steps, warmup):
    import math

    ratio = float(resolved(places, f"grpo.steps={steps}", f"grpo.warmup_steps={warmup}")["actor.lr_warmup_ratio"])

    assert math.ceil(steps * ratio) == warmup


def test_without_a_gpu_nothing_asks_for_one(places):
    found = resolved(places, cuda=False)

    assert (found["vllm.sync_backend"], found["ds.attn_implementation"]) == ("gloo", "sdpa")
    assert found["vllm.enforce_eager"] is True


def test_a_checkpoint_is_gone_on_from(places):
    assert "ckpt.load_enable" not in resolved(places)
    (places.checkpoints / "_actor").mkdir(parents=True)
    (places.checkpoints / "_actor" / "latest").write_text("global_step3")

    assert resolved(places)["ckpt.load_enable"] is True


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["grpo.loss.ratio=action"], r"grpo\.loss\.ratio: the engine 'openrlhf' expects 'token' or .* got 'action'"),
        (["grpo.loss.old_logprobs=sampler"], r"grpo\.loss\.old_logprobs: .* expects 'trainer', got 'sampler'"),
        (["grpo.loss.ratio=action_mean"], r"grpo\.loss\.reduction: .* got 'token'"),
        (["grpo.loss={ratio: action_mean, reduction: action}"], r"grpo\.loss\.tis_cap: .* expects null .* got 5\.0"),
        (["grpo.loss.reduction=constant"], r"grpo\.loss\.reduction: .* 'token' or 'action', .* got 'constant'"),
        (["grpo.reprofile={}"], r"grpo\.reprofile: the engine 'openrlhf' expects null"),
        (["grpo.loss.temperature=0.5"], r"grpo\.loss\.temperature: .* expects grpo\.temperature \(1\.0\), got 0\.5"),
        (["grpo.top_p=0.9"], r"grpo\.top_p: .* expects 1\.0, or grpo\.loss\.tis_cap null, got 0\.9"),
        (["dtype=float32"], r"dtype: .* expects 'bfloat16', got 'float32'"),
        (["openrlhf.micro_batch_size=3"], r"openrlhf\.micro_batch_size: .*\(64\) to be a multiple .* got 3 \* 1"),
        (["lora.rank=4", "openrlhf.zero_stage=3"], r"openrlhf\.zero_stage: expected 1 or 2 with lora, got 3"),
        (["openrlhf.colocate=true", "openrlhf.vllm_engines=2"], r"openrlhf\.colocate: .* got 2 \* 1"),
        (["grpo.horizon=episode"], r"openrlhf\.max_len: expected the tokens of a whole episode"),
    ],
)
def test_what_the_engine_cannot_do_is_refused(places, overrides, message):
    with pytest.raises(ConfigError, match=message):
        resolved(places, *overrides)


@pytest.mark.parametrize(
    "override",
    ["packing=true", "adam_offload=true", "vllm_tensor_parallel=2", "attention=flash_attention_2", "nodes=2"],
)
def test_what_needs_a_gpu_is_refused_without_one(places, override):
    with pytest.raises(ConfigError, match=rf"openrlhf\.{override.split('=')[0]}: .* needs CUDA"):
        resolved(places, f"openrlhf.{override}", cuda=False)


def test_the_agent_takes_what_openrlhf_has_no_flag_for():
    overrides = [
        "grpo.loss={baseline: leave_one_out, scale: none, eps: 0.1}",
        "grpo.mask_truncated=true",
        "rule=strict",
    ]

    agent = agent_settings(load_config(None, overrides), server="http://127.0.0.1:1", format_name="qwen")

    assert (agent.baseline, agent.scale, agent.eps) == ("leave_one_out", "none", 0.1)
    assert (agent.mask_truncated, agent.rule, agent.format) == (True, "strict", "qwen")


def test_an_episodes_length_is_its_own(places):
    config = load_config(None, ["grpo.horizon=episode", "openrlhf.max_len=9000"])

    assert max_len(config) == 9000
    assert "rollout.max_new_tokens" not in resolved(places, "grpo.horizon=episode", "openrlhf.max_len=9000")


def test_command_reads_back(places):
    line = ["python", "-m", "x", *flags(load_config(), places, cuda=True)]

    assert shlex.split(command_line(line).replace("\\\n", "")) == line


@pytest.mark.skipif(importlib.util.find_spec("openrlhf") is None, reason="make openrlhf-cpu installs openrlhf")
@pytest.mark.parametrize("cuda", [True, False])
def test_openrlhfs_own_parser_takes_every_flag(places, cuda, real_parser):
    asked = ["grpo.loss.kl_coef=0.1", "openrlhf.resample_flat_groups=true", "lora={targets: [q_proj], dropout: 0.1}"]
    line = flags(load_config(None, asked), places, cuda=cuda)

    known = real_parser.parse_args(line)

    assert isinstance(known, argparse.Namespace)
    assert vars(known)["actor.eps_clip_low_high"] == [0.2, 0.28]
    assert vars(known)["ds.lora.target_modules"] == ["q_proj"]


RECIPES = sorted((Path(__file__).parents[3] / "trainer" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_parse_against_openrlhfs_own_parser(places, real_parser, recipe):
    known = vars(real_parser.parse_args(flags(load_config(recipe), places, cuda=True)))

    ranks = known["actor.num_nodes"] * known["actor.num_gpus_per_node"]
    assert ranks == known["vllm.num_engines"] * known["vllm.tensor_parallel_size"]
    assert known["train.batch_size"] == known["rollout.batch_size"] * known["rollout.n_samples_per_prompt"]


def test_there_are_recipes_for_one_card_one_machine_and_several():
    machines = [load_config(recipe).openrlhf for recipe in RECIPES]

    assert {(known.nodes > 1, known.gpus_per_node > 1) for known in machines} == {
        (False, False),
        (False, True),
        (True, True),
    }
