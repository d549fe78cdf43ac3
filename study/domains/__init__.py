"""The study's domains by name.

Owns: which there are. Does not own: what they are (`tool_use`, `terminal`).
"""

from __future__ import annotations

from pivotgym.core.errors import NotFound
from pivotgym.study.contract import StudyDomain

NAMES = ("tool_use", "terminal")


def study_domain(name: str) -> StudyDomain:
    """The domain of that name.

    Raises:
        NotFound: If there is none.
    """
    if name == "tool_use":
        from pivotgym.study.domains.tool_use import ToolUseStudy

        return ToolUseStudy()
    if name == "terminal":
        from pivotgym.study.domains.terminal import TerminalStudy

        return TerminalStudy()
    raise NotFound(f"domain: expected one of {list(NAMES)}, got {name!r}")
