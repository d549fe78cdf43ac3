import pytest

from pivotgym.core.errors import NotFound
from pivotgym.envs.base.registry import installed_domains, load_domain
from pivotgym.envs.tool_use import ToolUse


def test_tool_use_is_installed() -> None:
    assert "tool_use" in installed_domains()
    assert isinstance(load_domain("tool_use"), ToolUse)


@pytest.mark.parametrize("path", ["toy_counter:CounterDomain", "pivotgym.envs.tool_use:domain"])
def test_a_class_and_a_factory_make_a_domain(path: str) -> None:
    assert load_domain(path).name in ("counter", "tool_use")


def test_an_unknown_name_lists_those_installed() -> None:
    with pytest.raises(NotFound, match=r"expected one of \[.*'tool_use'.*\] or 'module:attribute', got 'golf'"):
        load_domain("golf")


@pytest.mark.parametrize("path", ["no_such_module:domain", "toy_counter:nothing", "toy_counter:"])
def test_a_path_that_cannot_be_imported_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        load_domain(path)


def test_something_else_is_not_a_domain() -> None:
    with pytest.raises(NotFound, match="expected a Domain, its class or a factory, got Action"):
        load_domain("toy_counter:say")
