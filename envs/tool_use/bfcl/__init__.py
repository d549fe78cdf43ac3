"""BFCL (Berkeley Function Calling Leaderboard), read from the pinned `bfcl-eval` wheel.

Owns: everything that knows BFCL: its data, its API classes as a world, its splits. Does not own: when two calls are
equivalent (`verifiers/`).
"""
