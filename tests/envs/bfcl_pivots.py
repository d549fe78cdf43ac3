"""Pivots cut from trajectories, as the trainer cuts them."""

from pivotgym.core.trajectory import Pivot, Trajectory


def cut(trajectory: Trajectory, turn: int) -> Pivot:
    messages, reference = trajectory.at(turn)
    return Pivot(
        id=f"{trajectory.id}:{turn}",
        domain=trajectory.domain,
        messages=messages,
        reference=reference,
        tools=trajectory.tools,
        origin=trajectory.origin,
        accepted=(trajectory.accepted or {}).get(str(turn)),
        metadata=trajectory.metadata,
    )
