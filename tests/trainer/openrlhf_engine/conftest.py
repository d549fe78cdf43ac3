"""OpenRLHF's own argument parser, and this folder's helpers."""

import argparse
import ast
import sys
from datetime import datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "envs"))

from openrlhf_source import upstream


@pytest.fixture
def real_parser():
    """The argument parser that `train_ppo_ray` builds in its `__main__` block."""
    [block] = [node for node in upstream("cli/train_ppo_ray.py").body if isinstance(node, ast.If)]
    built = [node for node in block.body if not (isinstance(node, ast.Assign) and "parse_args" in ast.unparse(node))]
    until = next(place for place, node in enumerate(built) if isinstance(node, ast.ImportFrom))
    scope = {"argparse": argparse, "datetime": datetime}
    exec(compile(ast.Module(built[:until], []), "train_ppo_ray", "exec"), scope)
    return scope["parser"]
