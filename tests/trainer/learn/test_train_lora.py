"""Training adapters: what moves, what stays, what a checkpoint brings back."""

import pytest
import torch
from even_domain import make_pivots

from pivotgym.core.errors import ConfigError, DigestMismatch, InputError
from pivotgym.trainer.learn import Group, GrpoConfig, OptimConfig, PolicyOptimizer, grpo_step
from pivotgym.trainer.learn.checkpoint import load_checkpoint, save_checkpoint
from pivotgym.trainer.policy import Policy, Span, score_tree
from pivotgym.trainer.policy.lora import adapter_parameters, add_adapters
from pivotgym.trainer.settings import GrpoSettings, LoraSettings, SftSettings
from pivotgym.trainer.training import Grpo, read_log, sft

LORA = LoraSettings(rank=4, alpha=8, dropout=0.1)
GROUPS = [Group([3, 4, 5, 6], [[7, 8, 1], [7, 9], [10, 11, 12, 1]], [1.0, 0.0, 0.5])]
GRPO = GrpoSettings(steps=4, pivots_per_step=4, group_size=6, max_new_tokens=12, lr=1e-2, checkpoint_every=2)


class Stopped(Exception):
    pass


def stop_at(step):
    def stop(done, total, metrics):
        if done == step:
            raise Stopped

    return stop


def adapted(policy, settings=LORA):
    add_adapters(policy, settings)
    return policy, PolicyOptimizer(policy, OptimConfig(lr=1e-2))


def trained(policy, steps, **options):
    policy, optimizer = adapted(policy)
    torch.manual_seed(0)
    for _ in range(steps):
        grpo_step(policy, optimizer, GROUPS, GrpoConfig(**options), reference=policy if options else None)
    return policy, optimizer


def test_gradients_reach_the_adapters_alone(tiny_policy):
    policy, _ = adapted(tiny_policy)
    score_tree(policy, [Span([3, 4], 1)]).logprobs.sum().backward()
    reached = {name for name, weight in policy.model.named_parameters() if weight.grad is not None}
    assert reached == adapter_parameters(policy).keys()


def test_only_the_adapters_move(make_policy):
    policy, plain = trained(make_policy(), 2)[0], make_policy()
    before = dict(plain.model.named_parameters())
    after = dict(policy.model.named_parameters())
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(weight.any() for name, weight in after.items() if name.endswith("lora_b"))
    assert policy.fingerprint() != plain.fingerprint()


def test_adam_keeps_averages_of_the_adapters_alone(tiny_policy):
    policy, optimizer = trained(tiny_policy, 1)
    kept = optimizer.state_dict()["adam"]["state"].values()
    assert sum(part["exp_avg"].numel() for part in kept) == sum(
        weight.numel() for weight in adapter_parameters(policy).values()
    )


def test_with_the_adapters_off_the_policy_is_its_own_reference(make_policy):
    own, other, reference = trained(make_policy(), 3)[0], trained(make_policy(), 3)[0], make_policy()
    optimizers = [PolicyOptimizer(policy, OptimConfig(lr=1e-2)) for policy in (own, other)]
    config = GrpoConfig(kl_coef=0.1)
    torch.manual_seed(0)
    first = grpo_step(own, optimizers[0], GROUPS, config, reference=own)
    torch.manual_seed(0)
    second = grpo_step(other, optimizers[1], GROUPS, config, reference=reference)
    assert first["kl"] == second["kl"] > 0
    assert own.fingerprint() == other.fingerprint()


def test_a_policy_without_adapters_is_no_reference_of_its_own(tiny_policy):
    optimizer = PolicyOptimizer(tiny_policy, OptimConfig())
    with pytest.raises(ConfigError, match="reference: expected another policy than the one that trains"):
        grpo_step(tiny_policy, optimizer, GROUPS, GrpoConfig(kl_coef=0.1), reference=tiny_policy)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_two_steps_and_a_resume_equal_four_steps(make_policy, tmp_path, dtype):
    whole, _ = trained(make_policy(dtype=dtype), 4)
    first, optimizer = trained(make_policy(dtype=dtype), 2)
    path = save_checkpoint(tmp_path, first, optimizer, step=2)
    torch.manual_seed(6)
    resumed = load_checkpoint(path, base=make_policy(dtype=dtype))
    for _ in range(2):
        grpo_step(resumed.policy, resumed.optimizer, GROUPS, GrpoConfig())
    assert resumed.policy.fingerprint() == whole.fingerprint()


def test_the_policy_in_a_checkpoint_is_the_merged_one(make_policy, tmp_path):
    policy, optimizer = trained(make_policy(), 1)
    path = save_checkpoint(tmp_path, policy, optimizer, step=1)
    assert Policy.load(path / "policy", dtype="float32").fingerprint() == policy.fingerprint()


def test_a_checkpoint_with_adapters_needs_the_policy_under_them(make_policy, tmp_path):
    path = save_checkpoint(tmp_path, *trained(make_policy(), 1), step=1)
    with pytest.raises(InputError, match=r"base: expected the policy that the adapters in .* were put into, got none"):
        load_checkpoint(path)


def test_another_policy_under_the_adapters_is_refused(make_policy, tmp_path):
    path = save_checkpoint(tmp_path, *trained(make_policy(), 1), step=1)
    with pytest.raises(DigestMismatch, match="got another policy or `lora`"):
        load_checkpoint(path, base=make_policy(1))


def test_grpo_learns_with_adapters(engine, scorer, tmp_path):
    settings = GRPO.model_copy(update={"steps": 20, "group_size": 12, "lr": 2e-2, "checkpoint_every": 20})
    Grpo(make_pivots(8), engine, scorer, tmp_path, settings, lora=LoraSettings(rank=8, alpha=16)).run()
    rewards = [row["reward_mean"] for row in read_log(tmp_path / "log.jsonl")]
    assert rewards[0] < 0.6 < 0.9 < sum(rewards[-5:]) / 5
    assert Policy.load(tmp_path / "policy", dtype="float32").fingerprint() == engine.policy_id


def test_grpo_stopped_at_a_checkpoint_ends_where_the_whole_run_does(scorer, engine, tmp_path, make_engine):
    settings, parted = GRPO.model_copy(update={"loss": {"kl_coef": 0.05}}), make_engine()
    torch.manual_seed(0)
    Grpo(make_pivots(8), engine, scorer, tmp_path / "whole", settings, lora=LORA).run()
    torch.manual_seed(0)
    with pytest.raises(Stopped):
        Grpo(make_pivots(8), parted, scorer, tmp_path / "parted", settings, lora=LORA).run(stop_at(2))

    resumed = Grpo(make_pivots(8), make_engine(), scorer, tmp_path / "parted", settings, lora=LORA)
    assert resumed.step == 2
    resumed.run()

    assert resumed.engine.policy_id == engine.policy_id


@pytest.mark.parametrize(("before", "after"), [(None, LORA), (LORA, None), (LORA, LoraSettings(rank=2))])
def test_a_run_keeps_its_adapters(engine, make_engine, tmp_path, before, after):
    settings = SftSettings(epochs=1, batch_size=4)
    sft(make_pivots(4), engine, tmp_path, settings, lora=before)
    with pytest.raises(DigestMismatch, match="lora"):
        sft(make_pivots(4), make_engine(), tmp_path, settings, lora=after)


def test_sft_lowers_the_loss_with_adapters(engine, tmp_path):
    settings = SftSettings(epochs=8, batch_size=4, lr=2e-2)
    sft(make_pivots(12), engine, tmp_path, settings, lora=LoraSettings(rank=8, alpha=16))
    losses = [row["loss"] for row in read_log(tmp_path / "log.jsonl")]
    assert losses[-1] < losses[0] / 2
