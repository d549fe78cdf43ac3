"""Supervised fine-tuning on the action alone."""

from itertools import chain

import pytest
import torch

from pivotgym.core.errors import ConfigError, InputError
from pivotgym.trainer.learn import OptimConfig, PolicyOptimizer, SftConfig, SftExample, sft_batches, sft_step, train_sft

GROUPS = [[SftExample([number, 40 + number], [60, 61 + number, 1])] for number in range(2, 8)]


def test_the_loss_is_the_mean_over_action_tokens(tiny_policy):
    batch = [SftExample([3, 4], [5, 1]), SftExample([6], [7])]
    expected = -sum(sum(tiny_policy.score(example.state_ids, [example.action_ids])[0]) for example in batch) / 3
    metrics = sft_step(tiny_policy, PolicyOptimizer(tiny_policy, OptimConfig()), [[example] for example in batch])
    assert (metrics["loss"], metrics["tokens"]) == (pytest.approx(expected, abs=1e-5), 3.0)


def test_turns_of_a_trajectory_in_one_row_train_like_turns_apart(make_policy):
    turns = [SftExample([3, 4], [5, 1]), SftExample([3, 4, 5, 1, 9, 9], [7, 1])]
    together, apart = make_policy(), make_policy()

    one = sft_step(together, PolicyOptimizer(together, OptimConfig(lr=1e-3)), [turns])
    two = sft_step(apart, PolicyOptimizer(apart, OptimConfig(lr=1e-3)), [[turn] for turn in turns])

    assert one["loss"] == pytest.approx(two["loss"], abs=1e-5)
    assert one["grad_norm"] == pytest.approx(two["grad_norm"], abs=1e-4)


def test_training_lowers_the_loss(tiny_policy):
    losses = []
    train_sft(
        tiny_policy,
        PolicyOptimizer(tiny_policy, OptimConfig(lr=3e-3)),
        GROUPS,
        SftConfig(epochs=15, batch_size=3),
        on_step=lambda done, total, metrics: losses.append(metrics["loss"]),
    )
    assert losses[-1] < losses[0] / 3


def test_every_epoch_takes_every_example_once():
    batches = sft_batches([1] * 7, SftConfig(epochs=2, batch_size=3))
    assert [len(batch) for batch in batches] == [3, 3, 1, 3, 3, 1]
    assert sorted(chain(*batches[:3])) == sorted(chain(*batches[3:])) == list(range(7))


def test_the_order_is_the_seed_s():
    first, again, other = (sft_batches([1] * 20, SftConfig(seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_a_group_is_never_split():
    batches = sft_batches([5, 1, 4, 2], SftConfig(epochs=1, batch_size=3))
    assert sorted(chain(*batches)) == [0, 1, 2, 3]


def test_a_resumed_run_ends_where_the_whole_one_does(make_policy):
    config = SftConfig(epochs=2, batch_size=3)
    whole, parted = make_policy(), make_policy()
    train_sft(whole, PolicyOptimizer(whole, OptimConfig(lr=1e-3)), GROUPS, config)
    optimizer = PolicyOptimizer(parted, OptimConfig(lr=1e-3))

    class Killed(Exception):
        pass

    def kill(done, total, metrics):
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        train_sft(parted, optimizer, GROUPS, config, on_step=kill)
    train_sft(parted, optimizer, GROUPS, config, start_step=2)
    assert parted.fingerprint() == whole.fingerprint()


def test_nothing_left_to_do_changes_nothing(tiny_policy):
    before = tiny_policy.fingerprint()
    metrics = train_sft(
        tiny_policy, PolicyOptimizer(tiny_policy, OptimConfig()), GROUPS, SftConfig(epochs=1), start_step=1
    )
    assert (metrics, tiny_policy.fingerprint()) == ({}, before)


def test_the_embeddings_can_train_too(make_policy):
    policy = make_policy()
    before = policy.head.detach().clone()
    sft_step(policy, PolicyOptimizer(policy, OptimConfig(lr=1e-3, train_embeddings=True)), GROUPS)
    assert not torch.equal(policy.head, before)


def test_an_empty_batch_is_refused(tiny_policy):
    with pytest.raises(InputError, match="batch must hold at least one group, got none"):
        sft_step(tiny_policy, PolicyOptimizer(tiny_policy, OptimConfig()), [])


def test_no_epoch_is_refused():
    with pytest.raises(ConfigError, match="epochs and batch_size must be at least 1, got 0 and 8"):
        SftConfig(epochs=0)
