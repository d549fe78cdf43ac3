"""`single_step_tool_use_with_argument_comparison`: the expert's calls, compared argument by argument.

Owns: this rule. Does not own: pairing (`verifiers.matching`).

Where the expert spoke, any text is worth 1.0 and a call 0.0. Where it called, names must be equal and arguments equal
in type, keys, length and order; long texts by the words they share. Calls pair in any order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pivotgym.core.errors import PivotRefused
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.verifiers.matching import match
from pivotgym.verifiers.nemo_gym.base import PREFIX, Options, TextRule


class SingleStepOptions(Options):
    """The comparator's options.

    Attributes:
        word_count_similarity_threshold: Shared words over the words of both texts; equal texts reach 0.5. Shipped:
            0.1, for search pivots 0.3, for SWE and Droid pivots 0.0.
        floating_point_comparison_threshold: Floats differ by less.
        parallel_tool_call_rewarding: Whether the number of calls counts, and the options below; otherwise every
            expected call must be there, and surplus calls are free.
        allow_subset: Whether fewer calls than expected are looked at.
        allow_superset: Whether more are.
        parallel_tool_call_reward_mode: All or nothing, the share of required calls, or F1.
    """

    word_count_similarity_threshold: float = 0.1
    floating_point_comparison_threshold: float = 1e-6
    parallel_tool_call_rewarding: bool = False
    allow_subset: bool = False
    allow_superset: bool = False
    parallel_tool_call_reward_mode: Literal["binary_strict", "fractional", "f1"] = "binary_strict"


class SingleStep(TextRule):
    """The rule above."""

    name = PREFIX + "single_step_tool_use_with_argument_comparison"
    options_type: ClassVar[type[Options]] = SingleStepOptions
    quick = True

    def decide(self, pivot: Pivot, action: Action) -> Verdict:
        """See the module."""
        expected, given = pivot.reference.tool_calls, action.tool_calls
        if not expected:
            if given:
                return self.verdict(0.0, "expected a message, got a call")
            return self.verdict(1.0, "expected a message, got one (its text does not count)")
        if not given:
            return self.verdict(0.0, "expected a call, got a message")
        wanted = [_wanted(pivot, call) for call in expected]
        if not self._admissible(len(wanted), len(given)):
            return self.verdict(0.0, f"expected {len(wanted)} calls, got {len(given)}")
        pairs = match(wanted, given, self._same)
        matched = sum(pair is not None for pair in pairs)
        reward = self._reward(matched, len(wanted), len(given))
        reason = f"{matched} of {len(wanted)} expected calls are among the {len(given)} given"
        return self.verdict(reward, reason, calls_matched=matched / len(wanted))

    def _admissible(self, wanted: int, given: int) -> bool:
        options = self.options
        if not options.parallel_tool_call_rewarding or wanted == given:
            return given >= wanted
        return bool(options.allow_subset if given < wanted else options.allow_superset)

    def _reward(self, matched: int, wanted: int, given: int) -> float:
        options = self.options
        mode = options.parallel_tool_call_reward_mode
        if wanted == given == 1 or not options.parallel_tool_call_rewarding:
            return float(matched == wanted)
        if mode == "f1":
            return 2 * matched / (wanted + given)
        required = min(wanted, given) if options.allow_subset else wanted
        return matched / required if mode == "fractional" else float(matched == required)

    def _same(self, wanted: tuple[str, Any], call: ToolCall) -> bool:
        if call.name != wanted[0]:
            return False
        try:
            arguments = call.arguments if isinstance(call.arguments, dict) else json.loads(call.arguments)
        except ValueError:
            return False
        return same_values(wanted[1], arguments, self.options)


def _wanted(pivot: Pivot, call: ToolCall) -> tuple[str, Any]:
    if isinstance(call.arguments, dict):
        return call.name, call.arguments
    try:
        return call.name, json.loads(call.arguments)
    except ValueError:
        raise PivotRefused(
            f"pivot {pivot.id!r}: the expert's arguments of {call.name!r} are no JSON: {call.arguments[:80]!r}"
        ) from None


def same_values(wanted: Any, given: Any, options: SingleStepOptions) -> bool:
    """Whether a value is the expected one. An integer accepts a boolean of its value, and no float."""
    if not isinstance(given, type(wanted)):
        return False
    if isinstance(wanted, dict):
        return wanted.keys() == given.keys() and all(same_values(wanted[key], given[key], options) for key in wanted)
    if isinstance(wanted, list):
        pairs: Sequence[tuple[Any, Any]] = list(zip(wanted, given, strict=False))
        return len(wanted) == len(given) and all(same_values(ours, theirs, options) for ours, theirs in pairs)
    if isinstance(wanted, float):
        return bool(abs(given - wanted) < options.floating_point_comparison_threshold)
    if isinstance(wanted, str):
        return same_words(wanted, given, options.word_count_similarity_threshold)
    return bool(wanted == given)


def same_words(wanted: str, given: str, threshold: float) -> bool:
    """Whether two texts share enough words; a text of fewer than two words must be the same, letter by letter."""
    ours, theirs = Counter(wanted.lower().split()), Counter(given.lower().split())
    sizes = ours.total(), theirs.total()
    if min(sizes) < 2:
        return wanted == given
    return (ours & theirs).total() / sum(sizes) >= threshold
