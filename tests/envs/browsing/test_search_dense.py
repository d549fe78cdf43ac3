"""Dense retrieval beside BM25, by a small encoder with drawn weights in which two words mean the same."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.cli.main import run_app
from pivotgym.core.errors import ConfigError, MissingDependency
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin, Pivot
from pivotgym.envs.base import sources
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.browsing import domain
from pivotgym.envs.browsing.search import dense
from pivotgym.envs.browsing.search.dense import DenseIndex, Encoder, joined
from pivotgym.envs.browsing.search.index import Corpus, build
from pivotgym.envs.browsing.search.pages import Page

torch = pytest.importorskip("torch")
NOUNS = ["river", "town", "ship", "book", "comet", "lighthouse"]
WORDS = ["[PAD]", "[UNK]", "the", "a", "of", "in", "on", "was", "built", "car", "automobile", *NOUNS]
TEXTS = [f"the {one} of a {other}" for one in NOUNS for other in NOUNS]
PAGES = [
    Page(f"https://a.example/{number}", "", text) for number, text in enumerate([*TEXTS, "the automobile was built"])
]
SYNONYM = f"https://a.example/{len(TEXTS)}"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("model")
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    encoder = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        known = encoder.embeddings.word_embeddings.weight
        known.normal_()
        known[WORDS.index("automobile")] = known[WORDS.index("car")]
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    encoder.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "index"
    build(PAGES, folder, name="things", encoder=Encoder(model))
    return folder


def test_a_page_in_other_words_is_found_beside_those_of_bm25(corpus, tmp_path):
    build(PAGES, tmp_path / "words", name="things")
    assert Corpus(tmp_path / "words").search("the car was built")[0].page.url == SYNONYM
    assert Corpus(tmp_path / "words").search("car") == ()
    assert Corpus(corpus).search("car")[0].page.url == SYNONYM


def test_what_both_rankings_have_is_first(corpus):
    assert Corpus(corpus).search("the river of a ship")[0].page.text == "the river of a ship"


def test_pages_are_found_by_their_address_too(corpus):
    assert Corpus(corpus).page("https://a.example/3").text == TEXTS[3]


def test_a_query_without_words_finds_nothing(corpus):
    assert Corpus(corpus).search("?!") == ()


def test_two_builds_are_equal_and_the_encoder_is_part_of_the_digest(model, corpus, tmp_path):
    again = build(PAGES, tmp_path / "again", name="things", encoder=Encoder(model))
    assert again == Corpus(corpus).about
    assert (tmp_path / "again" / dense.VECTORS).read_bytes() == (corpus / dense.VECTORS).read_bytes()
    assert build(PAGES, tmp_path / "words", name="things").digest != again.digest


def test_search_is_exact_over_all_blocks(corpus, monkeypatch):
    monkeypatch.setattr(dense, "_BLOCK", 7)
    vectors = np.fromfile(corpus / dense.VECTORS, dtype="<f4").reshape(len(PAGES), -1)
    near = np.round(vectors @ Encoder(corpus / dense.MODEL).encode(["the town of a car"])[0], 5)
    due = sorted(range(len(PAGES)), key=lambda number: (-near[number], number))[:10]
    assert DenseIndex(corpus, len(PAGES)).search("the town of a car", 10) == due


def test_vectors_have_the_length_one_whatever_stands_beside(model):
    encoder = Encoder(model)
    alone, among = encoder.encode(["the river"]), encoder.encode(["the river", "a ship in a town on the river"])
    assert np.allclose(np.linalg.norm(among, axis=1), 1, atol=1e-5)
    assert np.allclose(alone[0], among[0], atol=1e-5)


def test_a_query_in_other_words_is_equivalent_where_the_encoder_knows_them(corpus, tmp_path):
    assert _verified(corpus, "car", "automobile").reward == 1
    assert _verified(corpus, "car", "lighthouse").reward == 0
    build(PAGES, tmp_path / "words", name="things")
    assert _verified(tmp_path / "words", "car", "automobile").reward == 0


def _verified(folder, expert, candidate):
    def search(query):
        return Action.model_validate({"tool_calls": [{"name": "search", "arguments": {"query": query}}]})

    sources.configure({"corpus": folder})
    runtime, origin = Runtime(domain()), Origin.model_validate({"kind": "corpus", "corpus": "things"})
    try:
        pivot = Pivot(id="run:0", domain="browsing", messages=[], reference=search(expert), origin=origin)
        return runtime.verify(pivot, search(candidate))
    finally:
        runtime.close()
        sources.forget("corpus")


def test_vectors_that_are_cut_are_told(corpus, model, tmp_path):
    build(PAGES, tmp_path / "cut", name="things", encoder=Encoder(model))
    file = tmp_path / "cut" / dense.VECTORS
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(ConfigError, match="bytes of vectors"):
        Corpus(tmp_path / "cut")


def test_a_folder_without_an_encoder_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"found no config\.json"):
        Encoder(tmp_path)


def test_an_encoder_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ConfigError, match="cannot be read"):
        Encoder(tmp_path)


def test_without_transformers_the_hint_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependency, match="not installed") as told:
        Encoder(tmp_path)
    assert "pivotgym[train]" in told.value.hint


def test_the_command_builds_both(model, tmp_path, capsys):
    (tmp_path / "pages.jsonl").write_text('{"url": "https://a.example/", "text": "the automobile was built"}\n')
    built = str(tmp_path / "built")
    assert run_app(["corpus", "build", str(tmp_path / "pages.jsonl"), "-o", built, "--dense", str(model)]) == 0
    assert run_app(["corpus", "search", built, "car", "--json"]) == 0
    assert '"url": "https://a.example/"' in capsys.readouterr().out


RANKING = st.lists(st.integers(0, 20), unique=True, max_size=12)


@given(RANKING, RANKING)
def test_the_joint_ranking_has_each_page_once_and_no_order_of_the_two(one, other):
    found = joined([one, other])
    assert found == joined([other, one])
    assert {number for _, number in found} == {*one, *other}
    assert len(found) == len({*one, *other})


@given(RANKING)
def test_two_equal_rankings_keep_their_order(ranking):
    assert [number for _, number in joined([ranking, ranking])] == ranking
