"""Shared by all domains: the contract, cached states, the differential runner, episodes and `PivotEnv`."""
