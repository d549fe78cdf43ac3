"""Runs that somebody wrote to do harm, or that are broken: shown as text, never a 500."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from gateways import HTTP, RunningGateway
from hypothesis import given, settings
from hypothesis import strategies as st
from run_folders import profiled, samples_of, write_run

from pivotgym.core.messages import Action, Message
from pivotgym.core.samples import PivotSamples
from pivotgym.core.trajectory import Verdict

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;</textarea></pre>{{7*7}}{% raw %}"
VIEWS = ("", "/pivots", "/pivots/ID")


def evil_samples(pivot: Any) -> PivotSamples:
    verdict = Verdict(
        reward=0.0, outcome="different", method=EVIL, executed=True, reason=EVIL, evidence={EVIL: {EVIL: [EVIL]}}
    )
    kept = samples_of(pivot)
    first = kept.samples[0].model_copy(update={"action": Action(content=EVIL), "verdict": verdict})
    return kept.model_copy(update={"samples": [first]})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    talk = [Message(role="user", content=EVIL), Message(role="assistant", content=EVIL, reasoning=EVIL)]
    pivot = profiled(0, id="evil:0", messages=talk, reference=Action(content=EVIL), source=EVIL, prefix=[])
    run = write_run(folder / "evil", [pivot])
    (run / "profile.samples.jsonl").write_text(json.dumps(evil_samples(pivot).to_json()) + "\n")
    (run / "stages.jsonl").write_text(json.dumps({"stage": EVIL, "line": EVIL, "wall_s": 1}) + "\n")
    (run / "config.yaml").write_text(json.dumps({"policy": EVIL, "filter": {"rule": EVIL}}))
    (run / "eval.jsonl").write_text(json.dumps({"arm": EVIL, "pivot_id": EVIL, "rewards": [1]}) + "\n")
    return folder


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with RunningGateway("toy=http://127.0.0.1:9", wait=False, runs=root) as running:
        yield running.url


@pytest.mark.parametrize("path", VIEWS)
def test_hostile_text_is_shown_as_text(url: str, path: str) -> None:
    page = HTTP.get(f"{url}/ui/runs/evil{path.replace('ID', 'evil:0')}").text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert re.findall(r"<script[^>]*>", page) == ['<script src="/ui/static/page.js" defer>']
    assert "onerror=alert(1)>" not in page
    assert "{{7*7}}" in page


def test_hostile_text_that_is_typed_is_shown_as_text(url: str) -> None:
    typed = HTTP.post(f"{url}/ui/runs/evil/pivots/evil:0", data={"text": EVIL, "format": EVIL}).text
    sought = HTTP.get(f"{url}/ui/runs/evil/pivots", params={"q": EVIL}).text
    missed = HTTP.get(f"{url}/ui/{EVIL}").text

    assert all("<script>alert" not in page and "&lt;script&gt;" in page for page in (typed, sought, missed))


def test_code_in_a_config_is_not_run(root: Path, url: str) -> None:
    run = write_run(root / "config", [profiled(0)])
    (run / "config.yaml").write_text(f"policy: !!python/object/apply:pathlib.Path.touch ['{root}/touched']\n")

    assert HTTP.get(f"{url}/ui/runs/config").status_code == 200
    assert not (root / "touched").exists()


ODD_TEXT = st.sampled_from(["", "\ud800", "\x00", "a/../b", "..", "é" * 50, EVIL, "x.json"])
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXT, inner, max_size=3),
    max_leaves=5,
)
PIVOT_KEYS = ("id", "domain", "messages", "reference", "tools", "origin", "prefix", "profile", "source", "metadata")
LOG_KEYS = ("step", "reward_mean", "kl", "zero_variance_share", "masked", "loss", "stage", "wall_s", "arm", "rewards")
WHOLE = profiled(0, id="odd:0").to_json()


def odd_lines(keys: tuple[str, ...], base: dict[str, Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    changed = st.dictionaries(st.sampled_from(keys), ODD, max_size=3).map(lambda change: {**base, **change})
    return st.lists(changed, min_size=1, max_size=3)


odd_files = given(odd_lines(PIVOT_KEYS, WHOLE), odd_lines(LOG_KEYS, {"step": 1}), ODD)
Lines = list[dict[str, Any]]


@settings(max_examples=10, deadline=None)
@odd_files
def test_no_file_makes_an_unexpected_failure(root: Path, url: str, pivots: Lines, log: Lines, config: Any) -> None:
    look_at_odd_run(root, url, pivots, log, config)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@odd_files
def test_no_file_makes_an_unexpected_failure_at_length(
    root: Path, url: str, pivots: Lines, log: Lines, config: Any
) -> None:
    look_at_odd_run(root, url, pivots, log, config)


def look_at_odd_run(root: Path, url: str, pivots: Lines, log: Lines, config: Any) -> None:
    run = root / "odd"
    if not run.exists():
        write_run(run, [profiled(0)])
    (run / "profile.jsonl").write_text("".join(json.dumps(pivot) + "\n" for pivot in pivots))
    for name in ("grpo/log.jsonl", "stages.jsonl", "eval.jsonl"):
        (run / name).write_text("".join(json.dumps(line) + "\n" for line in log))
    (run / "config.yaml").write_text(json.dumps({"policy": config, "filter": config}))
    (run / "filter.json").write_text(json.dumps({"dropped": config}))
    for path in VIEWS:
        for ending in ("", ".json"):
            answer = HTTP.get(f"{url}/ui/runs/odd{path.replace('ID', 'odd:0')}{ending}")
            assert answer.status_code in (200, 404, 422), answer.text
    listed = HTTP.get(f"{url}/ui/runs/odd/pivots.json").json()["pivots"]
    for row in listed:
        assert HTTP.get(f"{url}/ui/runs/odd/pivots/{quote(row['id'], safe='')}").status_code in (200, 404, 422)
