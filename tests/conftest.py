"""For all tests: hypothesis without deadlines, which would time a shared machine; real data, if here; BFCL."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # for helpers that several folders share

settings.register_profile(
    "pivotgym",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("pivotgym")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real trajectories and labelled cases, which are never part of the project."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return folder


@pytest.fixture(scope="session")
def bfcl() -> Path:
    """BFCL's wheel, downloaded once per cache."""
    from pivotgym.envs.tool_use.bfcl.source import fetch

    return fetch()


@pytest.fixture(scope="session", autouse=True)
def _nothing_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove what tests made: stores are large, and some hold trees deeper than pytest's own clean-up can go."""
    yield
    subprocess.run(["rm", "-rf", "--", *tmp_path_factory.getbasetemp().iterdir()], check=False)
