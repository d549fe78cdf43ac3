"""A policy of the real shape and a tiny size: a Llama of two layers, grouped-query attention and tied embeddings."""

import sys
from pathlib import Path

import pytest
import torch
from tiny_policies import make_text_policy
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from pivotgym.core.formats import get_format
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.trainer.engine import LocalEngine
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.scoring import ClientScorer

sys.path.insert(0, str(Path(__file__).parent))

from even_domain import EvenDomain, make_pivots

VOCABULARY = 128


def make_tiny_policy(seed: int = 0, dtype: torch.dtype = torch.float32, context: int = 256) -> Policy:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        initializer_range=0.3,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=None,
    )
    words = {"<pad>": 0, "<eos>": 1} | {f"w{number}": number for number in range(2, VOCABULARY)}
    raw = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>", pad_token="<pad>")
    return Policy(AutoModelForCausalLM.from_config(config, dtype=dtype), tokenizer, "tiny")


@pytest.fixture
def make_policy():
    return make_tiny_policy


@pytest.fixture
def tiny_policy() -> Policy:
    return make_tiny_policy()


@pytest.fixture(scope="session")
def shared_policy() -> Policy:
    """For tests that change nothing but gradients."""
    return make_tiny_policy()


@pytest.fixture
def engine() -> LocalEngine:
    return LocalEngine(make_text_policy(), get_format("smollm"))


@pytest.fixture(scope="session")
def even_server():
    with BackgroundServer(EvenDomain()) as server:
        yield server


@pytest.fixture
def scorer(even_server):
    with Client(even_server.url) as client:
        client.add_pivots(make_pivots(12))
        yield ClientScorer(client)


@pytest.fixture
def make_engine():
    """Makes engines with the same weights as `engine`."""
    return lambda: LocalEngine(make_text_policy(), get_format("smollm"))
