"""Verifiers: pure comparators from (pivot, expert's effects, candidate's effects) to a verdict.

Owns: when two actions are functionally equivalent. Does not own: HTTP, state or sandboxes.
"""
