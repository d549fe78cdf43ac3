import pytest

from pivotgym.cli.resources import sampling_engine
from pivotgym.core.errors import NotFound
from pivotgym.trainer.config import load_config


def test_auto_takes_the_format_of_the_tokenizers_chat_template(make_policy, tmp_path):
    policy = make_policy()
    policy.tokenizer.chat_template = "{{ '<|start_header_id|>' }}"
    folder = policy.save(tmp_path / "policy")

    assert sampling_engine(load_config(None, ["format=auto", f"policy={folder}"])).format_id == "llama-json/2"


def test_auto_without_any_mark_says_what_to_do(make_policy, tmp_path):
    folder = make_policy().save(tmp_path / "policy")

    with pytest.raises(NotFound, match="expected a model whose format is known"):
        sampling_engine(load_config(None, ["format=auto", f"policy={folder}"]))
