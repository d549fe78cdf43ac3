"""The domain `swe`: coding agents on real repositories."""

from pivotgym.envs.swe.domain import domain

__all__ = ["domain"]
