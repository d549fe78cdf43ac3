"""The domain in `examples/sql_domain` as its reader would try it: its own tests, and the conformance suite."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pivotgym.cli.main import run_app

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).resolve().parents[2] / "examples" / "sql_domain"


def test_its_own_tests_pass() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER)]
    told = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert told.returncode == 0, told.stdout


def test_every_check_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["check", str(FOLDER), "--limit", "4", "--sessions", "8"]) == 0
    assert "27 passed, 0 failed, 0 skipped" in capsys.readouterr().out
