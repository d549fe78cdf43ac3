"""The terminal: a live shell in a sandbox. The entry point of the domain is `domain`."""

from pivotgym.envs.terminal.domain import Terminals, domain

__all__ = ["Terminals", "domain"]
