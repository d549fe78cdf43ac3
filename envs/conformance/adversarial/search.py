"""Asking verifiers about mutated expert actions, and counting what they get wrong.

Owns: which mutations go with which domain, drawing them, asking, and the counts. Does not own: the mutations (the
modules beside this one), or the page (`attack_page`).

The expert's own action must be worth 1.0 before its mutations are asked about; a pivot where it is not, or whose state
cannot be built, is counted and left. An error is counted as one and never as a verdict.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from pivotgym.core.errors import PivotGymError
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin, Pivot, Verdict
from pivotgym.envs.base.registry import load_domain
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.conformance.adversarial.calls import call_mutations
from pivotgym.envs.conformance.adversarial.edits import edit_mutations
from pivotgym.envs.conformance.adversarial.messages import message_mutations
from pivotgym.envs.conformance.adversarial.mutation import Mutation
from pivotgym.envs.conformance.adversarial.searches import search_mutations
from pivotgym.envs.conformance.adversarial.shell_commands import shell_mutations
from pivotgym.envs.conformance.intervals import wilson
from pivotgym.envs.conformance.verdict_bench import METHODS
from pivotgym.verifiers.strict import spelled

_SHAPES = frozenset({"call.required", "call.unknown", "call.tool", "call.said_instead", "call.thought"})
"""What can be done to any call, whatever its arguments mean."""


def mutations_of(domain: str) -> list[Mutation]:
    """The mutations that make sense of a domain's actions; those of plain calls where the domain is not known."""
    calls = list(call_mutations())
    shapes = [one for one in calls if one.name in _SHAPES]
    own = {
        "terminal": [*shell_mutations(), *shapes],
        "swe": [*shell_mutations(), *edit_mutations(), *shapes],
        "browsing": [*search_mutations(), *shapes],
    }
    return own.get(domain, [*calls, *message_mutations()])


@dataclass(frozen=True)
class Attack:
    """What a method said of a mutated action.

    Attributes:
        pivot: The pivot, whose expert action was changed.
        mutation: How.
        action: The changed action.
        verdict: The verdict, or `None` where there was an error.
        error: The error's code, or `None`.
    """

    pivot: Pivot
    mutation: Mutation
    action: Action
    verdict: Verdict | None
    error: str | None

    @property
    def wrong(self) -> bool:
        """Whether a harmful mutation was accepted, or a harmless one was not."""
        return self.verdict is not None and (self.verdict.outcome == "equivalent") == self.mutation.harmful


@dataclass
class Found:
    """What an adversarial search found.

    Attributes:
        attacks: By method, in the order asked.
        pivots: How many pivots were attacked, by domain.
        left: Why pivots were left, counted.
    """

    attacks: dict[str, list[Attack]]
    pivots: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)


def distinct(pivots: Iterable[Pivot]) -> list[Pivot]:
    """Pivots that differ in state or in the expert's action, the first of each."""
    return list({pivot.digest: pivot for pivot in reversed(list(pivots))}.values())[::-1]


def unbuilt(pivot: Pivot) -> Pivot:
    """A pivot whose state cannot be built any more, so that the rules for such states must decide."""
    return pivot.model_copy(update={"origin": Origin(kind="none"), "prefix": None})


def drawn(pivot: Pivot, *, each: int, seed: int) -> Iterator[tuple[Mutation, Action]]:
    """Mutated actions of a pivot, at most `each` of a mutation, the same for equal seeds."""
    for mutation in mutations_of(pivot.domain):
        actions = mutation.actions(pivot)
        chance = random.Random(f"{seed}:{pivot.id}:{mutation.name}")
        for action in chance.sample(actions, min(each, len(actions))):
            yield mutation, action


def attack(
    pivots: Sequence[Pivot],
    *,
    each: int = 1,
    seed: int = 0,
    runtime_of: Callable[[str], Runtime] | None = None,
    methods: Mapping[str, Mapping[str, str]] = METHODS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Found:
    """Ask about mutated expert actions.

    Args:
        pivots: Where; equal ones are asked once.
        each: How many actions of a mutation are drawn at a pivot.
        seed: Of the draw.
        runtime_of: Makes the runtime of a domain; by default from the installed one.
        methods: As `verdict_bench.METHODS`.
        on_progress: Told how many pivots are done, of how many.
    """
    found = Found({name: [] for name in methods})
    chosen = distinct(pivots)
    make = runtime_of or (lambda name: Runtime(load_domain(name)))
    done = 0
    for domain in dict.fromkeys(pivot.domain for pivot in chosen):
        with closing(make(domain)) as runtime:
            for pivot in (one for one in chosen if one.domain == domain):
                _attack_one(runtime, pivot, found, methods, each=each, seed=seed)
                done += 1
                if on_progress is not None:
                    on_progress(done, len(chosen))
    return found


def _attack_one(
    runtime: Runtime, pivot: Pivot, found: Found, methods: Mapping[str, Mapping[str, str]], *, each: int, seed: int
) -> None:
    try:
        runtime.check(pivot)
    except PivotGymError as refused:
        found.left[refused.code] += 1
        return
    found.pivots[pivot.domain] += 1
    for mutation, action in drawn(pivot, each=each, seed=seed):
        for name, rules in methods.items():
            rule = rules.get(pivot.domain, rules[""])
            try:
                verdict, error = runtime.verify(pivot, action, rule=rule), None
            except PivotGymError as failure:
                verdict, error = None, failure.code
            found.attacks[name].append(Attack(pivot, mutation, action, verdict, error))


def counts(attacks: Iterable[Attack]) -> dict[str, Any]:
    """How many were wrong.

    Returns:
        `harmful` and `harmless` (verdicts on such mutations), `accepted` (of the harmful), `rejected` (of the
        harmless), `errors`, and `intervals_95` of the two shares.
    """
    everything = list(attacks)
    reached = [one for one in everything if one.verdict is not None]
    harmful = [one for one in reached if one.mutation.harmful]
    harmless = [one for one in reached if not one.mutation.harmful]
    accepted, rejected = sum(one.wrong for one in harmful), sum(one.wrong for one in harmless)
    return {
        "harmful": len(harmful),
        "accepted": accepted,
        "harmless": len(harmless),
        "rejected": rejected,
        "errors": len(everything) - len(reached),
        "intervals_95": {"accepted": wilson(accepted, len(harmful)), "rejected": wilson(rejected, len(harmless))},
    }


def report(found: Found) -> dict[str, Any]:
    """The counts by method, domain and mutation as JSON, and each wrong verdict of ours."""
    methods = {}
    for name, attacks in found.attacks.items():
        domains = sorted({one.pivot.domain for one in attacks})
        methods[name] = {
            **counts(attacks),
            "by_domain": {domain: counts(one for one in attacks if one.pivot.domain == domain) for domain in domains},
            "by_mutation": {domain: _by_mutation(attacks, domain) for domain in domains},
        }
    ours = found.attacks.get("pivotgym", [])
    why = {one.mutation.name: one.mutation for one in ours}
    return {
        "schema_version": 1,
        "pivots": dict(found.pivots),
        "left": dict(found.left),
        "mutations": {name: {"harmful": one.harmful, "why": one.why} for name, one in sorted(why.items())},
        "methods": methods,
        "wrong": [_described(one) for one in ours if one.wrong],
        "errors": dict(Counter(one.error for one in ours if one.error is not None)),
        "failed": [_named(one) | {"error": one.error} for one in ours if one.error is not None],
    }


def _by_mutation(attacks: Sequence[Attack], domain: str) -> dict[str, Any]:
    names = sorted({one.mutation.name for one in attacks if one.pivot.domain == domain})
    return {
        name: counts(one for one in attacks if one.pivot.domain == domain and one.mutation.name == name)
        for name in names
    }


def _described(one: Attack) -> dict[str, Any]:
    assert one.verdict is not None
    said = {"method": one.verdict.method, "executed": one.verdict.executed, "reason": one.verdict.reason}
    return {**_named(one), **said}


def _named(one: Attack) -> dict[str, Any]:
    return {
        "pivot": one.pivot.id,
        "domain": one.pivot.domain,
        "mutation": one.mutation.name,
        "harmful": one.mutation.harmful,
        "expert": spelled(one.pivot.reference),
        "candidate": spelled(one.action),
    }
