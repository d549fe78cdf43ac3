"""A PEFT model is sent and saved as the plain model that PEFT itself would merge it to."""

import copy

import pytest
import torch
from tiny import save_tiny_policy
from transformers import AutoModelForCausalLM

peft = pytest.importorskip("peft", reason="make openrlhf-cpu installs peft")

from pivotgym.trainer.openrlhf.adapters import Plain  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_policy(tmp_path_factory.mktemp("policy") / "tiny")


@pytest.fixture
def adapted(folder):
    """In fp32, with adapters that say something."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear")
    made = peft.get_peft_model(model, config)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    return made


def test_names_are_those_of_the_plain_model(adapted, folder):
    plain = AutoModelForCausalLM.from_pretrained(folder)

    shown = {name: weight.shape for name, weight in Plain(adapted).named_parameters()}

    assert shown == {name: weight.shape for name, weight in plain.named_parameters()}


def test_weights_are_those_that_peft_merges_to(adapted):
    merged = dict(copy.deepcopy(adapted).merge_and_unload().named_parameters())

    for name, weight in Plain(adapted).named_parameters():
        torch.testing.assert_close(weight.data, merged[name].data, atol=1e-6, rtol=1e-6)


def test_looking_changes_nothing(adapted):
    before = copy.deepcopy(adapted.state_dict())
    for _, weight in Plain(adapted).named_parameters():
        weight.data.zero_() if weight._layer is not None else weight.data

    assert all(torch.equal(value, before[name]) for name, value in adapted.state_dict().items())


def test_what_is_saved_computes_what_the_adapters_do(adapted, tmp_path):
    Plain(adapted).save(str(tmp_path))

    ids = torch.arange(12)[None]
    alone = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    torch.testing.assert_close(alone(ids).logits, adapted(ids).logits, atol=1e-4, rtol=1e-4)
