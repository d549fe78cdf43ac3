"""Tool calls of coding harnesses as operations, by tables that are data, and edits as pure functions of text."""

from pivotgym.envs.swe.operations.read import harness_of, operations_of

__all__ = ["harness_of", "operations_of"]
