"""Readers and writers of foreign trajectory files, one module per shape.

Owns: turning other people's rows into `Trajectory` and back without loss. Does not own: line handling (`core/jsonl`).
"""
