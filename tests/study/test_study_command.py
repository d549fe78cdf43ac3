"""`pivotgym bench study`: what it refuses before anything runs."""

import pytest

from pivotgym.cli.main import run_app


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--arms", "grpo", "arms: expected some of"),
        ("--domains", "swe", "domains: expected some of"),
        ("--config", "wrong.yaml", "expected a mapping, got str"),
    ],
)
def test_a_wrong_option_is_named(tmp_path, monkeypatch, capsys, option, value, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text("no mapping")

    code = run_app(["bench", "study", "out", option, value])

    told = capsys.readouterr()
    assert code != 0
    assert message in " ".join((told.out + told.err).split())
    assert not (tmp_path / "out").exists()
