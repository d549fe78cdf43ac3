"""Words and plain text of the study's own.

Owns: the made-up names by split, sentences that belong to no domain, and how an episode is written as text. Does not
own: tasks, or what is trained on the text (`study/base`).

Names are words without a meaning, each a token of its own: a policy that is to act on them has to copy them, and a
small one learns to copy one token long before it learns to copy two. So that it has read every one of them,
pre-training text uses all names; tasks to train on and tasks to evaluate share none.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import Literal

from pivotgym.core.formats import Format, get_format
from pivotgym.core.messages import Action, Message, Tool

NameSplit = Literal["train", "eval", "text"]
FORMAT = "smollm"
"""The text format of the study: one-line signatures and calls as a Python list cost the fewest tokens."""
DONE = "Done."
"""What an expert says when the task is done."""


def _listed(text: str, separator: str) -> list[str]:
    return text.split(separator)


_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_SYLLABLES = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
_EVERY = 40
"""Of the 4,900 words of two syllables one in this many is a name: enough for a task of forty, and no more than a small
policy can tell apart."""
NUMBERS = range(20, 100)
"""What orders are numbered by; each is a token, as names are. Quantities are smaller."""
_TAKEN = frozenset(
    _listed(
        "bare base case code date dive done file fine five game give late life like line live made make mode "
        "more move name nine note pipe rate real role rule same save side size some take tape time tone type "
        "zone",
        " ",
    )
)
"""Words that mean something: a name is never one of them."""
_SHARES: tuple[NameSplit, ...] = ("train", "train", "train", "eval", "eval", "text", "text", "text", "text", "text")
_NAME_SHARES: tuple[NameSplit, ...] = ("train", "train", "train", "eval", "eval")
_SUBJECTS = _listed(
    "the river, a small boat, our neighbour, the old clock, every child, the baker, a grey cat, the north wind", ", "
)
_VERBS = _listed("crosses, finds, carries, forgets, watches, paints, follows, counts", ", ")
_OBJECTS = _listed(
    "the bridge, a letter, two apples, the long road, some bread, its own name, the first snow, a song", ", "
)
_WHEN = _listed(
    "at dawn, every winter, before noon, in the garden, without a word, near the market, once more, for an hour", ", "
)


@lru_cache
def names(split: NameSplit) -> tuple[str, ...]:
    """All names of a split: no name is in both `train` and `eval`, and `text` has those of both."""
    words = ("".join(parts) for parts in itertools.product(_SYLLABLES, repeat=2))
    found = [word for word in words if word not in _TAKEN and not _number(word) % _EVERY]
    return tuple(word for word in found if split in ("text", _NAME_SHARES[_number(word) // _EVERY % len(_NAME_SHARES)]))


def split_of(kind: str) -> NameSplit:
    """Which split tasks of one kind (the sequence of things they ask for) are in."""
    return _SHARES[_number(kind) % len(_SHARES)]


def _number(text: str) -> int:
    # Not `hash`: that is another one in every process.
    return zlib.crc32(text.encode())


def some_names(random: Random, split: NameSplit, count: int) -> list[str]:
    """Different names in a random order."""
    return random.sample(names(split), count)


def plain(seed: int) -> Iterator[str]:
    """Sentences that belong to no domain, without end: what a policy knew before it was trained, and may forget."""
    random = Random(f"plain/{seed}")
    while True:
        yield " ".join(_sentence(random) for _ in range(random.randint(2, 4)))


def _sentence(random: Random) -> str:
    parts = [random.choice(words) for words in (_SUBJECTS, _VERBS, _OBJECTS, _WHEN)]
    if random.random() < 0.3:
        return f"{parts[3]}, {parts[0]} {parts[1]} {parts[2]}.".capitalize()
    return f"{' '.join(parts)}.".capitalize()


def study_format() -> Format:
    """The text format of the study's policies."""
    return get_format(FORMAT)


def episode_text(messages: Sequence[Message], tools: Sequence[Tool]) -> str:
    """A whole conversation as the policy reads and writes it, up to the end of its last action."""
    ends = [position for position, message in enumerate(messages) if message.role == "assistant"]
    fmt, last = study_format(), ends[-1]
    return fmt.render(list(messages[:last]), list(tools)) + fmt.render_action(Action.from_message(messages[last]))
