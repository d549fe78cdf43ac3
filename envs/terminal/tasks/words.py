"""Names and values that families draw from, so that no two seeds share their constants.

Owns: the word lists and draws from them. Does not own: what they are used for.
"""

from __future__ import annotations

from random import Random


def _words(text: str) -> list[str]:
    return text.split()


PEOPLE = _words(
    "ada bruno carla dmitri elif farid greta hiro ines jonas kaya lena marco nadia omar petra quinn rosa sven tara uma "
    "vera wanda yusuf zoe"
)
CITIES = _words(
    "Aarhus Bergen Cork Dijon Essen Faro Ghent Haifa Izmir Jena Kiel Lille Malmo Nantes Oulu Porto Riga Split Turin "
    "Utrecht Vigo Zadar"
)
THINGS = _words(
    "anchor basket candle drawer engine filter gasket hammer inkwell jacket kettle ladder magnet napkin oilcan pulley "
    "ribbon socket teapot valve wrench"
)
PROJECTS = _words(
    "amber birch cobalt delta ember falcon garnet harbor indigo juniper krypton lagoon meadow nectar orchid pebble "
    "quartz raven saffron timber umber velvet willow zephyr"
)
SERVICES = _words("billing search mailer gateway auth catalog indexer reports payments shipping metrics uploads")


def some(random: Random, words: list[str], count: int) -> list[str]:
    """Different words, in a random order."""
    return random.sample(words, count)


def token(random: Random, length: int = 6) -> str:
    """Letters and digits, a letter first: a value that nobody guesses."""
    return random.choice("bcdfghjkmnpqrstvwxz") + "".join(random.choices("bcdfghjkmnpqrstvwxz23456789", k=length - 1))


def prose(random: Random, lines: int) -> str:
    """Lines of words."""
    return "".join(" ".join(random.choices(THINGS + PROJECTS, k=random.randint(4, 9))) + "\n" for _ in range(lines))
