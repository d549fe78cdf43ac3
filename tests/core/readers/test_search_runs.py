"""Recorded search runs: their origin and their evidence."""

import json

from pivotgym.core.readers.chat import read_chat

RESULTS = """A Google search for 'a' found 2 results:

## Web Results
1. [Towns of the Wend](https://a.example/wend_(river))

Barwick and Calmere.

2. [Calmere](https://a.example/calmere)

A town.
3. [Other](https://a.example/other)

Nothing."""


def said(name, arguments, text=""):
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "content": text, "tool_calls": [{"id": "c", "type": "function", "function": function}]}


ROW = {
    "id": "run-1", "domain": "browsing", "env": "web search (search/visit)", "gold_answer": [["Barwick"]],
    "messages": [
        {"role": "user", "content": "Which town?"},
        said("search", {"query": ["a"]}),
        {"role": "tool", "tool_call_id": "c", "content": RESULTS},
        said("visit", {"url": ["https://a.example/calmere"], "goal": "g"}),
        {"role": "tool", "tool_call_id": "c", "content": "A town."},
        {"role": "assistant", "content": "<answer>Barwick</answer>"},
    ],
}  # fmt: skip


def read(tmp_path, row):
    (tmp_path / "runs.jsonl").write_text(json.dumps(row) + "\n")
    [run] = read_chat(tmp_path / "runs.jsonl")
    return run


def test_evidence_is_what_is_visited_later_or_holds_the_answer(tmp_path):
    run = read(tmp_path, ROW)
    pages = ["https://a.example/wend_(river)", "https://a.example/calmere"]
    assert run.accepted == {"0": {"pages": pages}, "2": {"answers": ["Barwick"]}}


def test_the_corpus_beside_the_file_is_the_origin(tmp_path):
    assert read(tmp_path, ROW).origin.kind == "none"
    (tmp_path / "search_corpus.jsonl").write_text("")
    origin = {"kind": "corpus", "corpus": "search_corpus.jsonl", "recorded": "elsewhere"}
    assert read(tmp_path, ROW).origin.model_dump() == origin


def test_what_a_row_says_itself_stays(tmp_path):
    run = read(tmp_path, {**ROW, "origin": {"kind": "answer", "question": "q"}, "accepted": {"0": {"pages": []}}})
    assert (run.origin.kind, run.accepted) == ("answer", {"0": {"pages": []}})
