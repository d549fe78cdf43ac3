"""One table per harness, as data; their schema is `pivotgym.envs.swe.operations.tables`."""
