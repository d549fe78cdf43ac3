"""A policy that all engines can run: byte-level, two layers, heads of a size that vLLM knows.

Half of its tokens, the bytes above 127, end an action, so that a random policy writes short ones.
"""

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, PreTrainedTokenizerFast

END = 256


def save_tiny_policy(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    ascii_ids = {raw.token_to_id(raw.pre_tokenizer.pre_tokenize_str(chr(code))[0][0]) for code in range(128)}
    raw.add_special_tokens([AddedToken("<|im_end|>", special=True)])
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        tie_word_embeddings=False,
        eos_token_id=END,
        pad_token_id=END,
        bos_token_id=None,
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    ends = [*sorted(set(range(256)) - ascii_ids), *range(END, 320)]
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=END)
    model.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|im_end|>")
    tokenizer.save_pretrained(folder)
    return folder
