from collections.abc import Iterator
from pathlib import Path

import pytest

from pivotgym.core.errors import ConfigError, MissingDependency
from pivotgym.envs.base import sources


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("PIVOTGYM_SOURCE_SHELVES", raising=False)
    yield
    sources.forget("shelves")


def test_a_configured_source_is_found(tmp_path: Path) -> None:
    sources.configure({"shelves": tmp_path})
    assert sources.path("shelves") == tmp_path


def test_a_source_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIVOTGYM_SOURCE_SHELVES", str(tmp_path))
    assert sources.path("shelves") == tmp_path


def test_what_is_configured_goes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIVOTGYM_SOURCE_SHELVES", "/nowhere")
    sources.configure({"shelves": tmp_path})
    assert sources.path("shelves") == tmp_path


def test_a_missing_source_says_how_to_configure_it() -> None:
    assert sources.find("shelves") is None
    with pytest.raises(MissingDependency, match="source 'shelves': not configured on this machine") as raised:
        sources.path("shelves")
    assert raised.value.hint == "set PIVOTGYM_SOURCE_SHELVES=FOLDER, or pass --source shelves=FOLDER"


def test_a_source_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source 'shelves': expected a folder or file, found none at"):
        sources.configure({"shelves": tmp_path / "no"})


def test_a_path_in_the_environment_must_exist_and_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIVOTGYM_SOURCE_SHELVES", str(tmp_path / "no"))
    with pytest.raises(ConfigError, match="expected a folder or file in PIVOTGYM_SOURCE_SHELVES") as raised:
        sources.find("shelves")
    assert str(tmp_path) not in str(raised.value)


def test_pairs_are_parsed() -> None:
    assert sources.parse(["a=/x", "b=y=z"]) == {"a": Path("/x"), "b": Path("y=z")}


@pytest.mark.parametrize("pair", ["a", "a=", ""])
def test_a_pair_has_a_name_and_a_path(pair: str) -> None:
    with pytest.raises(ConfigError, match="source: expected NAME=PATH, got"):
        sources.parse([pair])


def test_a_name_is_plain() -> None:
    with pytest.raises(ConfigError, match=r"source: expected a name of lower-case letters, .* got '\.\./a'"):
        sources.parse(["../a=/x"])
