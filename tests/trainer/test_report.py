import json

import pytest

from pivotgym.core.errors import NotFound
from pivotgym.core.jsonl import write_records
from pivotgym.trainer.evaluation import EvalRow
from pivotgym.trainer.report import build_report


def rows(arm, rewards):
    return [
        EvalRow(
            arm=arm,
            pivot_id=f"t{number}:0",
            pivot_digest="d",
            trajectory_id=f"t{number}",
            executable=number % 2 == 0,
            policy="p",
            temperature=1.0,
            rewards=[reward],
        )
        for number, reward in enumerate(rewards)
    ]


@pytest.fixture
def run(tmp_path):
    low, high = [0.0, 0.0, 1.0, 0.0] * 10, [1.0, 0.0, 1.0, 1.0] * 10
    write_records(tmp_path / "eval.jsonl", [*rows("sft", low), *rows("sft@low", low), *rows("grpo", high)])
    (tmp_path / "stages.jsonl").write_text('{"stage": "sft", "wall_s": 61.2, "cpu_s": 1, "line": "<b>40 turns</b>"}\n')
    return tmp_path


def test_page_shows_rewards_differences_and_their_reading(run):
    page = build_report([run], run).read_text()

    assert "0.250 [" in page
    assert "+0.500 [" in page
    assert "GRPO after SFT: +0.500, the interval is above 0." in page
    assert "So GRPO does more than sharpen here" in page


def test_a_gain_that_only_low_temperature_reaches_too_is_sharpening(run):
    low, high = [0.0, 0.0, 1.0, 0.0] * 10, [1.0, 0.0, 1.0, 1.0] * 10
    arms = [rows("sft", low), rows("sft@low", high), rows("grpo", high), rows("grpo@low", high)]
    write_records(run / "eval.jsonl", [row for arm in arms for row in arm])

    assert "So GRPO is not shown to do more than sharpen here" in build_report([run], run).read_text()


def test_undecided_difference_is_said_to_be_undecided(run):
    flat = [1.0, 0.0] * 10
    write_records(run / "eval.jsonl", [*rows("sft", flat), *rows("grpo", flat[::-1])])

    assert "the interval holds 0: not decided" in build_report([run], run).read_text()


def test_texts_are_escaped(run):
    assert "<b>40 turns</b>" not in build_report([run], run).read_text()


def test_json_holds_the_same_figures(run):
    build_report([run], run)

    report = json.loads((run / "report.json").read_text())
    gain = next(row for row in report["differences"] if row["from"] == "sft" and row["to"] == "grpo")
    assert gain["all"]["mean"] == 0.5
    assert {arm["arm"] for arm in report["arms"]} == {"sft", "sft@low", "grpo"}


def test_seeds_are_pooled(run, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write_records(other / "eval.jsonl", rows("sft", [1.0] * 40))

    build_report([run, other], other)

    (sft,) = [row for row in json.loads((other / "report.json").read_text())["arms"] if row["arm"] == "sft"]
    assert (sft["all"]["mean"], sft["all"]["n"], sft["all"]["clusters"]) == (0.625, 80, 40)


def test_folder_without_evaluation_is_named(tmp_path):
    with pytest.raises(NotFound, match=r"expected .*eval\.jsonl, found none"):
        build_report([tmp_path], tmp_path)
