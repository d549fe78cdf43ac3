"""The compact policy: loads like any other, is the same for the same seed, and is made once."""

import json
from itertools import islice

import pytest

from pivotgym.core.errors import ConfigError
from pivotgym.core.trajectory import Sampling
from pivotgym.study.base import BaseSettings, base_policy, corpus
from pivotgym.study.domains import study_domain
from pivotgym.study.text import names, study_format
from pivotgym.trainer.engine import LocalEngine, Query
from pivotgym.trainer.policy import Policy

TINY = BaseSettings(episodes=12, vocabulary=400, hidden=16, layers=1, heads=2, steps=3, rows=2)
SHOP = study_domain("tool_use")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return base_policy([SHOP], tmp_path_factory.mktemp("base"), TINY)


@pytest.fixture(scope="module")
def policy(base):
    return Policy.load(base, dtype="float32")


def test_it_acts_in_the_studys_format(policy):
    task = SHOP.tasks("eval")[0]
    engine = LocalEngine(policy, study_format())
    (sampled,) = engine.sample([Query("a", task.messages, task.tools, (1.0, 1.0))], Sampling(max_new_tokens=4))
    assert len(sampled) == 2
    assert all(one.token_ids for one in sampled)


def test_the_same_seed_makes_the_same_policy(policy, tmp_path):
    again = Policy.load(base_policy([SHOP], tmp_path, TINY), dtype="float32")
    assert again.fingerprint() == policy.fingerprint()


def test_another_seed_makes_another_policy(policy, tmp_path):
    settings = TINY.model_copy(update={"seed": 1})
    other = Policy.load(base_policy([SHOP], tmp_path, settings), dtype="float32")
    assert other.fingerprint() != policy.fingerprint()


def test_it_is_made_once(base):
    steps = []
    assert base_policy([SHOP], base.parent, TINY, on_step=lambda *step: steps.append(step)) == base
    assert not steps


def test_one_whose_making_was_cut_short_is_made_again(tmp_path):
    first = base_policy([SHOP], tmp_path, TINY)
    (first / "base.json").unlink()
    steps = []
    assert base_policy([SHOP], tmp_path, TINY, on_step=lambda *step: steps.append(step[:2])) == first
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_the_folder_says_what_it_was_made_of(base):
    assert json.loads((base / "base.json").read_text()) == {"domains": ["tool_use"], **TINY.model_dump()}


def test_a_name_is_one_token_wherever_it_stands(policy):
    for name in names("eval"):
        tokens = policy.tokenizer.tokenize(f"mv ./{name} '{name}'; {name}s")
        assert tokens.count(name) == 2


def test_a_signature_is_one_token(policy):
    assert policy.tokenizer.tokenize("ship(order: int, city: str): ") == ["ship(order: int, city: str): "]


def test_text_is_read_back_as_it_was(policy):
    text = "Ein Süßwasser-Fluß: 42 'bako' <|im_end|>\n"
    assert policy.tokenizer.decode(policy.tokenizer(text)["input_ids"]) == text


def test_the_corpus_holds_plain_text_in_its_share():
    texts = corpus([SHOP], TINY.model_copy(update={"episodes": 30, "plain_share": 0.25}))
    assert len(texts) == 40
    assert sum("<|im_start|>" not in text for text in texts) == 10
    assert set(texts) >= set(islice(SHOP.text(0), 30))


def test_a_width_that_heads_cannot_share_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"hidden: expected a multiple of twice the heads \(8\), got 20"):
        base_policy([SHOP], tmp_path, TINY.model_copy(update={"hidden": 20, "heads": 4}))
