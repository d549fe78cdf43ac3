from collections import Counter

import pytest
from even_domain import make_pivots

from pivotgym.core.errors import ConfigError, InputError, VerifierFailed
from pivotgym.trainer.learn import latest_checkpoint
from pivotgym.trainer.scoring import FailureGuard
from pivotgym.trainer.settings import GrpoSettings, SftSettings
from pivotgym.trainer.training import Grpo, grpo_config, read_log, sft

GRPO = GrpoSettings(steps=4, pivots_per_step=4, group_size=6, max_new_tokens=12, lr=1e-3, checkpoint_every=2)


class Stopped(Exception):
    pass


def stop_at(step):
    def stop(done, total, metrics):
        if done == step:
            raise Stopped

    return stop


def test_grpo_learns(engine, scorer, tmp_path):
    settings = GRPO.model_copy(update={"steps": 40, "group_size": 12, "lr": 3e-3, "checkpoint_every": 40})

    Grpo(make_pivots(8), engine, scorer, tmp_path, settings).run()

    rewards = [row["reward_mean"] for row in read_log(tmp_path / "log.jsonl")]
    assert rewards[0] < 0.6 < 0.9 < sum(rewards[-5:]) / 5


def test_grpo_stopped_at_a_checkpoint_ends_where_the_whole_run_does(scorer, engine, tmp_path, make_engine):
    Grpo(make_pivots(8), engine, scorer, tmp_path / "whole", GRPO).run()
    with pytest.raises(Stopped):
        Grpo(make_pivots(8), make_engine(), scorer, tmp_path / "parted", GRPO).run(stop_at(2))

    resumed = Grpo(make_pivots(8), make_engine(), scorer, tmp_path / "parted", GRPO)
    assert resumed.step == 2
    resumed.run()

    assert resumed.engine.policy_id == engine.policy_id


def test_every_epoch_takes_every_pivot_once(engine, scorer, tmp_path):
    run = Grpo(make_pivots(6), engine, scorer, tmp_path, GRPO)

    seen = Counter(pivot.id for step in range(3) for pivot in run.batch(step))

    assert set(seen.values()) == {2}


def test_masked_samples_are_left_out_and_logged(engine, scorer, tmp_path):
    settings = GRPO.model_copy(update={"steps": 2, "group_size": 24, "max_new_tokens": 40})

    Grpo(make_pivots(8), engine, scorer, tmp_path, settings).run()

    last = read_log(tmp_path / "log.jsonl")[-1]
    assert last["failed_verdicts"] > 0
    assert last["actions"] + last["masked"] == 4 * 24


def test_too_many_failures_stop_the_run_with_a_checkpoint(engine, scorer, tmp_path):
    settings = GRPO.model_copy(update={"group_size": 24, "max_new_tokens": 40})
    run = Grpo(make_pivots(8), engine, scorer, tmp_path, settings)
    run.guard = FailureGuard(max_share=0.0, least=1)

    with pytest.raises(VerifierFailed, match="more than the allowed share"):
        run.run()

    assert latest_checkpoint(tmp_path / "checkpoints") is not None


def test_no_pivot_is_refused(engine, scorer, tmp_path):
    with pytest.raises(InputError, match="pivots: expected at least one, got none"):
        Grpo([], engine, scorer, tmp_path, GRPO)


def test_the_constant_length_is_the_limit_on_new_tokens_unless_given():
    asked = GRPO.model_copy(update={"loss": {"reduction": "constant"}})
    given = GRPO.model_copy(update={"loss": {"reduction": "constant", "length": 99}})

    assert (grpo_config(asked).length, grpo_config(given).length) == (GRPO.max_new_tokens, 99)


def test_unknown_loss_setting_is_named(engine, scorer, tmp_path):
    with pytest.raises(InputError, match=r"loss: .*'clip_hihg'"):
        Grpo(make_pivots(2), engine, scorer, tmp_path, GRPO.model_copy(update={"loss": {"clip_hihg": 1}}))


def test_sft_lowers_the_loss_and_saves_the_policy(engine, tmp_path):
    sft(make_pivots(12), engine, tmp_path, SftSettings(epochs=8, batch_size=4, lr=3e-3))

    losses = [row["loss"] for row in read_log(tmp_path / "log.jsonl")]
    assert losses[-1] < losses[0] / 2
    assert (tmp_path / "policy" / "config.json").is_file()


def test_sft_stopped_at_a_checkpoint_ends_where_the_whole_run_does(engine, make_engine, tmp_path):
    settings = SftSettings(epochs=2, batch_size=4, lr=1e-3, checkpoint_every=2)
    sft(make_pivots(12), engine, tmp_path / "whole", settings)
    with pytest.raises(Stopped):
        sft(make_pivots(12), make_engine(), tmp_path / "parted", settings, on_step=stop_at(4))

    resumed = make_engine()
    sft(make_pivots(12), resumed, tmp_path / "parted", settings)

    assert resumed.policy_id == engine.policy_id


def test_sft_without_states_is_refused(engine, tmp_path):
    with pytest.raises(InputError, match="expected at least one state to train on"):
        sft([], engine, tmp_path, SftSettings())


def test_whole_episodes_are_the_other_engines(engine, scorer, tmp_path):
    settings = GRPO.model_copy(update={"horizon": "episode"})

    with pytest.raises(ConfigError, match=r"grpo\.horizon: the embedded engine trains single actions, got 'episode'"):
        Grpo(make_pivots(2), engine, scorer, tmp_path, settings)
