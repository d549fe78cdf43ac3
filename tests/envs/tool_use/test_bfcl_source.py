from pathlib import Path

import pytest

from pivotgym.core.errors import MissingDependency
from pivotgym.envs.tool_use import domain
from pivotgym.envs.tool_use.bfcl import source


def test_fetching_twice_gives_the_same_folder(bfcl: Path) -> None:
    assert source.fetch() == bfcl
    assert (bfcl / "bfcl_eval" / "data").is_dir()


def test_an_empty_cache_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match="pivotgym fetch bfcl"):
        source.locate(tmp_path)


def test_the_domain_says_that_it_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIVOTGYM_CACHE", str(tmp_path))
    assert "pivotgym fetch bfcl" in (domain().ready() or "")
    assert list(domain().tasks()) == []


def test_the_domain_is_ready_with_the_wheel(bfcl: Path) -> None:
    assert domain().ready() is None


def test_answers_and_questions_have_the_same_ids(bfcl: Path) -> None:
    assert source.questions("multi_turn_base").keys() == source.answers("multi_turn_base").keys()
