"""Results of studies that never were: effects are planted, the rest is noise."""

import numpy as np

from pivotgym.study.results import Cost, Point, Result


def planted(arms, *, seeds=5, tasks=60, domain="toy", measure="success", seed_spread=0.05, rng=None):
    """One result per arm and seed; `arms` maps names to mean success, tasks differ in difficulty."""
    rng = rng or np.random.default_rng(0)
    difficulty = rng.normal(0, 0.15, tasks)
    found = []
    for seed in range(seeds):
        shared = rng.normal(0, seed_spread)
        for arm, level in arms.items():
            chance = np.clip(level + difficulty + shared + rng.normal(0, seed_spread), 0, 1)
            values = {f"t{n}": float(x) for n, x in enumerate(rng.binomial(1, chance))}
            found.append(Result(domain=domain, arm=arm, seed=seed, settings="s", measures={measure: values}))
    return found


def curve(*points, tasks=50):
    """A run's checkpoints: (turns, success); of the tasks, the first ones succeed."""
    return [
        Point(step=step, cost=Cost(turns=turns), success={f"t{n}": float(n < success * tasks) for n in range(tasks)})
        for step, (turns, success) in enumerate(points)
    ]
