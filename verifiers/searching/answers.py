"""When two short answers to a question are the same.

Owns: the rule. Does not own: numbers and dates (`verifiers.searching.quantities`), finding the answer in an action
(`verifiers.searching.requests`), or asking a judge (`verifiers.search`).

1. *The same but for spelling* (SQuAD's and HotpotQA's normalisation and a little more): case, accents, punctuation,
   articles, plurals, `&`, the order of a list, number words, `St.` and `Saint`, a lead-in ("The answer is ..."),
   initials written apart. Parts in brackets and after "also known as" are other names of the same; so are its initials.
2. *Amounts and dates* by value: `40` and `40.0`, `21 inches` and `21`, `2 km` and `2000 m`, `March 13, 1990` and
   `1990-03-13`. Other values are other answers, whatever else agrees.
3. *Yes and no* by the word itself.
4. *Overlap*: all words of the expert's answer and at most half as many others, not counting those that say nothing new
   (titles, kinds, units; words of the question, unless it offers the answer among others). Never where the candidate
   adds or drops a denial, a direction or a rank, offers several answers, or has other numbers. What overlaps otherwise
   is not certain: a judge, where configured, decides.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from pivotgym.verifiers.searching.numerals import spelled_in_digits
from pivotgym.verifiers.searching.quantities import UNIT_WORDS, amount_of, days_of
from pivotgym.verifiers.searching.words import fold, numbers, words

_LEAD_IN = re.compile(
    r"^(?:so,? )?(?:(?:the |my )?(?:final )?answer(?: is)?\s*:?|it(?: is|'s| was)|this is|that is|they are|"
    r"s?he (?:is|was))\s+",
    re.IGNORECASE,
)
_LISTED = re.compile(r"[,;&]|\band\b", re.IGNORECASE)
_BRACKETS = re.compile(r"\(([^()]*)\)")
_ALSO = re.compile(r",? (?:also known as|also called|a\.?k\.?a\.?|better known as|known as) ", re.IGNORECASE)
_ARTICLES = frozenset(("a", "an", "the"))
_SAME = {
    "st": "saint", "ste": "saint", "mt": "mount", "ft": "fort", "jr": "junior", "sr": "senior", "usa": "us",
    "vs": "versus", "prof": "professor", "dr": "doctor", "colour": "color", "theatre": "theater", "centre": "center",
}  # fmt: skip
_PHRASES = (
    ("united state of america", "us"),
    ("united state", "us"),
    ("united kingdom", "uk"),
    ("new york city", "nyc"),
)
_SOFT_WORDS = (
    "mr mrs ms miss sir dame lord lady doctor professor saint king queen president senator captain "
    "inc ltd corp co company corporation llc plc group limited "
    "city town village river lake island county province state country district region mount mountain peak "
    "university college school band film movie album song novel book series show magazine airport station stadium "
    "of in at on by for and to year approximately about around"
)
_SOFT = frozenset(_SOFT_WORDS.split())
_TELLING_WORDS = (
    "new old north south east west northern southern eastern western upper lower inner outer not non never no anti "
    "former vice deputy assistant half ex un great little big second third junior senior ii iii iv v vi"
)
_TELLING = frozenset(_TELLING_WORDS.split())
_YES, _NO = frozenset(("yes", "yeah", "true")), frozenset(("no", "nope", "false"))
_DENIALS = frozenset(("not", "no", "never", "neither", "nor", "cannot", "without"))


@dataclass(frozen=True)
class Ruled:
    """What the rule says: whether the answers are the same, their F1, why, and whether no judge could say otherwise."""

    same: bool
    f1: float
    reason: str
    certain: bool


def same_answer(expert: str, candidate: str, question: str = "") -> bool:
    """Whether two answers are the same. Arguments as for `rule_answer`."""
    return rule_answer(expert, candidate, question).same


def rule_answer(expert: str, candidate: str, question: str = "") -> Ruled:
    """The rule above.

    Args:
        expert: The expert's answer.
        candidate: The policy's.
        question: What was asked; its words say nothing new in an answer.
    """
    if not candidate.strip():
        return Ruled(False, 0.0, "the answer is empty", True)
    if len(candidate) > 20 * len(expert) + 400:
        return Ruled(False, 0.0, "the answer is more than twenty times as long as the expert's", True)
    # Other names count in the expert's answer only: in a candidate's they could be another answer.
    ours, theirs = _names_of(expert), _names_of(candidate, others=False)
    first, other = _bag(ours[0]), _bag(theirs[0])
    overlap = f1(first, other)
    if any(_spelled_alike(one, two) for one in ours for two in theirs):
        return Ruled(True, 1.0, "the answer is the expert's", True)
    polar = _polarity(ours[0]), _polarity(theirs[0])
    if polar[0] is not None:
        same = polar[0] == polar[1]
        return Ruled(same, float(same), "the answer is the expert's" if same else "yes or no: the other one", True)
    if polar[1] is not None and len(_bag(theirs[0])) == 1:
        return Ruled(False, 0.0, "the answer is yes or no, the expert's is neither", True)
    if any(_initials(one, two) or _initials(two, one) for one in ours for two in theirs):
        return Ruled(True, 1.0, "the answer is the expert's, by its initials", True)
    valued = _by_value(ours[0], theirs[0])
    if valued is not None:
        reason = "the same amount or date" if valued else "another amount or date"
        return Ruled(valued, max(overlap, float(valued)), reason, True)
    return _by_overlap(ours, theirs, question)


def f1(expert: Counter[str], candidate: Counter[str]) -> float:
    """Harmonic mean of precision and recall of the words, counted."""
    shared = sum((expert & candidate).values())
    total = sum(expert.values()) + sum(candidate.values())
    return 2 * shared / total if total else 0.0


def _by_overlap(ours: list[str], theirs: list[str], question: str) -> Ruled:
    expert, candidate = max(
        ((one, two) for one in ours for two in theirs), key=lambda pair: f1(_bag(pair[0]), _bag(pair[1]))
    )
    due, given = _bag(expert), _bag(candidate)
    score = f1(due, given)
    if not score:
        return Ruled(False, 0.0, "the answer has no word of the expert's", True)
    due_numbers, given_numbers = numbers(spelled_in_digits(fold(expert))), numbers(spelled_in_digits(fold(candidate)))
    # A year may be told beside a name; any other figure is part of it: `Iron Man 3`.
    more_numbers = {number for number in given_numbers - due_numbers if len(number) != 4}
    other_numbers = due_numbers != given_numbers if due_numbers else more_numbers
    if other_numbers or (due == given and _figures(expert) != _figures(candidate)):
        return Ruled(False, score, "the answer has other numbers than the expert's", True)
    asked = frozenset(words(question))
    missing, more = set(due - given), set(given - due)
    telling = (missing | more) & (_TELLING - asked)
    if telling:
        return Ruled(False, score, f"the answer differs in {sorted(telling)[0]!r}", False)
    if _several(candidate) and not _several(expert):
        return Ruled(False, score, "the answer names several, the expert's one", False)
    # Of a question that offers the answer among others, its words tell one from the other.
    idle = _SOFT | UNIT_WORDS | (frozenset() if set(due) <= asked | _SOFT else asked)
    if not missing - idle and len(more - idle) <= len(due & given) // 2:
        return Ruled(True, score, "the answer has the expert's words and little else", False)
    return Ruled(False, score, f"the answer has too little in common with the expert's (F1 {score:.2f})", False)


def _names_of(answer: str, *, others: bool = True) -> list[str]:
    """The answer without its lead-in, then what it is also called; the whole first, then without brackets."""
    plain = _LEAD_IN.sub("", answer.strip().strip("*_\"'“”` ").rstrip(".")).strip()
    plain = plain or answer.strip()
    inside = [part for part in _BRACKETS.findall(plain) if part.strip()]
    outside = _BRACKETS.sub(" ", plain).strip()
    found = [outside, plain, *(inside + _ALSO.split(outside) if others else ())]
    return [one for one in dict.fromkeys(found) if _surface(one)] or [plain]


def _tokens(text: str) -> list[str]:
    plain = spelled_in_digits(fold(text)).replace("&", " and ").replace("%", " percent ")
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)
    plain = re.sub(r"(?<!\S)[-−](?=\d)", "minus ", plain)
    plain = re.sub(r"(\d)\.0+\b", r"\1", plain)
    # Initials are one word: `J. K.` and `J.K.` as `JK`.
    plain = re.sub(r"\b(?:[a-z]\b[.\s]*){2,}", lambda match: re.sub(r"[.\s]", "", match[0]) + " ", plain)
    plain = re.sub(r"['’]s?\b", "", plain)
    found = [_SAME.get(word, word) for word in words(plain) if word not in _ARTICLES]
    joined = " ".join(found)
    for phrase, short in _PHRASES:
        joined = re.sub(rf"\b{phrase}\b", short, joined)
    return joined.split()


def _bag(text: str) -> Counter[str]:
    return Counter(_tokens(text))


def _surface(text: str) -> list[str]:
    """The words without `and`."""
    return [word for word in _tokens(text) if word != "and"]


def _spelled_alike(expert: str, candidate: str) -> bool:
    """Whether two answers are the same words; the order is free in a list, and where a name is turned round."""
    ours, theirs = _surface(expert), _surface(candidate)
    if not ours or not theirs:
        return expert.strip() == candidate.strip()
    if ours == theirs or "".join(ours) == "".join(theirs):
        return True
    listed = bool(_LISTED.search(expert) or _LISTED.search(candidate)) and not any(map(str.isdigit, "".join(ours)))
    return listed and sorted(ours) == sorted(theirs)


def _figures(text: str) -> list[str]:
    """The numbers in order: `3-1` is not `1-3`."""
    return [word for word in _tokens(text) if word.isdigit()]


def _polarity(text: str) -> bool | None:
    found = _tokens(text)
    if not found or found[0] not in _YES | _NO:
        return None
    # "No Country for Old Men" is a title.
    alone = (
        len(found) == 1 or bool(re.match(r"\s*\w+\s*[,.;:!-]", text)) or found[1] in {"it", "they", "he", "she", "both"}
    )
    return found[0] in _YES if alone else None


def _by_value(expert: str, candidate: str) -> bool | None:
    """Whether two amounts or days are the same; `None` where they are not both such."""
    days = days_of(expert), days_of(candidate)
    if all(days):
        return any(_same_day(one, two) for one in days[0] for two in days[1])
    amounts = amount_of(expert), amount_of(candidate)
    if amounts[0] is None or amounts[1] is None:
        return None
    return amounts[0].same(amounts[1])


def _same_day(expert: tuple[int, int, int], candidate: tuple[int, int, int]) -> bool:
    """A day that the expert leaves open may be any."""
    return expert[:2] == candidate[:2] and expert[2] in (0, candidate[2])


def _initials(short: str, long: str) -> bool:
    """`BBC` of `British Broadcasting Corporation`."""
    letters = re.sub(r"[.\s]", "", short)
    if not (letters.isalpha() and letters.isupper() and 2 <= len(letters) <= 8):
        return False
    parts = [
        word for word in re.findall(r"[^\W\d_]+", long) if word.casefold() not in {"of", "the", "and", "for", "de"}
    ]
    return len(parts) == len(letters) and "".join(part[0] for part in parts).casefold() == letters.casefold()


def _several(text: str) -> bool:
    return bool(re.search(r"\bor\b|\band\b|[&;,/|\n]", text)) or bool(_DENIALS & set(text.casefold().split()))
