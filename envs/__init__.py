"""Environments: the shared `PivotEnv` and one folder per domain. Knows no HTTP and no trainer."""
