"""Candidates -> candidates that replay: asks the environment server to build each state and check the expert there.

Owns: dropping what the server refuses, with its reason counted. Does not own: the replay (`envs/base`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pivotgym.core.errors import InfrastructureError
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.client import Client
from pivotgym.trainer.extract import ExtractReport


def prepare(
    client: Client,
    pivots: Sequence[Pivot],
    report: ExtractReport,
    *,
    batch: int = 64,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Pivot]:
    """The pivots that the server can restore and whose expert action it accepts, marked whether it executes them.

    Args:
        client: The environment server.
        pivots: Candidates.
        report: `kept` is lowered and `dropped` raised for each refusal.
        batch: Pivots per request.
        on_progress: Called with (done, total).

    Raises:
        InfrastructureError: If the server failed; nothing is dropped for that.
    """
    kept: list[Pivot] = []
    for start in range(0, len(pivots), batch):
        chunk = list(pivots[start : start + batch])
        client.add_pivots(chunk)
        answers = client.prepare([pivot.id for pivot in chunk])
        for pivot in chunk:
            refusal = answers.refused.get(pivot.id)
            if isinstance(refusal, InfrastructureError):
                raise refusal
            if refusal is not None:
                report.kept -= 1
                report.dropped[f"refused: {refusal.message}"] += 1
                continue
            pivot.metadata["executable"] = pivot.id in answers.executable
            kept.append(pivot)
        if on_progress is not None:
            on_progress(start + len(chunk), len(pivots))
    return kept
