"""Rules beside the domain's own verifier, by name: `strict`, and the compatibility modes of NeMo Gym.

Owns: names, and options behind a name (`nemo_gym.swe_pivot?reward_mode=continuous`). Does not own: the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl

from pivotgym.core.errors import ConfigError
from pivotgym.verifiers.base import Comparator
from pivotgym.verifiers.nemo_gym.base import TextRule
from pivotgym.verifiers.nemo_gym.multi_harness import MultiHarness
from pivotgym.verifiers.nemo_gym.single_step import SingleStep
from pivotgym.verifiers.nemo_gym.swe_pivot import SwePivot
from pivotgym.verifiers.nemo_gym.terminus import Terminus
from pivotgym.verifiers.strict import StrictComparator

FUNCTIONAL = "functional"
"""The rule that is no rule: the domain's own comparator, by execution where that can be."""


def _strict(options: Mapping[str, str]) -> Comparator:
    if options:
        raise ConfigError(f"rule strict: it has no options, got {sorted(options)}")
    return StrictComparator()


_NEMO_GYM: tuple[type[TextRule], ...] = (SingleStep, SwePivot, Terminus, MultiHarness)
RULES: dict[str, Callable[[Mapping[str, str]], Comparator]] = {
    "strict": _strict,
    **{rule.name: rule.configured for rule in _NEMO_GYM},
}


def rule_names() -> list[str]:
    """The names a rule can have, `functional` first."""
    return [FUNCTIONAL, *RULES]


@lru_cache(maxsize=64)
def comparator_of(rule: str) -> Comparator:
    """The comparator of a rule that is not `functional`.

    Args:
        rule: A name, or `name?option=value&option=value`.

    Raises:
        ConfigError: If there is no such rule, or an option does not fit it.
    """
    name, _, options = rule.partition("?")
    if name not in RULES:
        raise ConfigError(f"rule: expected one of {rule_names()}, got {rule[:200]!r}")
    try:
        given = dict(parse_qsl(options, strict_parsing=True)) if options else {}
    except ValueError as error:
        raise ConfigError(f"rule {name}: expected options as name=value&name=value, got {options[:200]!r}") from error
    return RULES[name](given)
