"""MCP servers in sandboxes: the example's, and an odd one."""

import shutil
import tempfile
from pathlib import Path

import pytest

from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.sandbox.backends import close_all, default_backend
from pivotgym.envs.tool_use.mcp.toolkit import McpToolkit

EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "mcp_todo" / "servers"


@pytest.fixture(scope="module", autouse=True)
def servers():
    """The source `mcp`: a copy of the example's folder, to which tests add; sandboxes have a store of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="pivotgym-test-", dir="/var/tmp") as store,
        pytest.MonkeyPatch.context() as patch,
    ):
        Path(store).chmod(0o755)
        patch.setenv("PIVOTGYM_SNAPSHOTS", store + "/snapshots")
        close_all()
        missing = default_backend().missing()
        if missing is not None:
            pytest.skip(f"no sandbox: {missing.what}")
        folder = Path(store) / "servers"
        shutil.copytree(EXAMPLE, folder)
        sources.configure({"mcp": folder})
        yield folder
        sources.forget("mcp")
        close_all()


@pytest.fixture
def started():
    """Starts toolkits by a server's name."""
    made = []

    def start(server="todo"):
        made.append(McpToolkit())
        made[-1].start(Origin(kind="mcp", server=server), 0)
        return made[-1]

    yield start
    for toolkit in made:
        toolkit.close()
