"""A PivotGym domain: a stock of goods that tools change. `domain` has all of it, `data/tasks.jsonl` its tasks."""
