"""The command line's training stage: the configuration's adapters and renewals reach the run."""

import pytest
from even_domain import make_pivots
from tiny_policies import make_text_policy

from pivotgym.cli.steps import train_to
from pivotgym.core.jsonl import write_records
from pivotgym.servers.client import Client
from pivotgym.trainer.config import load_config
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.policy.lora import LoraLinear
from pivotgym.trainer.training import read_log

RUN = ["dtype=float32", "grpo={steps: 3, pivots_per_step: 4, group_size: 6, max_new_tokens: 6, lr: 1e-2}"]


@pytest.fixture
def start(tmp_path):
    return make_text_policy().save(tmp_path / "start")


def test_adapters_and_renewals_of_a_configuration(even_server, tmp_path, start, capsys):
    write_records(tmp_path / "candidates.jsonl", make_pivots(6))
    renewing = f"grpo.reprofile={{mean_above: 0.0, window: 2, at_most: 1, candidates: {tmp_path}/candidates.jsonl}}"
    more = ["lora.rank=4", "grpo.loss.kl_coef=0.1", "profile={k: 4, max_new_tokens: 6}", "filter.rule=keep_all"]
    config = load_config(None, [*RUN, renewing, *more])

    with Client(even_server.url) as client:
        train_to(tmp_path / "out", make_pivots(4), start, client, config)

    assert [row["pivots"] for row in read_log(tmp_path / "out" / "log.jsonl")] == [4, 4, 6]
    assert "re-profiled after step 2: mean group reward" in capsys.readouterr().out
    trained = Policy.load(tmp_path / "out" / "policy", dtype="float32")
    assert trained.fingerprint() != Policy.load(start, dtype="float32").fingerprint()
    assert not any(isinstance(part, LoraLinear) for part in trained.model.modules())
