import json

import pytest

from pivotgym.cli.main import run_app
from pivotgym.cli.ui import complain
from pivotgym.core import Action, Message, Pivot, Profile, Sampling
from pivotgym.core.jsonl import read_records, write_records


def make_pivot(number, rewards=(1.0, 0.0, 0.0)):
    pivot = Pivot(
        id=f"t{number}:0",
        domain="tool_use",
        messages=[Message(role="user", content=f"question {number}")],
        reference=Action(content="yes"),
    )
    profile = Profile(pivot_digest=pivot.digest, rewards=rewards, policy="p", format="smollm/1", sampling=Sampling())
    return pivot.with_profile(profile)


@pytest.fixture
def profiled(tmp_path):
    path = tmp_path / "profiled.jsonl"
    write_records(path, [make_pivot(0), make_pivot(1, (1.0, 1.0, 1.0)), make_pivot(2, (0.0, 0.0, 0.0))])
    return path


def test_help_teaches_the_way(capsys):
    assert run_app(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "extract -> profile -> filter -> sft -> train -> evaluate -> report" in shown


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "check",
        "new",
        "fetch",
        "extract",
        "convert",
        "profile",
        "filter",
        "sft",
        "train",
        "evaluate",
        "report",
        "verify",
        "demo",
        "config",
    ],
)
def test_every_command_explains_itself(command, capsys):
    assert run_app([command, "--help"]) == 0
    assert len(capsys.readouterr().out) > 300


def test_filter_keeps_pivots_and_says_what_it_dropped(profiled, tmp_path, capsys):
    code = run_app(["filter", str(profiled), "--out", str(tmp_path / "pivots.jsonl")])

    assert code == 0
    assert [pivot.id for pivot in read_records(tmp_path / "pivots.jsonl", Pivot)] == ["t0:0"]
    assert "dropped 1: all failed (variance 0)" in capsys.readouterr().out


def test_resolved_config_is_saved_beside_the_output(profiled, tmp_path):
    run_app(["filter", str(profiled), "-o", str(tmp_path / "pivots.jsonl"), "--set", "filter.lambda_diff=0.9"])

    assert "lambda_diff: 0.9" in (tmp_path / "pivots.config.yaml").read_text()


def test_config_prints_every_section(capsys):
    assert run_app(["config", "--set", "grpo.steps=7"]) == 0
    shown = capsys.readouterr().out
    assert "steps: 7" in shown
    assert all(f"\n{section}:" in shown for section in ("profile", "filter", "sft", "grpo", "evaluate"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["filter", "none.jsonl", "-o", "x.jsonl"], "found none at none.jsonl"),
        (["config", "--set", "grpo.lrr=1"], "grpo.lrr: Extra inputs"),
        (["fetch", "everything"], "expected 'bfcl', 'swe', 'miniwob', 'smollm2' or 'all', got 'everything'"),
        (["report", "nowhere", "-o", "x"], "found none"),
        (["serve", "--threads", "0"], "threads: Input should be greater than or equal to 1"),
        (["serve", "--source", "tau"], "source: expected NAME=PATH, got 'tau'"),
        (["serve", "--port", "0", "--source", "tau=nowhere"], "source 'tau': expected a folder or file, found none"),
    ],
)
def test_bad_input_is_exit_code_3_with_a_fix(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert run_app(arguments) == 3
    assert message in " ".join(capsys.readouterr().err.split())


def test_wrong_usage_is_exit_code_2(capsys):
    assert run_app(["filter"]) == 2
    assert "Missing argument" in capsys.readouterr().err


def test_pivot_given_twice_is_refused(profiled, tmp_path, capsys):
    assert run_app(["filter", str(profiled), str(profiled), "-o", str(tmp_path / "x.jsonl")]) == 3
    assert "an id stands twice" in " ".join(capsys.readouterr().err.split())


def test_unreachable_server_is_exit_code_4(profiled, capsys):
    server = ["--set", "server=http://127.0.0.1:9", "--set", "server_wait_s=0.5"]

    code = run_app(["verify", str(profiled), *server, "--text", "yes"])

    assert code == 4
    assert "http://127.0.0.1:9" in capsys.readouterr().err


def test_verify_prints_the_verdict(profiled, capsys):
    assert run_app(["verify", str(profiled), "--text", "yes"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["reward"], verdict["outcome"], verdict["executed"]) == (1.0, "equivalent", False)


def test_a_server_of_the_commands_own_takes_the_token_of_the_environment(profiled, tmp_path, capsys, monkeypatch):
    (tmp_path / "token").write_text("a-token-of-some-length-0123456789\n")
    monkeypatch.setenv("PIVOTGYM_TOKEN_FILE", str(tmp_path / "token"))
    assert run_app(["verify", str(profiled), "--text", "yes"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--action", "{}", "--text", "yes"], "expected one of them, got both"),
        (["--action", "{"], "action: "),
        (["--pivot-id", "zzz"], "got 'zzz'"),
    ],
)
def test_verify_names_what_is_wrong(profiled, options, message, capsys):
    assert run_app(["verify", str(profiled), *options]) == 3
    assert message in " ".join(capsys.readouterr().err.split())


def test_brackets_of_a_message_are_shown(capsys):
    complain("got [cd(folder='a')]", "pip install 'pivotgym[all]'")

    shown = capsys.readouterr().err
    assert "[cd(folder='a')]" in shown
    assert "pivotgym[all]" in shown
