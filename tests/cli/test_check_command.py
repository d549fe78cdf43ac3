"""`pivotgym check`: what it prints and writes, and how it ends."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pivotgym.cli.main import run_app
from pivotgym.core.jsonl import write_records
from pivotgym.servers.serve import BackgroundServer

DOMAINS = Path(__file__).parents[1] / "servers" / "conformance"
FEW = ["--only", "expert_accepted", "--only", "task_floor", "--only", "nothing_leaks", "--sessions", "4"]


@pytest.fixture(autouse=True)
def domains(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sound domain can be imported, by child processes too."""
    monkeypatch.syspath_prepend(str(DOMAINS))
    monkeypatch.setenv("PYTHONPATH", f"{DOMAINS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@pytest.fixture
def url() -> Iterator[str]:
    from sound_domain import ShelfDomain

    with BackgroundServer(ShelfDomain()) as server:
        yield server.url


def test_a_sound_domain_is_green(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run_app(["check", "sound_domain:domain", *FEW, "--json", str(tmp_path / "report.json")]) == 0
    shown = capsys.readouterr().out
    assert "passed   expert_accepted  4 pivots" in shown
    assert "3 passed, 0 failed, 0 skipped" in shown
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["ok"], [one["status"] for one in report["checks"]]) == (True, ["passed"] * 3)


def test_a_fault_ends_with_1_and_tells_where_to_look(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stingy.py").write_text(
        "import sound_domain as s\n"
        "class Stingy(s.Shelf):\n    def outcome(self, task): return 0.5\n"
        "class Domain(s.ShelfDomain): kind = Stingy\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")
    assert run_app(["check", "stingy:Domain", "--only", "oracle_maximum", "--limit", "1"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "failed oracle_maximum 2 faults Each task's gold run pays 1" in shown
    assert "task put/emma, run 'gold' expected 1 got 0.5 look at `World.outcome`" in shown


def test_a_server_is_checked_by_its_address(capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert run_app(["check", url, "--json", "-", *FEW, "--only", "oracle_maximum"]) == 0
    found = {one["name"]: (one["status"], one["note"]) for one in json.loads(capsys.readouterr().out)["checks"]}
    assert found["expert_accepted"] == ("passed", "4 pivots")
    assert found["oracle_maximum"][0] == "skipped"
    assert "check the domain by its name or folder" in found["oracle_maximum"][1]


def test_pivots_of_a_file_are_given_to_the_server(capsys: pytest.CaptureFixture[str], url: str, tmp_path: Path) -> None:
    from sound_domain import make_pivot

    write_records(tmp_path / "mine.jsonl", [make_pivot(1, id="mine:0")])
    assert run_app(["check", url, "--pivots", str(tmp_path / "mine.jsonl"), *FEW]) == 0
    assert "passed   expert_accepted  1 pivot" in capsys.readouterr().out


def test_a_server_that_is_not_there_is_our_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["check", "http://127.0.0.1:9", "--timeout-s", "0.1"]) == 4
    assert "is not ready after 0.1 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "expected the folder of a domain, found no pyproject.toml"),
        ("[", "expected TOML"),
        ("[project]\nname = 'x'\n", "expected one entry point in the group 'pivotgym.envs', got []"),
    ],
)
def test_a_folder_without_a_domain_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "pyproject.toml").write_text(content)
    assert run_app(["check", str(tmp_path)]) == 3
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_folder_leaves_no_trace_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[project.entry-points.'pivotgym.envs']\nx = 'no_such_module_here:domain'\n"
    )
    before = (list(sys.path), os.environ.get("PYTHONPATH"))
    assert run_app(["check", str(tmp_path)]) == 3
    assert (sys.path, os.environ.get("PYTHONPATH")) == before
