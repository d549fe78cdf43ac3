import json

import pytest
from transformers import LlamaConfig

from pivotgym.cli.main import run_app
from pivotgym.core import Action, Message, Pivot
from pivotgym.core.jsonl import write_records


@pytest.fixture
def pivots(tmp_path):
    path = tmp_path / "pivots.jsonl"
    question = Message(role="user", content="?")
    write_records(
        path,
        [
            Pivot(id=f"t{n}:0", domain="tool_use", messages=[question], reference=Action(content="yes"))
            for n in range(3)
        ],
    )
    return path


@pytest.fixture
def train(tmp_path, pivots):
    """`pivotgym train` with the given options; a policy folder that nobody loads."""
    LlamaConfig().save_pretrained(tmp_path / "policy")

    def go(*options, files=(pivots,)):
        where = ["--out", str(tmp_path / "out"), "--policy", str(tmp_path / "policy")]
        return run_app(["train", *map(str, files), *where, *options])

    return go


def test_dry_run_prints_the_whole_command_and_starts_nothing(train, tmp_path, capsys):
    assert train("--engine", "openrlhf", "--dry-run", "--set", "grpo.lr=3e-6") == 0

    shown = capsys.readouterr().out
    assert "--actor.adam.lr 3e-06" in shown
    assert "-m pivotgym.trainer.openrlhf.launch" in shown
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["config.yaml", "openrlhf"]
    rows = (tmp_path / "out" / "openrlhf" / "rows.jsonl").read_text().splitlines()
    assert {json.loads(row)["input"] for row in rows} == {"t0:0", "t1:0", "t2:0"}


def test_whole_tasks_by_name(train, tmp_path, capsys):
    episode = ["--set", "grpo.horizon=episode", "--set", "openrlhf.max_len=4096"]

    assert train("--engine", "openrlhf", "--dry-run", *episode, "--task", "retail-1", files=()) == 0

    row = json.loads((tmp_path / "out" / "openrlhf" / "rows.jsonl").read_text().splitlines()[0])
    assert json.loads(row["label"]) == {"kind": "task", "id": "retail-1", "place": 0}
    assert '"horizon":"episode"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dry-run"], "expected with the engine 'openrlhf', got 'embedded'"),
        (["--engine", "embeded"], "grpo.engine: Input should be 'embedded' or 'openrlhf'"),
        (["--engine", "openrlhf", "--task", "x"], "expected files of pivots and no --task, got 3 pivots and 1 tasks"),
        (["--engine", "openrlhf", "--set", "openrlhf.ray_address=head:6379"], "server that the cluster reaches"),
        (["--engine", "openrlhf", "--dry-run", "--set", "dtype=float32"], "expects 'bfloat16', got 'float32'"),
    ],
)
def test_what_cannot_be_run_is_exit_code_3_with_a_fix(train, options, message, capsys):
    assert train(*options) == 3
    assert message in " ".join(capsys.readouterr().err.split())
