"""Hypothesis for all tests: no deadlines, which would time a shared machine; the same examples in every CI run."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "pivotgym",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("pivotgym")
