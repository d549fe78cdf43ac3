"""When two searches reach the same evidence.

Owns: comparing two queries by their results, or by their text where nothing can be searched, and batches of them. Does
not own: searching (`envs.browsing.search`), or verdicts (`verifiers.search`).

*By results* (`by_results`). Queries with the same content words are the same. Else, of both lists of results:

- what the trajectory goes on to use (`evidence`: pages opened later, cited, or that hold the answer) and the expert's
  query finds must be found too; where all of it is, a third of the results in common is enough;
- without evidence, the agreement must be 0.5 or more: the mean of Jaccard's index of both sets and of rank-biased
  overlap (Webber et al. 2010, p = 0.9), so that the first results count most;
- queries that both find nothing are compared by their text;
- a query that puts another year, number, month or name in the place of the expert's is another one, whatever it finds:
  a small corpus has often nothing better to show for it.

*By text* (`by_text`). The same words but for order, case, punctuation and stop words; else 0.45 of all words in common
by form and meaning (`searching.attributes`), in any spelling (`searching.alike`), where names and years count
three times; a name in common where both have any; no other number or name in the place of the expert's; and nothing
else asked of what both name: `Marie Curie wife` is not `Marie Curie books`, nor a date a place. This is a guess at what
an engine would do; verdicts say so (`executed: false`).

*Batches* query by query, in any order: every query of the expert's has one of the candidate's to itself that reaches
the same, and few may be beside them; or fewer queries of the candidate's do for all of the expert's, none beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pivotgym.verifiers.matching import match
from pivotgym.verifiers.searching.alike import aligned, in_capitals, missing
from pivotgym.verifiers.searching.attributes import asking, asks_otherwise, meanings, other_attribute, questions
from pivotgym.verifiers.searching.words import content_words, months, names, numbers

ENOUGH = 0.5
ENOUGH_WITH_EVIDENCE = 1 / 3
ENOUGH_WEIGHT = 0.45
ENOUGH_OF_A_NAME = 2 / 3
"""A bare name asks for any attribute, but not for what a whole description does."""
_NAME_WEIGHT = 3.0
_THING = 3
"""Words in common up to which they may be one thing's name."""
_PERSISTENCE = 0.9


@dataclass(frozen=True)
class Judged:
    """Whether two queries reach the same, how much they have in common (0 to 1), and why not."""

    same: bool
    score: float
    reason: str = ""


@lru_cache(maxsize=4096)
def key(query: str) -> tuple[str, ...]:
    """The content words of a query, sorted: equal for queries that differ in nothing that counts."""
    return tuple(sorted(content_words(query)))


def by_results(
    expert: str, candidate: str, ours: Sequence[str], theirs: Sequence[str], evidence: Collection[str] = ()
) -> Judged:
    """Compare two queries by their results, best first."""
    if key(expert) == key(candidate):
        return Judged(True, 1.0)
    if not ours and not theirs:
        # To find nothing is no evidence.
        return by_text(expert, candidate)
    swapped = other_fact(expert, candidate)
    common = agreement(ours, theirs)
    if swapped is not None:
        return Judged(False, common, swapped)
    due = [page for page in ours if page in evidence]
    missed = [page for page in due if page not in theirs]
    if missed:
        return Judged(False, common, f"it does not find {missed[0]}, which the trajectory goes on to use")
    enough = ENOUGH_WITH_EVIDENCE if due else ENOUGH
    if common >= enough:
        return Judged(True, common)
    return Judged(False, common, f"it finds other pages: {common:.2f} in common, {enough:.2f} are due")


def by_text(expert: str, candidate: str, known: Collection[str] = ()) -> Judged:
    """Compare two queries by their words; `known` are names of the conversation, for queries without capitals."""
    if key(expert) == key(candidate):
        return Judged(True, 1.0)
    swapped = other_fact(expert, candidate)
    named = names(expert).union(names(candidate), known)
    ours, theirs = _read(expert, candidate, named, known)
    shared = {word: weight for word, weight in ours.items() if word in theirs}
    score = sum(shared.values()) / sum((ours | theirs).values())
    if swapped is not None:
        return Judged(False, score, swapped)
    both = {word for word, weight in shared.items() if weight == _NAME_WEIGHT} or _thing(shared)
    if shared and (asks_otherwise(expert, candidate) or other_attribute(ours, theirs, both)):
        return Judged(False, score, "it asks for something else of what it names")
    if _named(ours) and _named(theirs) and not _named(shared):
        return Judged(False, score, "it names something else than the expert's query")
    due = ENOUGH_OF_A_NAME if both in (ours.keys(), theirs.keys()) else ENOUGH_WEIGHT
    if score < due:
        return Judged(False, score, f"it has too few words of the expert's query ({score:.2f} of their weight)")
    return Judged(True, score)


def _read(
    expert: str, candidate: str, named: Collection[str], known: Collection[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """What the words of two queries mean, with their weights; a word in two spellings is one."""
    ours, theirs = aligned(asking(expert), asking(candidate), known, in_capitals(expert) | in_capitals(candidate))
    read = meanings([*ours], named) + questions(expert), meanings([*theirs], named) + questions(candidate)
    return _weights(read[0], named), _weights(read[1], named)


def batch(
    expert: Sequence[str], candidate: Sequence[str], compare: Callable[[int, int], Judged]
) -> tuple[bool, float, str]:
    """Compare batches.

    Args:
        expert: The expert's queries.
        candidate: The candidate's.
        compare: Compares the expert's query at one place with the candidate's at another.

    Returns:
        Whether they reach the same, the share of the expert's queries that are reached, and why not.
    """
    judged = [[compare(place, other) for other in range(len(candidate))] for place in range(len(expert))]
    same = [[other for other, one in enumerate(row) if one.same] for row in judged]
    due = [set(others) for others in _alike_first(expert, candidate, same)]
    partners = match(due, range(len(candidate)), lambda others, other: other in others)
    paired = {other: place for place, other in enumerate(partners) if other is not None}
    if len(candidate) < len(expert):
        # Fewer queries may each do for several, but then none may be beside them.
        paired = {other: place for place, others in enumerate(same) for other in others}
        missed = [place for place, others in enumerate(same) if not others]
    else:
        missed = [place for place in range(len(expert)) if place not in paired.values()]
    share = 1 - len(missed) / len(expert)
    beside = [query for other, query in enumerate(candidate) if other not in paired]
    if missed:
        best = max(judged[missed[0]], key=lambda one: (one.same, one.score))
        return False, share, _unreached(expert[missed[0]], best)
    if len(beside) > (max(1, len(expert) // 2) if len(candidate) > len(expert) else 0):
        return False, share, f"{len(beside)} queries beside the expert's, e.g. {beside[0]!r:.100}"
    return True, share, ""


def _alike_first(expert: Sequence[str], candidate: Sequence[str], same: Sequence[Sequence[int]]) -> list[list[int]]:
    """Queries of the same words go with each other, so that one with another year cannot pass for its neighbour."""
    alike: dict[int, int] = {}
    for place, query in enumerate(expert):
        free = (other for other, one in enumerate(candidate) if key(one) == key(query))
        other = next((other for other in free if other not in alike.values()), None)
        if other is not None:
            alike[place] = other
    taken = set(alike.values())
    return [
        [alike[place]] if place in alike else [other for other in others if other not in taken]
        for place, others in enumerate(same)
    ]


def _unreached(query: str, best: Judged) -> str:
    if best.same:
        return f"nothing but what does for another query reaches what {query!r:.100} does"
    return f"nothing reaches what {query!r:.100} does: {best.reason}"


def agreement(ours: Sequence[str], theirs: Sequence[str]) -> float:
    """Mean of Jaccard's index and of rank-biased overlap (extrapolated, p = 0.9); 1.0 for two empty lists."""
    if not ours or not theirs:
        return float(not ours and not theirs)
    jaccard = len(set(ours) & set(theirs)) / len(set(ours) | set(theirs))
    return (jaccard + rank_biased_overlap(ours, theirs)) / 2


def rank_biased_overlap(ours: Sequence[str], theirs: Sequence[str], p: float = _PERSISTENCE) -> float:
    """RBO of two short lists, extrapolated from their last rank (Webber et al. 2010, eq. 32)."""
    depth = max(len(ours), len(theirs))
    seen: tuple[set[str], set[str]] = (set(), set())
    total, agreed = 0.0, 0.0
    for rank in range(1, depth + 1):
        for known, listed in zip(seen, (ours, theirs), strict=True):
            known.update(listed[rank - 1 : rank])
        agreed = len(seen[0] & seen[1]) / max(len(seen[0]), len(seen[1]))
        total += p ** (rank - 1) * agreed
    return (1 - p) * total + p**depth * agreed


def other_fact(expert: str, candidate: str) -> str | None:
    """What the candidate puts in the place of a number, month or name of the expert's; `None` for nothing."""
    for what, read in (("number", numbers), ("time", months)):
        due, given = read(expert), read(candidate)
        if due - given and given - due:
            return f"it has another {what}: {sorted(given - due)[0]} for {sorted(due - given)[0]}"
    due, given = names(expert), names(candidate)
    said = set(content_words(expert)), set(content_words(candidate))
    own = said[0] - said[1], said[1] - said[0]
    gone = missing(due & own[0], own[1], candidate)
    new = missing(given & own[1], own[0], expert)
    if gone and new:
        return f"it names {sorted(new)[0]!r} for {sorted(gone)[0]!r}"
    return None


def _weights(read: Sequence[str], named: Collection[str]) -> dict[str, float]:
    return {word: _NAME_WEIGHT if word in named or (word.isdigit() and len(word) == 4) else 1.0 for word in read}


def _thing(shared: Collection[str]) -> Collection[str]:
    """The words in common as what both queries ask about, where capital letters name nothing."""
    return shared if len(shared) <= _THING else ()


def _named(weights: dict[str, float]) -> bool:
    return any(weight == _NAME_WEIGHT for weight in weights.values())
