"""Turning what nobody foresaw into errors with a code.

Owns: that no bug of a world or a comparator becomes a reward, or leaves this room as a bare exception. Does not own:
the errors themselves (`core.errors`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pivotgym.core.errors import InfrastructureError, PivotGymError


@contextmanager
def unforeseen_is(error: type[InfrastructureError], doing: str) -> Iterator[None]:
    """Anything unforeseen is ours, and becomes an error with a code; what has a code passes.

    The message, which may travel to a client, leaves out the cause's text: that is for the log, as `__cause__`.
    """
    try:
        yield
    except PivotGymError:
        raise
    except Exception as cause:
        raise error(f"{doing}: unforeseen {type(cause).__name__}") from cause
