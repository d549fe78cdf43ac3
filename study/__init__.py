"""The study: PivotRL against its alternatives at small scale, on domains that a compact policy can learn on two cores.

Owns: its domains, its compact policy, the arms, what is measured and what is claimed of it. Does not own: environments,
verdicts, training. It may import every other room; only `cli` imports it.
"""
