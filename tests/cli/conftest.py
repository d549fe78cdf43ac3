"""The commands' own servers serve `tool_use`, which needs BFCL's questions."""

import pytest

from pivotgym.envs.tool_use.bfcl.source import fetch


@pytest.fixture(scope="session", autouse=True)
def _bfcl() -> None:
    fetch()
