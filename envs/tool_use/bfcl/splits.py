"""Train and evaluation sets that share no function.

Owns: which trajectories of BFCL train and which evaluate. Does not own: how many are used (the trainer's config).

*Multi-turn*: by whole API classes. Train: tasks all of whose classes are in `TRAIN_CLASSES`; evaluation: all in
`EVAL_CLASSES`; tasks with classes of both are dropped, and counted.
*Single-turn*: by function name. Questions that share a name, through other questions too, form one component; a
component goes to one side as a whole, by SHA-256 of its smallest name, about `TRAIN_SHARE` of them to training. One of
over `LARGE` questions goes to training whatever its hash: it would be most of an evaluation, and much the same.
Questions that offer a function of the multi-turn prompts are dropped, and counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pivotgym.core.errors import InputError
from pivotgym.core.trajectory import Trajectory

TRAIN_CLASSES = frozenset({"GorillaFileSystem", "VehicleControlAPI", "TwitterAPI", "MathAPI"})
EVAL_CLASSES = frozenset({"TradingBot", "TravelAPI", "MessageAPI", "TicketAPI"})
TRAIN_SHARE = 0.6
LARGE = 100


@dataclass(frozen=True)
class Split:
    """Two sides without a common function, and what belongs to neither.

    Attributes:
        train: Trajectories to train on.
        eval: Trajectories to evaluate on.
        dropped: Reason -> how many trajectories.
    """

    train: list[Trajectory] = field(default_factory=list)
    eval: list[Trajectory] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)


def split(trajectories: Iterable[Trajectory]) -> Split:
    """Split trajectories of `bfcl.trajectories.load`; their order is kept, and `metadata["split"]` names the side.

    Raises:
        InputError: If a trajectory says neither `classes` nor `functions` in its metadata.
    """
    everything = list(trajectories)
    taken = {tool.name for t in everything if "classes" in t.metadata for tool in t.tools}
    single = [t for t in everything if "classes" not in t.metadata and taken.isdisjoint(_functions(t))]
    sides = _single_turn_sides(single)
    result = Split()
    dropped: Counter[str] = Counter()
    for trajectory in everything:
        multi = "classes" in trajectory.metadata
        side = _class_side(trajectory) if multi else sides.get(trajectory.id)
        if side is None:
            dropped["classes of both sides" if multi else "offers a function of a multi-turn class"] += 1
            continue
        named = trajectory.model_copy(update={"metadata": {**trajectory.metadata, "split": side}})
        (result.train if side == "train" else result.eval).append(named)
    result.dropped.update(dropped)
    return result


def _class_side(trajectory: Trajectory) -> str | None:
    classes = set(trajectory.metadata["classes"])
    if classes <= TRAIN_CLASSES:
        return "train"
    return "eval" if classes <= EVAL_CLASSES else None


def _single_turn_sides(trajectories: list[Trajectory]) -> dict[str, str]:
    leader = _components([_functions(t) for t in trajectories])
    size = Counter(leader[_functions(t)[0]] for t in trajectories)
    sides = {first: "train" if count > LARGE else _side(first) for first, count in size.items()}
    return {t.id: sides[leader[_functions(t)[0]]] for t in trajectories}


def _functions(trajectory: Trajectory) -> list[str]:
    names = trajectory.metadata.get("functions")
    if not names:
        raise InputError(f"trajectory {trajectory.id!r}: expected metadata 'classes' or 'functions', found neither")
    return list(names)


def _components(groups: list[list[str]]) -> dict[str, str]:
    """For each name, the name that stands for all names connected with it (union-find)."""
    parent: dict[str, str] = {}

    def find(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for group in groups:
        for name in group:
            low, high = sorted((find(group[0]), find(name)))
            parent[high] = low
    return {name: find(name) for name in parent}


def _side(name: str) -> str:
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return "train" if share < TRAIN_SHARE else "eval"
