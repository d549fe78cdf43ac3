"""Policies of the real shape and a tiny size, for tests of several folders."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from pivotgym.trainer.policy import Policy


def make_text_policy(seed: int = 0) -> Policy:
    """A byte-level policy with a text format's alphabet; half of its tokens, the bytes above 127, end an action."""
    torch.manual_seed(seed)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    ascii_ids = {raw.token_to_id(raw.pre_tokenizer.pre_tokenize_str(chr(code))[0][0]) for code in range(128)}
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        eos_token_id=sorted(set(range(256)) - ascii_ids),
        pad_token_id=None,
        bos_token_id=None,
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return Policy(model, PreTrainedTokenizerFast(tokenizer_object=raw), "bytes")
