"""Adapters: fresh ones change nothing, trained ones can be merged or switched off."""

import pytest
import torch
from pydantic import ValidationError

from pivotgym.core.errors import ConfigError, InputError
from pivotgym.trainer.policy import Policy, SamplingParams, StateRequest, sample
from pivotgym.trainer.policy.lora import (
    LoraLinear,
    adapter_parameters,
    adapters_off,
    add_adapters,
    load_adapters,
    merged_weights,
)
from pivotgym.trainer.settings import LoraSettings

STATE, ACTIONS = [3, 4, 5, 6], [[7, 8, 1], [7, 9], [10, 11, 12, 1]]
LORA = LoraSettings(rank=4, alpha=8)


def with_adapters(policy, settings=LORA, seed=0):
    """A policy whose adapters say something."""
    add_adapters(policy, settings, seed=seed)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in adapter_parameters(policy).items():
            if name.endswith("lora_b"):
                weight.normal_(std=0.05)
    return policy


def scores(policy):
    return torch.tensor([value for action in policy.score(STATE, ACTIONS) for value in action])


def test_fresh_adapters_change_nothing(make_policy):
    plain, adapted = make_policy(), make_policy()
    add_adapters(adapted, LORA)
    assert torch.equal(scores(adapted), scores(plain))
    assert adapted.fingerprint() == plain.fingerprint() == adapted.base_id


def test_an_adapter_adds_its_product_of_matrices(make_policy):
    policy = with_adapters(make_policy())
    layer = policy.model.get_submodule("model.layers.0.mlp.up_proj")
    x = torch.randn(2, 3, layer.in_features)
    expected = x @ layer.weight.T + x @ layer.lora_a.T @ layer.lora_b.T * (8 / 4)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_merged_weights_compute_the_same(make_policy, tmp_path, dtype, tolerance):
    policy = with_adapters(make_policy(dtype=dtype))
    policy.save(tmp_path / "merged")
    merged = Policy.load(tmp_path / "merged", dtype=str(dtype).removeprefix("torch."))
    assert (scores(policy) - scores(make_policy(dtype=dtype))).abs().max() > 5 * tolerance
    torch.testing.assert_close(scores(merged), scores(policy), atol=tolerance, rtol=0)


def test_what_is_saved_is_a_plain_model_of_the_same_fingerprint(make_policy, tmp_path):
    policy = with_adapters(make_policy())
    policy.save(tmp_path / "merged")
    merged = Policy.load(tmp_path / "merged", dtype="float32")
    assert merged.fingerprint() == policy.fingerprint() != policy.base_id
    assert not any("lora" in name for name in merged.model.state_dict())


def test_saving_leaves_the_adapters_as_they_were(make_policy, tmp_path):
    policy = with_adapters(make_policy())
    before = scores(policy)
    policy.save(tmp_path / "merged")
    assert torch.equal(scores(policy), before)


def test_switched_off_the_policy_is_what_it_was(make_policy):
    policy, before = with_adapters(make_policy()), scores(make_policy())
    changed = scores(policy)
    with adapters_off(policy):
        assert torch.equal(scores(policy), before)
    assert torch.equal(scores(policy), changed)


def test_the_sampler_has_the_adapters(make_policy):
    policy = with_adapters(make_policy())
    params = SamplingParams(max_new_tokens=6, stop_token_ids=(1,))
    drawn = sample(policy, [StateRequest("a", tuple(STATE), (1.0,) * 4)], params, seed=0)[0]
    again = policy.score(STATE, [item.token_ids for item in drawn])
    assert [value for item in drawn for value in item.logprobs] == pytest.approx(
        [value for part in again for value in part], abs=1e-4
    )


def test_named_layers_alone_get_adapters(tiny_policy):
    add_adapters(tiny_policy, LoraSettings(rank=2, targets=("q_proj", "v_proj")))
    found = {
        name.rpartition(".")[2] for name, part in tiny_policy.model.named_modules() if isinstance(part, LoraLinear)
    }
    assert found == {"q_proj", "v_proj"}


def test_the_output_head_gets_none(make_policy):
    policy = make_policy()
    add_adapters(policy, LORA)
    assert not isinstance(policy.model.get_output_embeddings(), LoraLinear)
    assert len(adapter_parameters(policy)) == 2 * 7 * 2


def test_the_seed_fixes_the_draw(make_policy):
    first, same, other = (make_policy() for _ in range(3))
    for policy, seed in ((first, 0), (same, 0), (other, 1)):
        add_adapters(policy, LORA, seed=seed)
    name = "model.layers.0.self_attn.q_proj.lora_a"
    drawn = [adapter_parameters(policy)[name] for policy in (first, same, other)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_dropout_is_there_with_gradients_only(make_policy):
    policy = with_adapters(make_policy(), LoraSettings(rank=4, alpha=8, dropout=0.5))
    layer, x = policy.model.get_submodule("model.layers.0.mlp.up_proj"), torch.ones(1, 32)
    assert not torch.equal(layer(x), layer(x))
    with torch.no_grad():
        assert torch.equal(layer(x), layer(x))


def test_merged_names_are_those_of_a_plain_model(make_policy):
    policy, plain = with_adapters(make_policy()), make_policy()
    assert {name: w.shape for name, w in merged_weights(policy)} == {
        name: w.shape for name, w in plain.model.state_dict().items()
    }


def test_adapters_come_back(make_policy):
    trained, fresh = with_adapters(make_policy()), make_policy()
    add_adapters(fresh, LORA)
    load_adapters(fresh, dict(adapter_parameters(trained)))
    assert fresh.fingerprint() == trained.fingerprint()


def test_adapters_of_other_layers_are_refused(make_policy):
    trained, fresh = with_adapters(make_policy()), make_policy()
    add_adapters(fresh, LoraSettings(targets=("q_proj",)))
    with pytest.raises(InputError, match=r"adapters: expected those of 4 matrices, got 28; .* differs"):
        load_adapters(fresh, dict(adapter_parameters(trained)))


def test_a_second_set_is_refused(tiny_policy):
    add_adapters(tiny_policy, LORA)
    with pytest.raises(ConfigError, match="expected a policy without adapters, got one of rank 4"):
        add_adapters(tiny_policy, LORA)


def test_an_unknown_layer_is_named(tiny_policy):
    with pytest.raises(ConfigError, match=r"lora\.targets: .* among \['down_proj', .*'v_proj'\], got 'qkv'"):
        add_adapters(tiny_policy, LoraSettings(targets=("q_proj", "qkv")))


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"alpha": 0}, {"dropout": 1.0}, {"targets": []}, {"ranks": 4}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        LoraSettings(**wrong)
