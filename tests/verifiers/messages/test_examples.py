"""The examples in the docstrings hold."""

import doctest
from types import ModuleType

import pytest

from pivotgym.verifiers.messages import acts, facts, names, wording


@pytest.mark.parametrize("module", [acts, facts, names, wording])
def test_the_examples_of_a_module_hold(module: ModuleType) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed
