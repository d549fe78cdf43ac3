"""The trainer: pivots (extract, profile, filter), SFT, GRPO, evaluation, reports.

Owns: the way from trajectories to a better policy. Reaches environments through `pivotgym.servers.client` only.
"""
