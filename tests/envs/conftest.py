import sys
from pathlib import Path

import pytest

from pivotgym.core.trajectory import Pivot, Trajectory
from pivotgym.envs.base.runtime import Runtime

# The toy domain is imported by name, from the subprocesses and entry points that the tests make too.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def trajectories(bfcl: Path) -> list[Trajectory]:
    """BFCL's multi-turn tasks as trajectories."""
    from pivotgym.envs.tool_use.bfcl.trajectories import load

    return list(load())


@pytest.fixture(scope="session")
def runtime(bfcl: Path) -> Runtime:
    """One runtime of the domain `tool_use`."""
    from pivotgym.envs.tool_use import domain

    return Runtime(domain(), max_states=2000)


@pytest.fixture(scope="session")
def pivots(trajectories: list[Trajectory]) -> list[Pivot]:
    """All executed pivots of BFCL."""
    from bfcl_pivots import cut

    return Pivots(cut(trajectory, turn) for trajectory in trajectories for turn in trajectory.candidates or ())


class Pivots(list[Pivot]):
    """Pivots that a failing property does not print whole."""

    def __repr__(self) -> str:
        return f"<{len(self)} pivots>"
