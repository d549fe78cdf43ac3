"""Whole tasks on pages, with oracles that do them: what a policy could do, by the domain's own tools.

Owns: goals and outcomes' data (`shop`, `miniwob`), oracles, and running them. Does not own: the world, or the sites.
"""
