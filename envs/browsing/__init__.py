"""Browsing: a search engine over a corpus. The entry point of the domain is `domain`."""

from pivotgym.envs.browsing.domain import Browsing, domain

__all__ = ["Browsing", "domain"]
