"""A domain that is ready, for tests of what looks at that."""

import sys
from pathlib import Path

import pytest

from pivotgym.envs.base.contract import Domain

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from toy_domain import StoreDomain


@pytest.fixture
def ready_domain() -> Domain:
    return StoreDomain()
