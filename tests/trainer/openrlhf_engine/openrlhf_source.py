"""The source of the installed openrlhf, parsed and not run: importing it would need a cluster."""

import ast
import importlib.util
from pathlib import Path

import pytest


def upstream(file: str) -> ast.Module:
    """A module of the installed openrlhf, parsed and not run."""
    found = importlib.util.find_spec("openrlhf")
    if found is None:
        pytest.skip("make openrlhf-cpu installs openrlhf")
    return ast.parse((Path(found.origin).parent / file).read_text())
