from pathlib import Path

import pytest

from pivotgym.core.trajectory import Origin
from pivotgym.envs.tool_use import domain


@pytest.fixture(autouse=True)
def no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIVOTGYM_CACHE", str(tmp_path))


def test_the_databases_alone_make_the_domain_ready(start) -> None:
    assert domain().ready() is None


def test_without_databases_and_wheel_it_is_not_ready() -> None:
    assert "pivotgym fetch bfcl" in (domain().ready() or "")


def test_tasks_need_their_own_source(start) -> None:
    assert list(domain().tasks()) == []


def test_the_origins_are_executed_never_decided_by_rule() -> None:
    assert domain().executable(Origin.model_validate({"kind": "tau", "toolkit": "airline"}))
