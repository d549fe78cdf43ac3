"""The four domains of the project pass what they ask of others."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pivotgym.cli.main import run_app
from pivotgym.envs.base.registry import load_domain
from pivotgym.envs.sandbox.backends import close_all
from pivotgym.envs.swe.tasks import packages

STATES = ["replayable", "same_seed", "reset_twice", "isolated", "fork_independent"]
VERDICTS = ["expert_accepted", "verdicts_deterministic", "noop_refused", "cheats_refused"]


@pytest.fixture
def sandboxes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store of snapshots of the test's own."""
    store = Path(tempfile.mkdtemp(prefix="pivotgym-test-", dir="/var/tmp"))
    store.chmod(0o755)
    monkeypatch.setenv("PIVOTGYM_SNAPSHOTS", str(store / "snapshots"))
    close_all()
    yield
    close_all()
    shutil.rmtree(store, ignore_errors=True)


def checked(name: str, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What the suite says of a domain, which must be green."""
    lacking = load_domain(name).ready()
    if lacking is not None:
        pytest.skip(lacking)
    code = run_app(["check", name, "--limit", "2", "--sessions", "12", "--timeout-s", "120", *options])
    shown = capsys.readouterr().out
    assert code == 0, shown
    return shown


@pytest.mark.slow
@pytest.mark.usefixtures("sandboxes")
@pytest.mark.parametrize("name", ["tool_use", "terminal", "browsing"])
def test_domain_is_green(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = checked(name, capsys)
    assert "passed   nothing_leaks" in shown
    assert "0 failed" in shown


@pytest.mark.slow
@pytest.mark.usefixtures("sandboxes")
def test_swe_states_and_verdicts_are_green(capsys: pytest.CaptureFixture[str]) -> None:
    """Its tasks run whole test suites: they are validated by the domain's own tests."""
    packages.fetch()
    names = [*STATES, *VERDICTS]
    shown = checked(
        "swe", capsys, "--limit", "1", "--timeout-s", "300", *(word for name in names for word in ("--only", name))
    )
    assert f"{len(names)} passed, 0 failed, 0 skipped" in shown
